import { randomBytes } from 'node:crypto'
import { schnorr } from '@noble/curves/secp256k1.js'
import { bytesToHex } from '@noble/hashes/utils.js'
import { expect, test } from 'vitest'
import { backends } from './backends.ts'

test.each(backends)(
  "keys that come as Node's Buffers, whose slices share memory, are copied by $name",
  ({ create }) => {
    const backend = create()
    const secret = randomBytes(32)
    const before = bytesToHex(secret)
    const public32 = Buffer.from(schnorr.getPublicKey(secret))
    const key = backend.importKey(secret)
    const peer = backend.importPeer(public32)
    if (key === undefined || peer === undefined) throw new Error('the keys are valid')
    expect(bytesToHex(secret)).toBe(before)
    secret.fill(1)
    public32.fill(1)
    const signature = new Uint8Array(64)
    backend.sign(key, new Uint8Array(32), new Uint8Array(32), signature)
    expect(backend.verify(peer, new Uint8Array(32), signature)).toBe(true)
    backend.destroyKey(key)
    expect(bytesToHex(secret)).toBe('01'.repeat(32))
  },
)
