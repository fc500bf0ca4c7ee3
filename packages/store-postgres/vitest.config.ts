import { fileURLToPath } from 'node:url'
import { defineProject } from 'vitest/config'
import { PATIENCE } from '../../scripts/patience.ts'

export default defineProject({
  resolve: {
    conditions: ['@nip46/source'],
    // What sets a run up is resolved without the conditions.
    alias: {
      '@nip46/testing/postgres-cluster': fileURLToPath(
        new URL('../testing/src/postgres-cluster.ts', import.meta.url),
      ),
    },
  },
  ssr: { resolve: { conditions: ['@nip46/source', 'node', 'module', 'default'] } },
  test: {
    name: 'store-postgres',
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/global-setup.ts'],
    ...PATIENCE,
  },
})
