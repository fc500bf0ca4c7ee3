import { sharingCases } from '@nip46/testing'
import { test } from 'vitest'
import { describeServer, newDatabase, open } from './server.ts'

describeServer('the PostgreSQL store can be shared', (server) => {
  for (const { name, run } of sharingCases)
    test(name, () =>
      run({
        async createShared() {
          const { url } = await newDatabase(server)
          return {
            open: (instance) => open(url, { leaseMs: 60_000, ...(instance !== undefined && { instance }) }),
            dispose: () => Promise.resolve(),
          }
        },
      }),
    )
})
