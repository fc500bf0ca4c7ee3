/**
 * The records of the host: few and small, beside the sessions, and the one way to stop all other members at once.
 * Never part of a commit: what the engine writes does not wait for them.
 */

import { UsageError } from '@nip46/core'
import type { HostRecords } from '@nip46/core/remote-signer'
import { type Database, persist } from './database.ts'
import { HOST_RECORD_CHARS, HOST_RECORD_NAME_CHARS, READ_MS } from './limits.ts'
import type { RecordCodec } from './record.ts'

export interface HostRecordHost {
  readonly schema: string
  readonly codec: RecordCodec
  readonly writer: string
  /** The id of this member, if it joined. */
  readonly member: () => string | undefined
}

export function createHostRecords(database: Database, host: HostRecordHost): HostRecords {
  const { schema, codec, writer } = host
  return {
    async readHostRecords() {
      const rows = await persist(READ_MS, (left) =>
        database.query<{ name: string; revision: string; body: Buffer }>(
          `SELECT name, revision, body FROM ${schema}.host_record ORDER BY name COLLATE "C"`,
          [],
          left,
        ),
      )
      return rows.map(({ name, revision, body }) => ({
        revision: Number(revision),
        value: { name, value: codec.hostRecord(name, body) },
      }))
    },
    async writeHostRecords(changes, { fenceOthers = false } = {}) {
      const bodies: Uint8Array[] = []
      let offset = 1
      const named = changes.map(({ name, revision, after }) => {
        if (!/^[\x20-\x7e]+$/.test(name) || name.length > HOST_RECORD_NAME_CHARS)
          throw new UsageError(`the name of a host record is 1 to ${HOST_RECORD_NAME_CHARS} ASCII characters`)
        if (after === null) return { n: name, r: revision }
        if (JSON.stringify(after).length > HOST_RECORD_CHARS)
          throw new UsageError(`a host record has at most ${HOST_RECORD_CHARS} characters`)
        const body = codec.encodeHostRecord(name, after)
        bodies.push(body)
        offset += body.length
        return { n: name, r: revision, o: offset - body.length, l: body.length }
      })
      const [row] = await persist(READ_MS, (left) =>
        database.query<{ done: boolean }>(
          `SELECT ${schema}.write_host_records($1, $2, $3, $4, $5) AS done`,
          [writer, host.member() ?? null, fenceOthers, JSON.stringify(named), Buffer.concat(bodies)],
          left,
        ),
      )
      return row?.done === true ? 'done' : 'stale'
    },
  }
}
