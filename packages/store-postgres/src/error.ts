/**
 * The one error that this store throws and rejects with.
 * Never carries a password, a connection string or anything that was stored.
 */

/**
 * - `store/unavailable`: PostgreSQL did not answer in time, or refuses connections; it is asked again by itself
 * - `store/read-only`: it answers, and takes no writes (a standby)
 * - `store/busy`: `limits.WAITING_CHANGES` changes wait already
 * - `store/refused`: the address, the role, the password or the database is wrong, a right is missing, or TLS is asked for and the
 *   server has none, or a certificate that is not trusted
 * - `store/not-durable`: the server is configured to lose what it acknowledged
 * - `store/no-notifications`: LISTEN does not work over this connection (a pooler)
 * - `store/superseded`: another process joined under this one's `instance`: end this one, it may commit nothing any more
 * - `store/newer-schema`: a newer version of this package has written there
 * - `store/wrong-key`: what is stored was sealed with another key
 * - `store/corrupt`: a record does not open, or has parts missing
 * - `store/failed`: PostgreSQL refused a statement, for a reason that should not be; the message has its code
 * - `store/closed`: after `close()`
 */
export type PostgresStoreErrorCode =
  | 'store/unavailable'
  | 'store/read-only'
  | 'store/busy'
  | 'store/refused'
  | 'store/not-durable'
  | 'store/no-notifications'
  | 'store/superseded'
  | 'store/newer-schema'
  | 'store/wrong-key'
  | 'store/corrupt'
  | 'store/failed'
  | 'store/closed'

/** What the promises of the store reject with; `code` says why. Never holds an address, a password or a record. */
export class PostgresStoreError extends Error {
  override readonly name = 'PostgresStoreError'
  readonly code: PostgresStoreErrorCode

  constructor(code: PostgresStoreErrorCode, message: string) {
    super(message)
    this.code = code
  }
}

export function closedError(): PostgresStoreError {
  return new PostgresStoreError('store/closed', 'this store was closed: open it again')
}

export function corruptError(what: string): PostgresStoreError {
  return new PostgresStoreError('store/corrupt', `${what} cannot be read: it was damaged, restore a backup`)
}

/** What became of a statement that failed. */
export type Failure =
  /** Undone; worth another try at once. */
  | 'race'
  /** Nobody knows: the connection went, or is of no use any more. */
  | 'lost'
  /** Undone, and will be again. */
  | 'refused'

/** Raised by our functions, see schema.ts. */
const LATE = 'NS001'
const RACE = 'NS002'
const RACES: readonly string[] = [RACE, '40001', '40P01', '55P03']
const READ_ONLY = '25006'
/** 08 connection, 53 out of resources, 57 shutdown or cancelled, 58 the server's disk. */
const TROUBLE = /^(08|53|57|58)/
/** 28 role or password, 3D database, 3F schema, 42501 a right. Their messages name things of the configuration only. */
const CONFIGURATION = /^(28|3D|3F|42501$|0A)/

/** What is said before anything was sent: only that, so that no commit whose outcome got lost counts as refused. */
const CERTIFICATE =
  /^(CERT_[A-Z_]+|DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_GET_ISSUER_CERT(_LOCALLY)?|UNABLE_TO_VERIFY_LEAF_SIGNATURE|INVALID_CA|HOSTNAME_MISMATCH|ERR_TLS_CERT_ALTNAME_INVALID)$/
/** What `pg` says then, without a code. */
const NO_TLS = 'The server does not support SSL connections'

export function failureOf(cause: unknown): Failure {
  if (cause instanceof PostgresStoreError) return cause.code === 'store/unavailable' ? 'lost' : 'refused'
  if (tlsRefusal(cause) !== undefined) return 'refused'
  const state = sqlState(cause)
  if (state === undefined || state === LATE) return 'lost'
  if (RACES.includes(state)) return 'race'
  if (isPoolerRefusal(cause)) return 'refused'
  return TROUBLE.test(state) || state === READ_ONLY ? 'lost' : 'refused'
}

/**
 * As an error of ours. The original is dropped: its details can hold rows, and errors of connections hold addresses. What
 * PostgreSQL says of a wrong configuration is kept, since nobody could mend it without.
 */
export function storeError(cause: unknown): PostgresStoreError {
  if (cause instanceof PostgresStoreError) return cause
  const state = sqlState(cause)
  if (state === READ_ONLY)
    return new PostgresStoreError('store/read-only', 'PostgreSQL takes no writes: is it a standby?')
  const refusal = tlsRefusal(cause)
  if (refusal !== undefined) return new PostgresStoreError('store/refused', refusal)
  if (state === undefined) return unavailableError(systemCode(cause), 'cannot be reached')
  if (isPoolerRefusal(cause))
    return new PostgresStoreError('store/refused', 'a pooler refuses session settings: set `pooler: true`')
  if (CONFIGURATION.test(state)) {
    const { message } = cause as { readonly message?: unknown }
    return new PostgresStoreError(
      'store/refused',
      `PostgreSQL refuses: ${String(message).slice(0, 200)} (${state})`,
    )
  }
  if (state === LATE) return unavailableError(state)
  if (TROUBLE.test(state)) return unavailableError(state, 'does not work at the moment')
  if (RACES.includes(state)) return unavailableError(state, 'let others go first all the time')
  return new PostgresStoreError('store/failed', `PostgreSQL refused a statement (${state})`)
}

export function unavailableError(why: string, what = 'did not answer in time'): PostgresStoreError {
  return new PostgresStoreError('store/unavailable', `PostgreSQL ${what} (${why})`)
}

function sqlState(cause: unknown): string | undefined {
  const { code, severity } = (cause ?? {}) as { readonly code?: unknown; readonly severity?: unknown }
  // Errors of sockets have codes of five letters as well (EPIPE); those of PostgreSQL have a severity.
  return typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) && severity !== undefined ? code : undefined
}

function tlsRefusal(cause: unknown): string | undefined {
  const { code, message } = (cause ?? {}) as { readonly code?: unknown; readonly message?: unknown }
  if (typeof code === 'string' && CERTIFICATE.test(code))
    return `the certificate of the server is not trusted (${code}): give its CA, or connect to the name in it`
  return code === undefined && message === NO_TLS
    ? 'the server has no TLS: set `ssl` there, or connect without it where nobody listens'
    : undefined
}

/** What PgBouncer says to settings of a session. */
function isPoolerRefusal(cause: unknown): boolean {
  const { message } = (cause ?? {}) as { readonly message?: unknown }
  return sqlState(cause) === '08P01' && String(message).startsWith('unsupported startup parameter')
}

function systemCode(cause: unknown): string {
  const { code } = (cause ?? {}) as { readonly code?: unknown }
  return typeof code === 'string' && /^[A-Z_0-9]{2,40}$/.test(code) ? code : 'no connection'
}
