/**
 * Counts what happens and tells the host's listeners.
 * Never lets a listener's exception into the engine: it is counted and told to the other listeners.
 */

import type { Ailment, DropCode, RemoteSignerEvent } from './signer-event.ts'

export type Listener = (event: RemoteSignerEvent) => void
export type Helper = Extract<RemoteSignerEvent, { type: 'helper-failed' }>['helper']

export interface Reporter {
  readonly counts: {
    received: number
    opened: number
    published: number
    publishFailures: number
    performed: number
  }
  readonly dropped: ReadonlyMap<DropCode, number>
  readonly failures: ReadonlyMap<Helper, number>
  readonly ailments: ReadonlySet<Ailment>
  /** Returns the function that takes the listener off again. */
  listen(listener: Listener): () => void
  tell(event: RemoteSignerEvent): void
  drop(code: DropCode): void
  fail(helper: Helper, cause: unknown): void
  ail(ailment: Ailment, cause?: unknown): void
  heal(ailment: Ailment): void
}

export function createReporter(first: Listener | undefined): Reporter {
  const listeners = new Set<Listener>(first === undefined ? [] : [first])
  const dropped = new Map<DropCode, number>()
  const failures = new Map<Helper, number>()
  const ailments = new Set<Ailment>()

  const tell = (event: RemoteSignerEvent): void => {
    for (const listener of listeners) {
      try {
        listener(event)
      } catch (cause) {
        failures.set('listener', (failures.get('listener') ?? 0) + 1)
        // Told once: a listener that fails on this event too is only counted.
        if (event.type !== 'helper-failed') tell({ type: 'helper-failed', helper: 'listener', cause })
      }
    }
  }

  return {
    counts: { received: 0, opened: 0, published: 0, publishFailures: 0, performed: 0 },
    dropped,
    failures,
    ailments,
    listen(listener) {
      listeners.add(listener)
      return () => {
        listeners.delete(listener)
      }
    },
    tell,
    drop(code) {
      dropped.set(code, (dropped.get(code) ?? 0) + 1)
      if (listeners.size > 0) tell({ type: 'dropped', code })
    },
    fail(helper, cause) {
      failures.set(helper, (failures.get(helper) ?? 0) + 1)
      tell({ type: 'helper-failed', helper, cause })
    },
    ail(ailment, cause) {
      if (ailments.has(ailment)) return
      ailments.add(ailment)
      tell(cause === undefined ? { type: 'degraded', ailment } : { type: 'degraded', ailment, cause })
    },
    heal(ailment) {
      if (ailments.delete(ailment)) tell({ type: 'recovered', ailment })
    },
  }
}
