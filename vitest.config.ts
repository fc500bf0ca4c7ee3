/** One run over every package and app, the workspace's own rules, and the programs in the documents. */

import { defineConfig } from 'vitest/config'
import { closingLine } from './scripts/closing-line.ts'
import { PATIENCE } from './scripts/patience.ts'

export default defineConfig({
  test: {
    // Much of a run is waiting for sockets and timers: one worker a core, where the default leaves one core out.
    maxWorkers: '100%',
    projects: [
      'packages/*/vitest.config.ts',
      'apps/*/vitest.config.ts',
      {
        test: {
          name: 'workspace',
          include: ['scripts/*.test.ts'],
          exclude: ['scripts/docs.test.ts'],
          ...PATIENCE,
        },
      },
      { test: { name: 'docs', include: ['scripts/docs.test.ts'], ...PATIENCE } },
    ],
    // Database servers and browsers are ended then.
    teardownTimeout: 60_000,
    reporters: ['default', closingLine()],
  },
})
