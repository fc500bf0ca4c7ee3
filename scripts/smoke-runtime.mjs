/** smoke-session.mjs as a program of Deno, Bun or Node: `smoke-runtime.mjs BUNKER-URI`. */

import process from 'node:process'
import { runSession } from './smoke-session.mjs'

const line = await runSession(process.argv[2], async () => (await import('@nip46/crypto/ox')).oxCrypto())
console.log(line)
