import { auditCases, type StoreUnderTest, storeCases } from '@nip46/testing'
import { describe, test } from 'vitest'
import { openSqliteStore } from '../src/index.ts'
import { testFile, testSeal } from './folder.ts'

describe('the SQLite store is a SignerStore with an audit log', () => {
  for (const { name, run } of [...storeCases, ...auditCases]) {
    test(name, () => {
      const file = testFile()
      const open = async (): Promise<StoreUnderTest> => {
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
      return run({ createStore: open })
    })
  }
})
