/** Requests as a remote signer would put them to the judge, at one place in time. */

import type { EventTemplate, JsonValue, JudgedRequest, Operation, RelayUrl } from '@nip46/core'
import { type Policy, parseGrants, parsePolicy, type Rule, sessionPolicy } from '../src/index.ts'
import { APP, FRIEND, USER } from './arbitrary.ts'

export const NOW_SECONDS = 1_767_225_600
export const NOW: number = NOW_SECONDS * 1_000
export const RELAY = 'wss://relay.one/' as RelayUrl

export function rulesOf(text: string): readonly Rule[] {
  const parsed = parseGrants(text)
  if (!parsed.ok) throw new Error(`${text}: ${parsed.error.message}`)
  return parsed.value
}

export function policyOf(grants: string, more: Partial<Policy> = {}): Policy {
  const parsed = parsePolicy({ rules: rulesOf(grants), rates: { sign: null, crypt: null }, ...more })
  if (!parsed.ok) throw new Error(parsed.error.message)
  return parsed.value
}

export function stateOf(grants: string, more: Partial<Policy> = {}): JsonValue {
  return sessionPolicy(policyOf(grants, more), NOW)
}

export function event(kind: number, more: Partial<EventTemplate> = {}): Operation {
  return { method: 'sign_event', template: { kind, content: '', tags: [], created_at: NOW_SECONDS, ...more } }
}

export function decrypt(
  peer = FRIEND,
  method: 'nip44_decrypt' | 'nip04_decrypt' = 'nip44_decrypt',
): Operation {
  return { method, peer, ciphertext: 'x' }
}

export function ask(
  operation: Operation,
  policy: JsonValue | null,
  more: Partial<JudgedRequest> = {},
): JudgedRequest {
  return {
    clientPubkey: APP,
    userPubkey: USER,
    operation,
    granted: [],
    policy,
    relay: RELAY,
    now: NOW,
    ...more,
  }
}
