import { defineProject } from 'vitest/config'

export default defineProject({
  resolve: { conditions: ['@nip46/source'] },
  ssr: { resolve: { conditions: ['@nip46/source', 'node', 'import', 'module', 'default'] } },
  test: {
    name: 'crypto',
    include: ['test/**/*.test.ts'],
    // Several of these do work in bulk; on a busy machine the default of 5 s is not enough for them.
    testTimeout: 60_000,
  },
})
