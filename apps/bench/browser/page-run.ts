/**
 * The primitives, messages and whole requests in a page: the same cases as on Node, by wall time.
 * Never blocks the page longer than one slice.
 */

import type { RandomBytes } from '@nip46/core'
import { pooledRandom } from '@nip46/crypto'
import { type Case, measure } from '../src/measure.ts'
import { reasonOf } from '../src/must.ts'
import { judge } from '../src/report/bars.ts'
import type { NotRun, Report } from '../src/report/data.ts'
import { createFixture } from '../src/scenario/fixture.ts'
import { messageCases } from '../src/scenario/messages.ts'
import { primitiveCases } from '../src/scenario/primitives.ts'
import { requestCases } from '../src/scenario/requests.ts'
import { pageStopwatch } from '../src/stopwatch.ts'
import { loadBackends } from '../src/subject/backends.ts'
import { nostrToolsSubject, nostrToolsWasmSubject } from '../src/subject/nostr-tools.ts'
import { ownSubject } from '../src/subject/own.ts'
import type { Subject } from '../src/subject/subject.ts'

export interface PagePlan {
  readonly rounds: number
  readonly sliceMs: number
  readonly warmUpMs: number
  readonly sizes: readonly number[]
}

/** Slices are long because a page's clock is coarse. */
export const PAGE_PLAN: PagePlan = {
  rounds: 9,
  sliceMs: 50,
  warmUpMs: 150,
  sizes: [100, 1_024, 16_384, 65_535],
}

/** A page's bundler must see what it may load. */
const MODULES: Readonly<Record<string, () => Promise<unknown>>> = {
  ox: () => import('@nip46/crypto/ox'),
  tiny: () => import('@nip46/crypto/tiny'),
  noble: () => import('@nip46/crypto/noble'),
}

export async function runPage(
  plan: PagePlan,
  onProgress: (label: string, done: number) => void = () => undefined,
): Promise<Report> {
  const startedAt = new Date()
  const began = performance.now()
  const random: RandomBytes = pooledRandom()
  const { found, missing } = await loadBackends(Object.keys(MODULES), async (name) => await MODULES[name]?.())
  const [fastest] = found
  if (fastest === undefined) throw new Error('no backend of @nip46/crypto loads in this page')
  const notRun: NotRun[] = [...missing, { name: 'native', reason: 'a page has no system libraries' }].map(
    ({ name, reason }) => ({ group: 'primitive', scenario: 'every scenario', subject: name, reason }),
  )
  const fixture = await createFixture(fastest, random, 1)
  const peer = nostrToolsSubject(fixture.keys)
  const subjects: Subject[] = []
  for (const backend of found) subjects.push(await ownSubject(backend, fixture.keys, random))
  subjects.push(peer)
  try {
    subjects.push(await nostrToolsWasmSubject(fixture.keys))
  } catch (cause) {
    const subject = 'nostr-tools + nostr-wasm'
    notRun.push({ group: 'primitive', scenario: 'every scenario', subject, reason: reasonOf(cause) })
  }
  const [reader = peer] = subjects
  const cases: Case[] = subjects.flatMap((subject) => [
    ...primitiveCases(subject, fixture),
    ...messageCases(subject, subject === peer ? reader : peer, plan.sizes),
    ...requestCases(subject, fixture),
  ])
  const figures = await measure(cases, { ...plan, stopwatch: pageStopwatch(), onProgress, breathe })
  const report: Report = {
    format: 'nip46-bench',
    version: 1,
    mode: 'page',
    startedAt: startedAt.toISOString(),
    seconds: Math.round((performance.now() - began) / 1_000),
    rounds: plan.rounds,
    machine: {
      cpu: 'not told by a page',
      cores: navigator.hardwareConcurrency,
      platform: navigator.userAgent,
      node: 'a browser',
      loads: null,
    },
    versions: {},
    remarks: ['Wall time: a page is not told its processor time.'],
    figures,
    loads: [],
    notRun,
    bars: [],
  }
  return { ...report, bars: judge(report).filter(({ measured }) => measured !== null) }
}

/** Lets the page draw and answer its reader. */
function breathe(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0))
}
