/**
 * What somebody who installed the packages would do first, with published entry points only: load them all.
 * Copied beside installed tarballs and run there on every supported Node; exits with 0 when all went well.
 * Never reads this repository.
 */

import { readdirSync, readFileSync } from 'node:fs'

const scope = new URL('node_modules/@nip46/', import.meta.url)

await loadEveryEntry()
console.log(`smoke: all well on Node ${process.versions.node}`)

async function loadEveryEntry() {
  for (const folder of readdirSync(scope).sort()) {
    const manifest = JSON.parse(readFileSync(new URL(`${folder}/package.json`, scope), 'utf8'))
    for (const entry of Object.keys(manifest.exports)) {
      if (entry.endsWith('.json')) continue
      const specifier = manifest.name + entry.slice(1)
      const names = Object.keys(await import(specifier))
      if (names.length === 0) throw new Error(`${specifier} exports nothing`)
      console.log(`smoke: ${specifier} has ${names.length} exports`)
    }
  }
}
