/**
 * How the daemon is doing, and what could be better.
 * Never says what it would take a key to know.
 */

import { choice, counts, flag, list, nullable, object, type Schema, text } from '../schema.ts'
import type { Check, Finding, Nothing, Status } from '../shapes.ts'
import { amount, finding, keyView, line, nothing, relayView, time, words } from './fields.ts'
import type { OperationTable } from './operation.ts'

export interface StatusOperations {
  'status.get': { input: Nothing; output: Status }
  'health.get': { input: Nothing; output: { ready: boolean; checks: readonly Check[] } }
  'doctor.get': { input: Nothing; output: { findings: readonly Finding[] } }
}

const check: Schema<Check> = object<Check>({
  name: choice(['store', 'relays', 'keys', 'clock', 'host'], 'what was looked at'),
  ok: flag('whether it is well'),
  words,
})
const status: Schema<Status> = object<Status>({
  version: line,
  pid: amount,
  startedAt: time,
  state: choice(['running', 'draining', 'panic'], 'what the daemon does'),
  ready: flag('whether requests are answered'),
  checks: list(check),
  store: object<Status['store']>({
    kind: choice(['sqlite', 'postgres', 'memory'], 'which store'),
    place: text(4_096, 'a path or host, without credentials'),
    server: nullable(line),
    schema: nullable(amount),
    daemons: list(line),
  }),
  relays: list(relayView),
  keys: list(keyView),
  apps: amount,
  links: amount,
  questions: amount,
  performed: amount,
  published: amount,
  publishFailures: amount,
  crashRefusals: amount,
  dropped: counts('events that came to nothing, by code'),
  ailments: list(line),
  memoryBytes: amount,
})

export const STATUS_OPERATIONS: OperationTable<StatusOperations> = {
  'status.get': {
    method: 'GET',
    path: '/status',
    scope: 'read',
    words: 'How the daemon is doing.',
    input: nothing,
    output: status,
  },
  'health.get': {
    method: 'GET',
    path: '/health',
    scope: 'read',
    words: 'What /readyz looks at, with words.',
    input: nothing,
    output: object<StatusOperations['health.get']['output']>({
      ready: flag('all is well'),
      checks: list(check),
    }),
  },
  'doctor.get': {
    method: 'GET',
    path: '/doctor',
    scope: 'read',
    words: 'What could be better, and how.',
    input: nothing,
    output: object<StatusOperations['doctor.get']['output']>({ findings: list(finding) }),
  },
}
