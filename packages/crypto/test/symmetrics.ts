/** The symmetric code under test, in every form that a host may have: each of them must do the same. */

import { hostPrimitives } from '../src/host-node.ts'
import type { LargeBlocks } from '../src/host-primitives.ts'
import type { Symmetric } from '../src/symmetric.ts'
import { createNobleSymmetric } from '../src/symmetric-noble.ts'
import { createWatchedSymmetric } from '../src/symmetric-wasm.ts'

const { name, large, hashBytes, cbc } = hostPrimitives()
if (large === undefined) console.log('left out: this host has no ChaCha20 of its own')

/** With the host's own code for every message, however small. */
const eager = large === undefined ? [] : [{ name, large: { ...large, from: 0 } }]

export const symmetrics: readonly { readonly name: string; readonly symmetric: Symmetric }[] = [
  { name: 'wasm', symmetric: createWatchedSymmetric({ name: '' }).symmetric },
  ...(hashBytes === undefined
    ? []
    : [
        {
          name: 'wasm and one-shot hashes',
          symmetric: createWatchedSymmetric({ name, hashBytes: { ...hashBytes, from: 0 } }).symmetric,
        },
      ]),
  { name: 'noble', symmetric: createNobleSymmetric({ name: '' }) },
  ...eager.map((host) => ({ name: 'wasm and node', symmetric: createWatchedSymmetric(host).symmetric })),
  ...eager.map((host) => ({ name: 'noble and node', symmetric: createNobleSymmetric(host) })),
]

if (cbc === undefined) console.log('left out: this host has no AES-CBC of its own')

/** Never large enough for the host's own code. */
export const blocksOfNoble: LargeBlocks = {
  from: Number.POSITIVE_INFINITY,
  encrypt: () => new Uint8Array(0),
  decrypt: () => undefined,
}

export const blockCodes: readonly { readonly name: string; readonly large: LargeBlocks }[] = [
  { name: 'noble', large: blocksOfNoble },
  ...(cbc === undefined ? [] : [{ name: 'node', large: { ...cbc, from: 0 } }]),
]
