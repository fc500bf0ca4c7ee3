/**
 * How much a page loads: bundled and minified by esbuild from the sources, then gzip -9. KB are 1,000 bytes.
 * Never measured from one part of a bundle: what a part adds is the difference of two bundles.
 */

import { gzipSync } from 'node:zlib'
import { build } from 'esbuild'
import { expect, test } from 'vitest'
import { root } from './workspace.ts'

const CLIENT = `
export { connect, offer, parseSavedSession, resume } from '@nip46/client'
export { nobleCrypto } from '@nip46/crypto/noble'
export { createRelayPool } from '@nip46/transport-websocket'
`

test('the login component adds at most 12 KB to client, transport and noble', async () => {
  const without = await sizeOf(CLIENT)
  const added = (await sizeOf(`${CLIENT} import '@nip46/login/define'`)) - without
  console.log(`size: client, transport and noble ${without} bytes; the login component ${added} more`)
  expect(added).toBeGreaterThan(4_000)
  expect(added).toBeLessThanOrEqual(12_000)
})

/** In bytes, as a browser would get it. */
async function sizeOf(code: string): Promise<number> {
  const { outputFiles } = await build({
    // The component's package has all of these among its dependencies.
    stdin: { contents: code, resolveDir: `${root}/packages/login` },
    bundle: true,
    minify: true,
    write: false,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    conditions: ['@nip46/source', 'browser'],
    logLevel: 'silent',
  })
  return gzipSync(outputFiles[0]?.contents ?? '', { level: 9 }).length
}
