/**
 * What the table says of one operation.
 * Only types: importing this file costs nothing and runs nothing.
 */

import type { Schema } from '../schema.ts'
import type { Scope } from '../shapes.ts'

export interface OperationSpec<Input, Output> {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  /** Under `API_ROOT`; `{field}` is that field of the input. The rest is the query of a GET, or the JSON body. */
  readonly path: string
  readonly scope: Scope
  readonly words: string
  readonly input: Schema<Input>
  readonly output: Schema<Output>
}

/** The operations of one subject, by name. */
export type OperationTable<Subject extends { [Name in keyof Subject]: { input: unknown; output: unknown } }> =
  {
    readonly [Name in keyof Subject]: OperationSpec<Subject[Name]['input'], Subject[Name]['output']>
  }
