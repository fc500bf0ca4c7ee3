/**
 * A whole run by plan: every subject that is there, every scenario, one report.
 * Never stops at one that fails: it is named among what was not run.
 */

import { pooledRandom } from '@nip46/crypto'
import { type LoadOutcome, ourBunker, peerBunkers, runLoads } from './load/loads.ts'
import { currentLoad, describeMachine, describeVersions } from './machine.ts'
import { type Case, measure } from './measure.ts'
import { reasonOf } from './must.ts'
import { type Plan, wants } from './plan.ts'
import { judge } from './report/bars.ts'
import { type Figure, GROUPS, type NotRun, type Report } from './report/data.ts'
import { measureClients } from './scenario/clients.ts'
import { createFixture, type Fixture } from './scenario/fixture.ts'
import { wrapCases } from './scenario/gift-wraps.ts'
import { machineCases } from './scenario/machines.ts'
import { measureMemory, type Outcome } from './scenario/memory.ts'
import { messageCases, nativeMessageCases } from './scenario/messages.ts'
import { findOtherNodes, measureOtherNodes } from './scenario/other-nodes.ts'
import { nativePrimitiveCases, primitiveCases } from './scenario/primitives.ts'
import { nativeRequestCases, requestCases } from './scenario/requests.ts'
import { measureStartUp } from './scenario/start-up.ts'
import { measureWorkers } from './scenario/workers.ts'
import { processStopwatch } from './stopwatch.ts'
import { type Backend, describeAuto, loadBackends, SMALL } from './subject/backends.ts'
import { loadNativeLibrary } from './subject/native-library.ts'
import { nostrToolsSubject, nostrToolsWasmSubject } from './subject/nostr-tools.ts'
import { ownSubject } from './subject/own.ts'
import type { Subject } from './subject/subject.ts'

export interface RunOptions {
  readonly plan: Plan
  /** Other Nodes to measure NIP-44 on, or those of PATH. */
  readonly nodes?: readonly string[]
  readonly onProgress?: (label: string, done: number) => void
}

/** Where in the whole each part is, for the progress line. */
const PARTS = {
  cases: [0, 0.4],
  startUp: [0.4, 0.45],
  memory: [0.45, 0.5],
  nodes: [0.5, 0.55],
  load: [0.55, 0.82],
  clients: [0.82, 0.93],
  workers: [0.93, 1],
} as const

export async function runAll({ plan, nodes, onProgress }: RunOptions): Promise<Report> {
  const startedAt = new Date()
  const began = performance.now()
  const loadBefore = currentLoad()
  const figures: Figure[] = []
  const notRun: NotRun[] = []
  const remarks: string[] = []
  const part =
    ([from, to]: readonly [number, number]) =>
    (label: string, done: number): void =>
      onProgress?.(label, from + (to - from) * done)
  const add = (outcome: Outcome): void => {
    figures.push(...outcome.figures)
    notRun.push(...outcome.notRun)
  }

  const { found, missing } = await loadBackends()
  for (const { name, reason } of missing)
    notRun.push({ group: 'primitive', scenario: 'every scenario', subject: name, reason })
  const [fastest] = found
  if (fastest === undefined) throw new Error('no backend of @nip46/crypto loads')
  remarks.push(await describeAuto())

  const { cases, problems, remark } = await buildCases(found, fastest, plan)
  notRun.push(...problems)
  if (remark !== undefined) remarks.push(remark)
  const { rounds, sliceMs, warmUpMs } = plan
  const stopwatch = processStopwatch()
  figures.push(
    ...(await measure(cases, { rounds, sliceMs, warmUpMs, stopwatch, onProgress: part(PARTS.cases) })),
  )
  if (wants(plan, 'start-up')) add(await measureStartUp(plan.startUpRounds, part(PARTS.startUp)))
  if (wants(plan, 'memory'))
    // The cache is one for all backends; filling it is not.
    add(await measureMemory([fastest], plan.conversations, part(PARTS.memory)))
  if (wants(plan, 'other-node')) {
    const programs = nodes ?? (await findOtherNodes())
    add(await measureOtherNodes(programs, plan.otherNodeRounds, part(PARTS.nodes)))
  }
  const { loads, ...rest } = wants(plan, 'relay')
    ? await loadBunkers(plan, found, fastest, part(PARTS.load))
    : { loads: [], notRun: [], remarks: [] }
  const typical = [...new Set(['tiny', fastest.name])].filter((name) =>
    found.some((one) => one.name === name),
  )
  if (wants(plan, 'client')) {
    const names = [...found.map(({ name }) => name), SMALL]
    add(await measureClients(names, fastest, plan.clients, part(PARTS.clients)))
  }
  if (wants(plan, 'workers')) {
    add(await measureWorkers(typical, fastest.name, plan.workers, part(PARTS.workers)))
  }
  notRun.push(...rest.notRun, ...leftOut(plan))
  remarks.push(...rest.remarks)

  const report: Report = {
    format: 'nip46-bench',
    version: 1,
    mode: plan.mode,
    startedAt: startedAt.toISOString(),
    seconds: Math.round((performance.now() - began) / 1_000),
    rounds: plan.rounds,
    machine: describeMachine(loadBefore),
    versions: describeVersions(),
    remarks,
    figures,
    loads,
    notRun,
    bars: [],
  }
  return { ...report, bars: plan.mode === 'smoke' ? [] : judge(report) }
}

async function buildCases(
  backends: readonly Backend[],
  fastest: Backend,
  plan: Plan,
): Promise<{
  readonly cases: readonly Case[]
  readonly problems: readonly NotRun[]
  readonly remark: string | undefined
}> {
  const problems: NotRun[] = []
  const fixture = await createFixture(fastest, random, plan.wraps)
  const { keys } = fixture
  const peer = nostrToolsSubject(keys)
  const subjects: Subject[] = []
  for (const backend of backends) subjects.push(await ownSubject(backend, keys, random))
  subjects.push(peer)
  try {
    subjects.push(await nostrToolsWasmSubject(keys))
  } catch (cause) {
    const subject = 'nostr-tools + nostr-wasm'
    problems.push({ group: 'primitive', scenario: 'every scenario', subject, reason: reasonOf(cause) })
  }
  const [reader = peer] = subjects
  const cases: Case[] = []
  for (const subject of subjects) {
    try {
      cases.push(...casesOf(subject, subject === peer ? reader : peer, fixture, plan))
    } catch (cause) {
      const { name } = subject
      problems.push({
        group: 'primitive',
        scenario: 'every scenario',
        subject: name,
        reason: reasonOf(cause),
      })
    }
  }
  const native = await loadNativeLibrary()
  if ('reason' in native) {
    const subject = 'native bound'
    problems.push({ group: 'primitive', scenario: 'every scenario', subject, reason: native.reason })
  } else {
    cases.push(
      ...nativePrimitiveCases(native, fixture),
      ...nativeMessageCases(native, plan.sizes),
      ...nativeRequestCases(native, fixture),
    )
  }
  cases.push(...machineCases(fixture.client.parties))
  return {
    cases: cases.filter(({ group }) => wants(plan, group)),
    problems,
    remark: 'reason' in native ? undefined : native.remark,
  }
}

function casesOf(
  subject: Subject,
  reader: Subject,
  fixture: Fixture,
  plan: Pick<Plan, 'sizes'>,
): readonly Case[] {
  return [
    ...primitiveCases(subject, fixture),
    ...messageCases(subject, reader, plan.sizes),
    ...requestCases(subject, fixture),
    ...wrapCases(subject, fixture),
  ]
}

function loadBunkers(
  plan: Plan,
  found: readonly Backend[],
  fastest: Backend,
  onProgress: (label: string, done: number) => void,
): Promise<LoadOutcome> {
  const ours = plan.bunkersOnAll
    ? found
    : found.filter((backend) => backend === fastest || backend.name === 'tiny')
  const bunkers = [...ours.map(({ name }) => ourBunker(name)), ...peerBunkers(fastest.name)]
  return runLoads({ plan: plan.load, bunkers, backend: fastest, onProgress })
}

/** What this plan does not do says so too. */
function leftOut(plan: Plan): readonly NotRun[] {
  const { groups } = plan
  if (groups === 'all') return []
  return GROUPS.filter(({ name }) => !groups.includes(name)).map(({ name, title }) => ({
    group: name,
    scenario: title,
    subject: 'all',
    reason: 'not asked for (--only)',
  }))
}

/** As a host has it: drawn ahead from the system's secure source. */
const random = pooledRandom()
