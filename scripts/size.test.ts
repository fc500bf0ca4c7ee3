/**
 * How much a page loads: bundled and minified by esbuild from the sources, then gzip -9. KB are 1,000 bytes.
 * Never measured from one part of a bundle: what a part adds is the difference of two bundles.
 */

import { gzipSync } from 'node:zlib'
import { build } from 'esbuild'
import { expect, test } from 'vitest'
import { root } from './workspace.ts'

/** What an app needs to log in with a link or a QR code, to go on later, and to sign and encrypt. */
const CLIENT = `
export { connect, offer, parseSavedSession, resume } from '@nip46/client'
export { smallCrypto } from '@nip46/crypto/small'
export { createRelayPool } from '@nip46/transport-websocket'
`
/** What does the arithmetic of points, of this backend and of others. */
const CURVES = ['@noble/secp256k1', '@noble/curves', '@noble/curves/*']

test('client, WebSocket transport and crypto stay below 26 KB, and 24 KB without the curve', async () => {
  const all = await sizeOf(CLIENT)
  const withoutCurve = await sizeOf(CLIENT, CURVES)
  console.log(`size: client, transport and crypto ${all} bytes; without the curve ${withoutCurve}`)
  expect(withoutCurve).toBeGreaterThan(8_000)
  expect(withoutCurve).toBeLessThan(24_000)
  expect(all).toBeLessThan(26_000)
})

test('the NIP-04 era adds at most 1.3 KB', async () => {
  const nip04 = `export { smallNip04 } from '@nip46/crypto/small-nip04'`
  const added = (await sizeOf(`${CLIENT} ${nip04}`)) - (await sizeOf(CLIENT))
  console.log(`size: the NIP-04 era ${added} bytes more`)
  expect(added).toBeGreaterThan(500)
  expect(added).toBeLessThanOrEqual(1_300)
})

test('the login component adds at most 12 KB', async () => {
  const added = (await sizeOf(`${CLIENT} import '@nip46/login/define'`)) - (await sizeOf(CLIENT))
  console.log(`size: the login component ${added} bytes more`)
  expect(added).toBeGreaterThan(4_000)
  expect(added).toBeLessThanOrEqual(12_000)
})

/** In bytes, as a browser would get it. */
async function sizeOf(code: string, external: readonly string[] = []): Promise<number> {
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
    external: [...external],
    logLevel: 'silent',
  })
  return gzipSync(outputFiles[0]?.contents ?? '', { level: 9 }).length
}
