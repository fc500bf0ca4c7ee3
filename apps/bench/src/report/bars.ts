/**
 * The table of what the project has to show, judged from one run.
 * Never judges what was not run: such a line holds neither way.
 */

import { ownClient, ROUND_TRIP, RUST_NOSTR, togetherScenario } from '../load/client/names.ts'
import { APPLESAUCE_BUNKER, NDK_BUNKER, OUR_BUNKER } from '../load/names.ts'
import { type Spread, timesLess, timesMore } from '../statistics.ts'
import { BASELINE, type Bar, type Figure, findFigure, findLoad, type Load, type Report } from './data.ts'
import { formatTimes, formatValue } from './format.ts'

type Found = Omit<Report, 'bars'>

const REQUEST = 'sign_event request'
const WASM = ['ox', 'tiny']
const AT_ONCE = 100

export function judge(report: Found): readonly Bar[] {
  return [
    requestBar(report, ['tiny'], 'one sign_event request, CPU time: tiny / nostr-tools', 10),
    requestBar(report, WASM, 'the same: ox, or the best WASM backend / nostr-tools', 25),
    requestBar(report, ['native'], 'the same: native / nostr-tools', 45),
    boundBar(report),
    messageBar(report, 20, 10),
    messageBar(report, 24, 5),
    relayBar(report),
    ...clientBars(report),
    workerBar(report),
    memoryBar(report),
    elsewhere('secret-key residue after each operation, 500 trials a backend', '0'),
    elsewhere('timing test on ECDH and signing, 100,000 samples', 't below 4.5; flags a bare multiplication'),
    elsewhere('vectors and 20,000 random cross-checks per backend', '100 %'),
  ]
}

/** A ratio of figures with its spread, against a least value. */
function ratioBar(figure: string, least: number, ratio: Spread | undefined, note: string | null = null): Bar {
  const atLeast = `${least}x`
  if (ratio === undefined) return { figure, atLeast, measured: null, holds: null, note: note ?? 'not run' }
  const measured = `${formatTimes(ratio.median)} (${formatTimes(ratio.low)} to ${formatTimes(ratio.high)})`
  return { figure, atLeast, measured, holds: ratio.median >= least, note }
}

function requestBar(report: Found, subjects: readonly string[], figure: string, least: number): Bar {
  const baseline = findFigure(report, REQUEST, BASELINE)
  const [best] = subjects
    .flatMap((subject) => findFigure(report, REQUEST, subject) ?? [])
    .toSorted((a, b) => a.value.median - b.value.median)
  if (best === undefined || baseline === undefined) return ratioBar(figure, least, undefined)
  const note = subjects.length > 1 ? best.subject : null
  return ratioBar(figure, least, timesLess(best.value, baseline.value), note)
}

function boundBar(report: Found): Bar {
  const figure = 'the same: native / native bound'
  const native = findFigure(report, REQUEST, 'native')
  const bound = findFigure(report, REQUEST, 'native bound')
  const atLeast = 'at most 2x'
  if (native === undefined || bound === undefined) {
    return { figure, atLeast, measured: null, holds: null, note: 'not run' }
  }
  const times = timesLess(bound.value, native.value)
  const measured = `${formatTimes(times.median)} (${formatTimes(times.low)} to ${formatTimes(times.high)})`
  return { figure, atLeast, measured, holds: times.median <= 2, note: null }
}

/** Round trip: encrypt and decrypt. */
function messageBar(report: Found, major: number, least: number): Bar {
  const figure = `NIP-44 round trip at 1 KB / nostr-tools, on Node ${major}`
  const here = report.machine.node.startsWith(`Node v${major}.`)
  const isMeant = ({ scenario }: Figure): boolean =>
    here ? /^nip44 (en|de)crypt 1 KB$/.test(scenario) : scenario.includes(` 1 KB, Node ${major}.`)
  const figures = report.figures.filter(isMeant)
  const peer = figures.filter(({ subject }) => subject === BASELINE)
  // The formats are one implementation over all backends; tiny stands for them.
  const own = figures.filter(({ subject }) => subject === (here ? 'tiny' : '@nip46/crypto'))
  if (own.length !== 2 || peer.length !== 2) {
    return ratioBar(figure, least, undefined, `not run: needs Node ${major} (--node FILE)`)
  }
  return ratioBar(figure, least, timesLess(sum(own), sum(peer)))
}

function sum(figures: readonly Figure[]): Spread {
  const total = (read: (spread: Spread) => number): number =>
    figures.reduce((left, { value }) => left + read(value), 0)
  return { median: total((s) => s.median), low: total((s) => s.low), high: total((s) => s.high) }
}

function relayBar(report: Found): Bar {
  const figure = 'remote signer over a relay, 64 in flight, in-memory store / NDK backend, answers a second'
  const ndk = findLoad(report, NDK_BUNKER, 64)
  const best = bestOwn(report.loads.filter(({ inFlight }) => inFlight === 64))
  if (ndk === undefined || best === undefined) return ratioBar(figure, 15, undefined)
  const cpu = formatTimes(timesLess(best.cpu, ndk.cpu).median)
  const others = findLoad(report, APPLESAUCE_BUNKER, 64)
  const beside =
    others === undefined
      ? ''
      : `; ${formatTimes(timesMore(best.throughput, others.throughput).median)} over the ${APPLESAUCE_BUNKER}`
  const note = `${best.bunker}; ${cpu} in the bunker's CPU time${beside}`
  return ratioBar(figure, 15, timesMore(best.throughput, ndk.throughput), note)
}

/** On the fastest backend that comes by npm alone, which `auto` takes where the system has no libsecp256k1; the others beside it. */
function clientBars(report: Found): readonly Bar[] {
  const [backend = 'tiny'] = WASM.filter(
    (name) => findFigure(report, ROUND_TRIP, ownClient(name)) !== undefined,
  )
  const own = ownClient(backend)
  const together = togetherScenario(AT_ONCE)
  const bar = (
    figure: string,
    least: number,
    scenario: string,
    peer: string,
    ratio: typeof timesLess,
  ): Bar => {
    const ours = findFigure(report, scenario, own)
    const theirs = findFigure(report, scenario, peer)
    const why = report.notRun.find(({ group, subject }) => group === 'client' && subject === peer)?.reason
    if (ours === undefined || theirs === undefined)
      return ratioBar(figure, least, undefined, why === undefined ? null : `not run: ${why}`)
    const { median, low, high } = ratio(ours.value, theirs.value)
    const others = report.figures
      .filter((item) => item.scenario === scenario && /^@nip46/.test(item.subject) && item !== ours)
      .map((item) => `${item.subject} ${formatTimes(ratio(item.value, theirs.value).median)}`)
    return ratioBar(figure, least, { median, low, high }, others.length === 0 ? null : others.join(', '))
  }
  return [
    bar(`sign round trip, p50: nostr-tools / ${own}`, 2, ROUND_TRIP, BASELINE, timesLess),
    bar(`sign round trip, p50: ${RUST_NOSTR} / ${own}`, 1, ROUND_TRIP, RUST_NOSTR, timesLess),
    bar(`${AT_ONCE} signatures at once, a second: ${own} / nostr-tools`, 8, together, BASELINE, timesMore),
  ]
}

function bestOwn(loads: readonly Load[]): Load | undefined {
  return loads
    .filter(({ bunker }) => bunker.startsWith(OUR_BUNKER))
    .toSorted((a, b) => b.throughput.median - a.throughput.median)[0]
}

function workerBar(report: Found): Bar {
  const figure = 'two workers / one worker, generator cheap'
  const gain = (backend: string, subject: string): Figure | undefined =>
    findFigure(report, `two workers to one, ${backend}`, subject)
  const gains = ['tiny', 'native', 'ox'].flatMap((backend) => {
    const sharded = gain(backend, 'sharded remote signer')
    // Threads that know nothing of each other: the machine, not us.
    const bare = gain(backend, 'bare threads')
    const beside = bare === undefined ? '' : `, where bare threads reach ${formatTimes(bare.value.median)}`
    return sharded === undefined ? [] : [{ value: sharded.value, text: `on ${backend}${beside}` }]
  })
  const [first, ...rest] = gains
  if (first === undefined) {
    const why = report.notRun.find(({ group }) => group === 'workers')?.reason
    return ratioBar(figure, 1.7, undefined, `not run: ${why ?? 'no figure'}`)
  }
  const others = rest.map(({ value, text }) => `; ${formatTimes(value.median)} ${text}`)
  return ratioBar(figure, 1.7, first.value, `${first.text}${others.join('')}`)
}

function memoryBar(report: Found): Bar {
  const figure = 'memory per cached session at 100,000'
  const atLeast = 'at most 250 B'
  const own = report.figures.filter(
    ({ scenario, subject }) => scenario === 'memory of a cached conversation' && subject !== 'Map of keys',
  )
  const [worst] = own.toSorted((a, b) => b.value.median - a.value.median)
  if (worst === undefined) return { figure, atLeast, measured: null, holds: null, note: 'not run' }
  const measured = formatValue(worst.value.median, 'B')
  return { figure, atLeast, measured, holds: worst.value.median <= 250, note: worst.note ?? null }
}

function elsewhere(figure: string, atLeast: string): Bar {
  return {
    figure,
    atLeast,
    measured: null,
    holds: null,
    note: 'held by the tests of @nip46/crypto, not run here',
  }
}
