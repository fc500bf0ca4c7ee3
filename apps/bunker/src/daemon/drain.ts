/**
 * How the parts of a daemon end: what is under way is finished and answered, then all of them close, each after those that need it.
 * Never waits without a bound for what is under way, and at a fault lets nothing leave.
 */

import type { RemoteSigner } from '@nip46/remote-signer'
import type { AuditTail } from './audit-tail.ts'
import type { DuplicateWatch } from './duplicate-watch.ts'
import type { Hearing } from './hearing.ts'
import type { Host } from './host.ts'
import type { HostApi } from './host-api.ts'
import { CRASH_MARK_MS, DRAIN_API_MS, DRAIN_LOOK_MS, DRAIN_MS } from './limits.ts'
import { pause } from './pause.ts'
import type { Performing } from './performing.ts'
import type { ServedRelay } from './served-relay.ts'
import type { HeardStore } from './sharing.ts'

/** What there is to end beside what operations work with. */
export interface Parts {
  readonly pool: { close(): Promise<void> }
  readonly performing: Pick<Performing, 'underWay'>
  readonly hearing: Pick<Hearing, 'close'>
  readonly duplicates: Pick<DuplicateWatch, 'close'> | undefined
  readonly tail: Pick<AuditTail, 'close'>
  readonly heard: Pick<HeardStore, 'close'>
  readonly api: Pick<HostApi, 'close'>
  /** The relay that is run here; null if none is. */
  readonly relayHere: ServedRelay | null
}

/** Reads no more requests, finishes those under way for at most `DRAIN_MS`, and closes everything. */
export async function drain(host: Host, parts: Parts): Promise<void> {
  const { log, clock, signer, lists, crashMarks, store, storeWatch, vault } = host
  const { pool, performing, hearing, duplicates, tail, heard, api, relayHere } = parts
  log.write('info', 'stopping', { count: performing.underWay })
  host.isDraining = true
  hearing.close()
  storeWatch.close()
  duplicates?.close()
  tail.close()
  heard.close()
  const until = clock.now() + DRAIN_MS
  while (!isIdle(signer, performing) && clock.now() < until) await pause(clock, DRAIN_LOOK_MS)
  await signer.close()
  await lists.close()
  await api.close(DRAIN_API_MS)
  await pool.close()
  await relayHere?.server.close()
  const ended = crashMarks.endInOrder().catch((cause) => log.fault('crash-marks', cause))
  await Promise.race([ended, pause(clock, CRASH_MARK_MS)])
  await store.close()
  await vault.close()
  log.write('info', 'stopped', {})
}

/** For a fault that nobody caught: marks in the store what was in work, for at most `CRASH_MARK_MS`. */
export async function endAtFault(host: Host, { pool }: Pick<Parts, 'pool'>, cause: unknown): Promise<void> {
  const { log, clock, crashMarks } = host
  log.fault('crashed', cause)
  host.isDraining = true
  const marked = crashMarks.crashed().then(
    (count) => log.write('error', 'crash-marked', { count }),
    (failure) => log.fault('crash-marks', failure),
  )
  // What is in memory may be wrong: none of it leaves.
  pool.close().catch(() => undefined)
  await Promise.race([marked, pause(clock, CRASH_MARK_MS)])
}

function isIdle(signer: RemoteSigner, { underWay }: Pick<Performing, 'underWay'>): boolean {
  const { events, inputs, answers } = signer.stats().waiting
  return events + inputs + answers + underWay === 0
}
