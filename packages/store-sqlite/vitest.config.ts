import { defineProject } from 'vitest/config'

export default defineProject({
  resolve: { conditions: ['@nip46/source'] },
  ssr: { resolve: { conditions: ['@nip46/source', 'node', 'import', 'module', 'default'] } },
  test: {
    name: 'store-sqlite',
    include: ['test/**/*.test.ts'],
    // Machines that run checks are shared and slow at times: a time-out here means a hang.
    testTimeout: 120_000,
    hookTimeout: 30_000,
  },
})
