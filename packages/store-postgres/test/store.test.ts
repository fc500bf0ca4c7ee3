import { auditCases, hostRecordCases, storeCases } from '@nip46/testing'
import { test } from 'vitest'
import { describeServer, underTest } from './server.ts'

describeServer('the PostgreSQL store is a SignerStore', (server) => {
  for (const { name, run } of storeCases) test(name, () => run({ createStore: () => underTest(server) }))
})

describeServer('the PostgreSQL store has an audit log', (server) => {
  for (const { name, run } of auditCases) test(name, () => run({ createStore: () => underTest(server) }))
})

describeServer('the PostgreSQL store keeps records of the host', (server) => {
  for (const { name, run } of hostRecordCases)
    test(name, () => run({ createRecords: () => underTest(server) }))
})
