import { defineProject } from 'vitest/config'
import { PATIENCE } from '../../scripts/patience.ts'

export default defineProject({
  resolve: { conditions: ['@nip46/source'] },
  // Without `import`: `pg` loads its classes by `require`, and must meet one form of them.
  ssr: { resolve: { conditions: ['@nip46/source', 'node', 'module', 'default'] } },
  test: {
    name: 'bench',
    include: ['test/**/*.test.ts'],
    ...PATIENCE,
  },
})
