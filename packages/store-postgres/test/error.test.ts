import { expect, test } from 'vitest'
import { failureOf, PostgresStoreError, storeError } from '../src/error.ts'

const pgError = (code: string, message = 'said') =>
  Object.assign(new Error(message), { code, severity: 'ERROR', detail: 'Key (a)=(canary)' })

test.each([
  [pgError('40P01'), 'race', 'store/unavailable'],
  [pgError('NS002'), 'race', 'store/unavailable'],
  [pgError('57P01'), 'lost', 'store/unavailable'],
  [pgError('53300'), 'lost', 'store/unavailable'],
  [pgError('25006'), 'lost', 'store/read-only'],
  [pgError('28P01', 'password authentication failed'), 'refused', 'store/refused'],
  [pgError('42501', 'permission denied'), 'refused', 'store/refused'],
  [pgError('08P01', 'unsupported startup parameter: statement_timeout'), 'refused', 'store/refused'],
  [pgError('22P05'), 'refused', 'store/failed'],
  [
    Object.assign(new Error('connect ECONNREFUSED 10.0.0.1:5432'), { code: 'ECONNREFUSED' }),
    'lost',
    'store/unavailable',
  ],
  [Object.assign(new Error('write EPIPE'), { code: 'EPIPE' }), 'lost', 'store/unavailable'],
  [new Error('Query read timeout'), 'lost', 'store/unavailable'],
  [new Error('The server does not support SSL connections'), 'refused', 'store/refused'],
  [
    Object.assign(new Error('certificate has expired'), { code: 'CERT_HAS_EXPIRED' }),
    'refused',
    'store/refused',
  ],
  // It may come in the middle of a commit.
  [Object.assign(new Error('eof'), { code: 'ERR_SSL_UNEXPECTED_EOF' }), 'lost', 'store/unavailable'],
] as const)('%s is %s', (cause, failure, code) => {
  expect(failureOf(cause)).toBe(failure)
  const error = storeError(cause)
  expect(error).toBeInstanceOf(PostgresStoreError)
  expect(error.code).toBe(code)
  expect(error.cause).toBeUndefined()
  expect(error.message).not.toMatch(/canary|10\.0\.0\.1/)
})

test.each([
  ['PostgreSQL cannot be reached (ECONNREFUSED)', Object.assign(new Error(), { code: 'ECONNREFUSED' })],
  ['PostgreSQL does not work at the moment (57P03)', pgError('57P03')],
  ['PostgreSQL let others go first all the time (40001)', pgError('40001')],
  ['PostgreSQL did not answer in time (NS001)', pgError('NS001')],
])('says %s', (said, cause) => {
  expect(storeError(cause).message).toBe(said)
})
