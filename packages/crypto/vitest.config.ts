import { defineProject } from 'vitest/config'
import { PATIENCE } from '../../scripts/patience.ts'

export default defineProject({
  resolve: { conditions: ['@nip46/source'] },
  ssr: { resolve: { conditions: ['@nip46/source', 'node', 'import', 'module', 'default'] } },
  test: {
    name: 'crypto',
    include: ['test/**/*.test.ts'],
    ...PATIENCE,
  },
})
