import { auditCases, hostRecordCases, type StoreUnderTest, storeCases } from '@nip46/testing'
import { describe, test } from 'vitest'
import { openSqliteStore, type SqliteStore } from '../src/index.ts'
import { testFile, testSeal } from './folder.ts'

interface SqliteUnderTest extends StoreUnderTest {
  readonly store: SqliteStore
  reopen(): Promise<SqliteUnderTest>
}

function underTest(): Promise<SqliteUnderTest> {
  const file = testFile()
  const open = async (): Promise<SqliteUnderTest> => {
    const store = await openSqliteStore(file, { seal: testSeal() })
    return {
      store,
      async reopen() {
        await store.close()
        return open()
      },
      dispose: () => store.close(),
    }
  }
  return open()
}

describe('the SQLite store is a SignerStore with an audit log', () => {
  for (const { name, run } of [...storeCases, ...auditCases])
    test(name, () => run({ createStore: underTest }))
})

describe('the SQLite store keeps records of the host', () => {
  for (const { name, run } of hostRecordCases) test(name, () => run({ createRecords: underTest }))
})
