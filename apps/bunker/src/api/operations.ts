/**
 * Every operation of the API in one table: where it is, who may call it, what it takes and gives.
 * The server validates by it, the client types by it, the OpenAPI document is made of it. Never does anything itself.
 */

import type { Caller } from './caller.ts'
import { ACCESS_OPERATIONS, type AccessOperations } from './operations/access.ts'
import { APP_OPERATIONS, type AppOperations } from './operations/apps.ts'
import { BACKUP_OPERATIONS, type BackupOperations } from './operations/backups.ts'
import { KEY_OPERATIONS, type KeyOperations } from './operations/keys.ts'
import { LINK_OPERATIONS, type LinkOperations } from './operations/links.ts'
import type { OperationTable } from './operations/operation.ts'
import { PANIC_OPERATIONS, type PanicOperations } from './operations/panic.ts'
import { POLICY_OPERATIONS, type PolicyOperations } from './operations/policies.ts'
import { RELAY_OPERATIONS, type RelayOperations } from './operations/relays.ts'
import { REQUEST_OPERATIONS, type RequestOperations } from './operations/requests.ts'
import { STATUS_OPERATIONS, type StatusOperations } from './operations/status.ts'

/** Where the operations begin. */
export const API_ROOT = '/api/v1'

/** The server-sent events: `GET {API_ROOT}/events?topics=requests,notices,audit,log`, scope `read`; each is a `StreamMessage`. */
export const EVENTS_PATH: string = `${API_ROOT}/events`

/** Every operation, with its input and output. Path parameters are fields of the input. */
export interface Operations
  extends StatusOperations,
    KeyOperations,
    LinkOperations,
    AppOperations,
    RequestOperations,
    PolicyOperations,
    RelayOperations,
    BackupOperations,
    PanicOperations,
    AccessOperations {}

export type OperationName = keyof Operations
export type InputOf<Name extends OperationName> = Operations[Name]['input']
export type OutputOf<Name extends OperationName> = Operations[Name]['output']

/** What carries them out. */
export type Handlers = {
  readonly [Name in OperationName]: (
    input: InputOf<Name>,
    caller: Caller,
  ) => Promise<OutputOf<Name>> | OutputOf<Name>
}

export const OPERATIONS: OperationTable<Operations> = {
  ...STATUS_OPERATIONS,
  ...KEY_OPERATIONS,
  ...LINK_OPERATIONS,
  ...APP_OPERATIONS,
  ...REQUEST_OPERATIONS,
  ...POLICY_OPERATIONS,
  ...RELAY_OPERATIONS,
  ...BACKUP_OPERATIONS,
  ...PANIC_OPERATIONS,
  ...ACCESS_OPERATIONS,
}
