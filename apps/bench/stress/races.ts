/**
 * What must not happen twice, asked for by many at once: a token, the last use of a rule, a request after a revocation.
 * Two daemons where the store can be shared, one otherwise.
 */

import { makeParties } from '../src/load/loads.ts'
import type { BunkerReady } from '../src/load/parties.ts'
import type { Performed } from '../src/load/store-choice.ts'
import { type Child, startChild } from '../src/process/child.ts'
import { makePlace, type StoreName } from './places.ts'
import type { StressOptions } from './run.ts'
import { always, type Verdict } from './verdict.ts'
import { createWitness } from './witness.ts'

const BUNKER = 'load/bunker/own-process'
const RACERS = 100
const CONCURRENT = 200
const USES = 50
const IN_FLIGHT = 32
const LOAD_MS = 300
const STRANGERS_MS = 5_000
/** What does not come in this time does not come, however busy the machine. */
const SETTLE_MS = 120_000

export async function races(store: StoreName, { backend, onProgress }: StressOptions): Promise<Verdict> {
  const crypto = await backend.create()
  const parties = makeParties(crypto, RACERS + 2)
  const place = await makePlace(store)
  const relay = startChild('load/relay-process')
  const witness = createWitness(crypto, parties)
  const bunkers: Child[] = []
  try {
    const { url } = await relay.ask<{ readonly url: string }>('start', { backend: backend.name })
    const argument = {
      relay: url,
      backend: backend.name,
      parties,
      store: place.choice,
      uses: USES,
      offers: false,
    }
    for (let i = 0; i < (store === 'postgres' ? 2 : 1); i++) {
      const bunker = startChild(BUNKER)
      bunkers.push(bunker)
      await bunker.ask<BunkerReady>('start', argument)
    }
    const [first, last] = [bunkers[0] as Child, bunkers.at(-1) as Child]
    const token = (): Promise<string> => first.ask<string>('token')
    await witness.connect(url, [await token(), await token()])

    onProgress('one token, many clients')
    const shared = await token()
    const joins = Array.from({ length: RACERS }, (_, i) => witness.present(i + 2, shared))
    const countAcks = (): number => joins.filter((id) => witness.said(id)?.result === 'ack').length
    const countOpened = (): Promise<readonly number[]> =>
      Promise.all(bunkers.map((bunker) => bunker.ask<number>('sessions')))
    await reached(async () => countAcks() >= 1 && (await countOpened()).every((count) => count >= 3))
    // Time for one too many.
    await witness.settle(STRANGERS_MS)
    const [acks, opened] = [countAcks(), await countOpened()]
    // So many tries of one token are answered no more.
    witness.giveUp()

    onProgress('the last use of a rule')
    const uses = [...witness.burst(CONCURRENT, 0)]
    await witness.settle(SETTLE_MS)
    // Some were refused since too many waited at once: the rest of the uses is used one after the other.
    for (let i = 0; i <= USES; i++) {
      uses.push(...witness.burst(1, 0))
      await witness.settle(SETTLE_MS)
    }
    const used = uses.filter((id) => witness.said(id)?.result.startsWith('{')).length

    onProgress('a revocation under load')
    witness.load(IN_FLIGHT, 1)
    await new Promise((resolve) => setTimeout(resolve, LOAD_MS))
    const client = parties.clients[1]?.pubkey
    await last.ask('revoke', { client })
    const [atReturn, later] = [await audit(first), await wait(1_000).then(() => audit(first))]
    witness.pause()
    await witness.settle(5_000)
    const final = await audit(first)
    const late = new Set(final.eventIds).size - new Set(atReturn.eventIds).size
    const doubled = final.eventIds.length - new Set(final.eventIds).size
    return {
      scenario: `races on ${store}, ${bunkers.length} daemon${bunkers.length === 1 ? '' : 's'}`,
      figures: [
        [
          'signatures on record when revoke() had returned, a second later',
          `${atReturn.eventIds.length}, ${later.eventIds.length}`,
        ],
        ['errors', JSON.stringify(witness.tally().errors)],
      ],
      checks: [
        always(
          `${RACERS} connects with one token: 1 session`,
          acks === 1 && opened.every((count) => count === 3),
          `${acks}; with the two others ${opened.join(' and ')}`,
        ),
        always(`${CONCURRENT} requests at once on a rule of ${USES} uses: ${USES}`, used === USES, used),
        always('commits after revoke() returned: 0', late === 0, late),
        always('effects doubled: 0', doubled === 0, doubled),
      ],
    }
  } finally {
    witness.close()
    await Promise.all([relay.stop(), ...bunkers.map((bunker) => bunker.stop())])
    await place.dispose()
  }
}

function audit(bunker: Child): Promise<Performed> {
  return bunker.ask<Performed>('audit')
}

/** Resolves when it holds, or after {@link SETTLE_MS}. */
async function reached(holds: () => Promise<boolean>): Promise<void> {
  for (const end = performance.now() + SETTLE_MS; performance.now() < end && !(await holds()); )
    await wait(50)
}

function wait(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
