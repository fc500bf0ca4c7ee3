/** The symmetric code under test, in every form that a host may have: each of them must do the same. */

import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js'
import { blocksOver } from '../src/blocks.ts'
import { hostPrimitives } from '../src/host-node.ts'
import { createNip04, type Nip04 } from '../src/nip04.ts'
import { hmacSha256, sha256 } from '../src/sha256.ts'
import { smallNip04 } from '../src/small-nip04.ts'
import type { Symmetric } from '../src/symmetric.ts'
import { createNobleSymmetric } from '../src/symmetric-noble.ts'
import { createPlainCode } from '../src/symmetric-plain.ts'
import { createWatchedSymmetric } from '../src/symmetric-wasm.ts'

const { name, large, hashBytes, cbc } = hostPrimitives()
if (large === undefined) console.log('left out: this host has no ChaCha20 of its own')

/** With the host's own code for every message, however small. */
const eager = large === undefined ? [] : [{ name, large: { ...large, from: 0 } }]

/** What `smallCrypto()` is made of, put together as the others are. */
const plain: Symmetric = {
  ...createPlainCode(),
  name: 'plain',
  preparedBytes: 32,
  conversationKey: (sharedX, out32) => out32.set(hmacSha256(utf8ToBytes('nip44-v2'), sharedX)),
  prepare: (conversationKey, prepared) => prepared.set(conversationKey),
  hashText: (text) => bytesToHex(sha256(utf8ToBytes(text))),
  taggedHash(tag) {
    const tagged = sha256(utf8ToBytes(tag))
    return (parts, out32) => out32.set(sha256(tagged, tagged, ...parts))
  },
}

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
  { name: 'plain', symmetric: plain },
  ...eager.map((host) => ({ name: 'wasm and node', symmetric: createWatchedSymmetric(host).symmetric })),
  ...eager.map((host) => ({ name: 'noble and node', symmetric: createNobleSymmetric(host) })),
]

if (cbc === undefined) console.log('left out: this host has no AES-CBC of its own')

export const nip04OfNoble: Nip04 = createNip04(blocksOver(undefined))

export const nip04s: readonly { readonly name: string; readonly nip04: Nip04 }[] = [
  { name: 'noble', nip04: nip04OfNoble },
  { name: 'small', nip04: smallNip04 },
  ...(cbc === undefined ? [] : [{ name: 'node', nip04: createNip04(blocksOver({ ...cbc, from: 0 })) }]),
]
