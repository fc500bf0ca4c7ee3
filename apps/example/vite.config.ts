/** A plain build: no plugin. The condition takes the workspace's sources in place of what is built from them. */

import { defineConfig } from 'vite'

export default defineConfig({
  root: import.meta.dirname,
  base: './',
  resolve: { conditions: ['@nip46/source', 'browser', 'module', 'import', 'default'] },
  build: { target: 'es2023' },
})
