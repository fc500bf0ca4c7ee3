/**
 * NIP-44 alone, ours and nostr-tools', as a program for any Node: prints its figures as JSON.
 * Takes the number of rounds as its argument. Needs no curve but once, so the backend is the one that runs everywhere.
 */

import { pooledRandom } from '@nip46/crypto'
import { nobleCrypto } from '@nip46/crypto/noble'
import { measure } from '../measure.ts'
import { messageCases } from '../scenario/messages.ts'
import { processStopwatch } from '../stopwatch.ts'
import { nostrToolsSubject } from '../subject/nostr-tools.ts'
import { ownSubject } from '../subject/own.ts'

const rounds = Number(process.argv[2] ?? 5)
const random = pooledRandom()
const keys = { client: random(32), signer: random(32), user: random(32) }
const peer = nostrToolsSubject(keys)
const own = await ownSubject(
  { name: '@nip46/crypto', create: async (options = {}) => nobleCrypto(options) },
  keys,
  random,
)
const sizes = [100, 1_024, 16_384]
const cases = [...messageCases(own, peer, sizes), ...messageCases(peer, own, sizes)].filter(({ scenario }) =>
  scenario.startsWith('nip44'),
)
const figures = await measure(cases, { rounds, sliceMs: 20, warmUpMs: 150, stopwatch: processStopwatch() })
console.log(JSON.stringify({ node: process.version, figures }))
