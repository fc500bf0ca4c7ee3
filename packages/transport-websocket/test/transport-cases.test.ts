import { nobleCrypto } from '@nip46/crypto/noble'
import { transportCases } from '@nip46/testing'
import { describe, test } from 'vitest'
import { createRelayPool, type RelayPoolOptions } from '../src/index.ts'
import { listen } from './listen.ts'

const crypto = nobleCrypto()

/** Jitter of an eighth: lost relays are dialled again soon, so that the cases are quick. */
const randomBytes = (length: number): Uint8Array => {
  const bytes = globalThis.crypto.getRandomValues(new Uint8Array(length))
  if (length === 2) bytes[0] = 0x20
  return bytes
}

const variants: readonly (readonly [string, RelayPoolOptions])[] = [
  ['on the ws package of Node', {}],
  ['on a standard WebSocket', { WebSocket: globalThis.WebSocket }],
]

for (const [name, options] of variants) {
  const missing = options.WebSocket === undefined && 'WebSocket' in options
  describe.skipIf(missing)(
    `a relay pool ${name} is a Transport${missing ? ' (left out: this Node has no WebSocket)' : ''}`,
    { concurrent: true },
    () => {
      for (const { name, run } of transportCases) {
        test(name, () =>
          run({
            createTransport: () => createRelayPool({ random: randomBytes, ...options }),
            listen,
            crypto,
          }),
        )
      }
    },
  )
}
