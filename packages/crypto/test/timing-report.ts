/**
 * The timing test at full length, as a program: `pnpm --filter @nip46/crypto timing`. Key classes 1 and 2^255 against
 * random keys, for signing and ECDH on each backend that claims constant or blinded time, and as a control
 * tiny-secp256k1's own multiplication, which must be found out. Never part of the test run: it takes minutes and
 * wants a quiet machine. Exits with 1 if anything is not as it should be.
 */

import { randomFillSync } from 'node:crypto'
import { parseArgs } from 'node:util'
import * as tiny from 'tiny-secp256k1'
import type { Curve } from '../src/curve.ts'
import { createOxMemory } from '../src/ox-memory.ts'
import { createTinyCurve } from '../src/tiny-memory.ts'
import { LEAK, smallestT } from './timing.ts'

const { values } = parseArgs({ options: { samples: { type: 'string', default: '100000' } } })
const samples = Number(values.samples)
if (!Number.isSafeInteger(samples) || samples < 1_000)
  throw new Error('--samples takes a whole number from 1000')

/** Random keys, made beforehand: both classes are only copied. */
const POOL = 1_024

const fixedKeys = {
  '1': new Uint8Array(32).fill(1, 31),
  '2^255': new Uint8Array(32).fill(128, 0, 1),
}
const bytes = (length: number): Uint8Array => randomFillSync(new Uint8Array(length))

interface Pair {
  readonly secret: Uint8Array
  readonly pubkey: Uint8Array
}

function pairOf(curve: Curve, secret: Uint8Array): Pair {
  const pair = { secret: secret.slice(), pubkey: new Uint8Array(32) }
  curve.publicKey(pair.secret, pair.pubkey)
  return pair
}

/** What is timed: a fresh operation on the secret that was copied in. */
interface Operation {
  readonly name: string
  readonly leaks: boolean
  readonly secret: Uint8Array
  readonly pubkey: Uint8Array
  readonly prepare: () => void
  readonly operate: () => void
}

function operationsOf(name: string, curve: Curve, peer: Uint8Array): readonly Operation[] {
  const shared = { secret: new Uint8Array(32), pubkey: new Uint8Array(32), leaks: false }
  const [message, aux, blinding] = [bytes(32), bytes(32), bytes(32)]
  const [signature, x] = [new Uint8Array(64), new Uint8Array(32)]
  const prepare = (): void => {
    for (const fresh of [message, aux, blinding]) randomFillSync(fresh)
    blinding[0] = 0
  }
  return [
    {
      ...shared,
      name: `${name}: signing`,
      prepare,
      operate: () => curve.sign(shared.secret, message, aux, signature, shared.pubkey),
    },
    {
      ...shared,
      name: `${name}: ECDH`,
      prepare,
      operate: () => curve.ecdhX(shared.secret, peer, blinding, x),
    },
  ]
}

function control(peer: Uint8Array): Operation {
  const point = Uint8Array.of(2, ...peer)
  const secret = new Uint8Array(32)
  return {
    name: "control, tiny-secp256k1's bare pointMultiply",
    leaks: true,
    secret,
    pubkey: new Uint8Array(32),
    prepare: () => undefined,
    operate: () => tiny.pointMultiply(point, secret, true),
  }
}

const curves = [
  { name: 'tiny', curve: createTinyCurve(bytes) },
  { name: 'ox', curve: createOxMemory(bytes).curve },
]
const [{ curve: first }] = curves as [(typeof curves)[0]]
const peer = pairOf(first, bytes(32)).pubkey
const pool = Array.from({ length: POOL }, () => pairOf(first, bytes(32)))
let coins = bytes(4_096)
let tossed = 0
function coin(): boolean {
  if (tossed === coins.length) {
    coins = bytes(coins.length)
    tossed = 0
  }
  return ((coins[tossed++] as number) & 1) === 1
}

console.log(`|t| of Welch's test, ${samples} samples, Node ${process.version}; below ${LEAK} is even`)
let wrong = 0
for (const operation of [
  ...curves.flatMap(({ name, curve }) => operationsOf(name, curve, peer)),
  control(peer),
])
  for (const [key, secret] of Object.entries(fixedKeys)) {
    const fixed = pairOf(first, secret)
    const random = new Uint32Array(1)
    const t = smallestT(`${operation.name}, key ${key} against random keys`, {
      samples,
      coin,
      prepare(isFixed) {
        randomFillSync(random)
        const other = pool[(random[0] as number) % POOL] as Pair
        const { secret, pubkey } = isFixed ? fixed : other
        operation.secret.set(secret)
        operation.pubkey.set(pubkey)
        operation.prepare()
      },
      operate: operation.operate,
    })
    if (t >= LEAK !== operation.leaks) wrong++
  }
console.log(wrong === 0 ? 'all as it should be' : `${wrong} not as they should be`)
process.exitCode = wrong === 0 ? 0 : 1
