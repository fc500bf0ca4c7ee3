/**
 * Changes the passphrase of a vault. `kill`: ends itself instead of the effect on the disk with this number. `fail`: has that effect
 * fail, then the next one in another try, until a try has none left. Prints how many effects a change takes, and what each try said.
 * Arguments: the vault's directory, its passphrase, the new one, `kill` or `fail`, the first number (from 1).
 */

import fs from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'

const [, self, directory, ...rest] = process.argv
const [before, after, way, first] = rest
let effects = 0
let at = 0

/** Counts what changes the disk; the effect that is hit does not take place. */
function strike() {
  if (at === 0 || ++effects !== at) return
  if (way === 'kill') process.kill(process.pid, 'SIGKILL')
  throw Object.assign(new Error('struck'), { code: 'EIO', syscall: 'struck' })
}

const wrap = (holder, name) => {
  const original = holder[name]
  holder[name] = async function (...values) {
    strike()
    return original.apply(this, values)
  }
}
const handle = await fs.open(self)
for (const name of ['chmod', 'writeFile', 'sync']) wrap(handle.constructor.prototype, name)
await handle.close()
for (const name of ['open', 'rename', 'link', 'unlink']) wrap(fs, name)
syncBuiltinESMExports()

const { onDisk, rewrapVaultKey } = await import('../../src/keys/vault-files.ts')
const bytes = (text) => new TextEncoder().encode(text)
const text = () => fs.readFile(`${directory}/vault.json`, 'utf8')
const tries = []
let [now, other] = [before, after]
for (let next = Number(first); ; next++) {
  const was = await text()
  effects = 0
  at = next
  const problem = await onDisk(() => rewrapVaultKey(directory, bytes(now), bytes(other), 16)).catch(
    (cause) => cause,
  )
  at = 0
  if (problem === undefined) break
  const changed = (await text()) !== was
  tries.push({ code: problem.code, message: problem.message, changed })
  if (changed) [now, other] = [other, now]
}
process.stdout.write(JSON.stringify({ effects, tries, last: other }))
