import { defineProject } from 'vitest/config'

export default defineProject({
  resolve: { conditions: ['@nip46/source'] },
  ssr: { resolve: { conditions: ['@nip46/source', 'node', 'import', 'module', 'default'] } },
  test: {
    name: 'client',
    include: ['test/**/*.test.ts'],
    // Most of a scenario is waiting.
    maxConcurrency: 16,
    // Machines that run checks are shared and slow at times: a time-out here means a hang.
    testTimeout: 30_000,
    hookTimeout: 30_000,
  },
})
