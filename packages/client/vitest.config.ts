import { defineProject } from 'vitest/config'
import { PATIENCE } from '../../scripts/patience.ts'

export default defineProject({
  resolve: { conditions: ['@nip46/source'] },
  ssr: { resolve: { conditions: ['@nip46/source', 'node', 'import', 'module', 'default'] } },
  test: {
    name: 'client',
    include: ['test/**/*.test.ts'],
    // Most of a scenario is waiting.
    maxConcurrency: 16,
    ...PATIENCE,
  },
})
