/**
 * Opens events so that one that makes our own code throw costs no other one anything, and is not opened again.
 * Never goes by an id, or a signature, alone: anybody can put those of another event on one that is faulty.
 */

import {
  encodeEvent,
  err,
  type OpenContext,
  type Opened,
  type OpenProblem,
  open,
  openBatch,
  type Result,
  type SignedEvent,
} from '@nip46/core'
import { createBoundedMap } from './bounded-map.ts'
import { FAULTY_EVENTS } from './limits.ts'
import type { Reporter } from './reporter.ts'

export type Outcome = Result<Opened, OpenProblem | 'event/fault'>

export interface FaultyEvents {
  /** One outcome for each event, in their order. `onAnew`: what `context` was asked so far is forgotten, and asked again. */
  open(events: readonly SignedEvent[], context: OpenContext, onAnew: () => void): readonly Outcome[]
  /** Runs what an event leads to. False if that threw. */
  guard(event: SignedEvent, run: () => void): boolean
  has(event: SignedEvent): boolean
}

export function createFaultyEvents(reporter: Reporter): FaultyEvents {
  /** Whole events by their ids. */
  const faulty = createBoundedMap<string>(FAULTY_EVENTS)

  const remember = (event: SignedEvent, cause: unknown): void => {
    faulty.set(event.id, encodeEvent(event))
    reporter.fail('engine', cause)
  }

  return {
    open(events, context, onAnew) {
      let fault: unknown
      try {
        return openBatch(events, context)
      } catch (cause) {
        fault = cause
      }
      onAnew()
      let found = false
      const outcomes = events.map((event): Outcome => {
        try {
          return open(event, context)
        } catch (cause) {
          found = true
          remember(event, cause)
          return err('event/fault')
        }
      })
      if (!found) reporter.fail('engine', fault)
      return outcomes
    },
    guard(event, run) {
      try {
        run()
        return true
      } catch (cause) {
        remember(event, cause)
        return false
      }
    },
    has(event) {
      const known = faulty.get(event.id)
      return known !== undefined && known === encodeEvent(event)
    },
  }
}
