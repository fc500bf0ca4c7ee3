/**
 * What a bunker is flooded with: so many events of one kind, each as its JSON text.
 * Never one that a client signed and a relay has not had before, but for the first of the copies.
 */

import { randomBytes, randomFillSync } from 'node:crypto'
import { type Crypto, encodeEvent, type Pubkey, type SignedEvent, seal } from '@nip46/core'
import { fromHex, type Parties } from '../src/load/parties.ts'
import { must } from '../src/must.ts'

export type Flood = 'garbage' | 'forged clients' | 'copies' | 'bad signatures' | 'valid strangers'

const EVENTS = 3_000

export function makeFlood(crypto: Crypto, kind: Flood, parties: Parties): readonly string[] {
  const random = (length: number): Uint8Array => randomFillSync(new Uint8Array(length))
  const createdAt = Math.floor(Date.now() / 1_000)
  const to = crypto.importKey(fromHex(parties.signer)).pubkey
  const clients = parties.clients.map(({ secretKey }) => crypto.importKey(fromHex(secretKey)))
  const made: string[] = []
  for (let i = 0; i < EVENTS; i++) {
    const client = clients[i % clients.length]
    if (client === undefined) throw new Error('no clients')
    const copied = kind === 'copies' ? made[i - clients.length] : undefined
    if (copied !== undefined) {
      made.push(copied)
      continue
    }
    const key = kind === 'copies' ? client : crypto.importKey(random(32))
    const text = JSON.stringify({ id: `f${i}`, method: 'get_public_key', params: [] })
    const event = must(seal({ text, to, key, scheme: 'nip44', createdAt }, { crypto, random }))
    made.push(encodeEvent(spoiled(event, kind, client.pubkey)))
  }
  return made
}

function spoiled(event: SignedEvent, kind: Flood, client: Pubkey): SignedEvent {
  const hex = (bytes: number): string => randomBytes(bytes).toString('hex')
  if (kind === 'garbage') return { ...event, id: hex(32) }
  if (kind === 'forged clients') return { ...event, id: hex(32), pubkey: client }
  if (kind === 'bad signatures') return { ...event, sig: hex(64) }
  return event
}
