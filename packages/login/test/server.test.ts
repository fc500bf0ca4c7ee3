/** Where there is no page, as on a server that renders pages, the module loads and does nothing. */

import { expect, test } from 'vitest'

test('it can be imported without elements', async () => {
  expect('HTMLElement' in globalThis).toBe(false)
  const { Nip46Login } = await import('../src/define.ts')
  const { defineLogin } = await import('../src/index.ts')
  expect(() => defineLogin()).not.toThrow()
  expect(Nip46Login.defaults?.crypto().name).toBe('small')
})
