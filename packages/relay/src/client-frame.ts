/**
 * What a client sends, from text to data (NIP-01, NIP-42).
 * Never looks inside an event or a filter: those have their own checks.
 */

import { err, isHex64, ok, type Result } from '@nip46/core'

export type ClientFrame =
  /** `id` is the event's own claim, for the OK. */
  | { readonly type: 'event' | 'auth'; readonly id: string; readonly event: unknown }
  | { readonly type: 'req'; readonly id: string; readonly filters: readonly unknown[] }
  | { readonly type: 'close'; readonly id: string }

export type FrameProblem = 'json' | 'message' | 'event-shape' | 'subscription-id'

export function parseClientFrame(text: string, idChars: number): Result<ClientFrame, FrameProblem> {
  const frame = parseJson(text)
  if (frame === undefined) return err('json')
  if (!Array.isArray(frame)) return err('message')
  const [verb, second] = frame as readonly unknown[]
  switch (verb) {
    case 'EVENT':
    case 'AUTH': {
      const id =
        typeof second === 'object' && second !== null ? (second as { readonly id?: unknown }).id : undefined
      // Without an id there is nothing an OK could name.
      if (!isHex64(id)) return err('event-shape')
      return ok({ type: verb === 'EVENT' ? 'event' : 'auth', id, event: second })
    }
    case 'REQ':
    case 'CLOSE':
      if (typeof second !== 'string' || second === '' || second.length > idChars)
        return err('subscription-id')
      return ok(
        verb === 'CLOSE'
          ? { type: 'close', id: second }
          : { type: 'req', id: second, filters: frame.slice(2) },
      )
    default:
      return err('message')
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch (cause) {
    if (cause instanceof SyntaxError || cause instanceof RangeError) return undefined
    throw cause
  }
}
