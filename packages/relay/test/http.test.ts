import { afterEach, expect, test } from 'vitest'
import { closeRelays, connect, start } from './wire.ts'

afterEach(closeRelays)

test('says what it is over HTTP with the NIP-11 type, for any origin', async () => {
  const { port } = await start({
    info: { name: 'Ours', contact: 'mailto:a@example.com' },
    auth: {},
    retention: { seconds: 30 },
  })
  const response = await fetch(`http://127.0.0.1:${port}/`, { headers: { Accept: 'application/nostr+json' } })
  expect(response.status).toBe(200)
  expect(response.headers.get('content-type')).toBe('application/nostr+json')
  expect(response.headers.get('access-control-allow-origin')).toBe('*')
  expect(await response.json()).toMatchObject({
    name: 'Ours',
    contact: 'mailto:a@example.com',
    supported_nips: [1, 11, 42, 46],
    limitation: {
      auth_required: true,
      max_message_length: 262_144,
      max_subid_length: 64,
      created_at_lower_limit: 600,
    },
    retention: [{ kinds: [24133], time: 30, count: 2_000 }],
  })
})

test('shows a plain text page to others, on its path only, to GET and HEAD only', async () => {
  const { port } = await start({ path: '/here' })
  const at = `http://127.0.0.1:${port}`
  const page = await fetch(`${at}/here?x=1`)
  expect(page.headers.get('content-type')).toBe('text/plain; charset=utf-8')
  expect(await page.text()).toContain('This is a Nostr relay for kind 24133')
  expect((await fetch(`${at}/here`, { method: 'HEAD' })).status).toBe(200)
  expect((await fetch(`${at}/here`, { method: 'OPTIONS' })).headers.get('access-control-allow-headers')).toBe(
    '*',
  )
  expect((await fetch(`${at}/here`, { method: 'POST', body: 'x'.repeat(100_000) })).status).toBe(405)
  expect((await fetch(`${at}/`)).status).toBe(404)
  await expect(connect(`ws://127.0.0.1:${port}/`)).rejects.toThrow('404')
  const client = await connect(`ws://127.0.0.1:${port}/here?anything`)
  expect((await client.subscribe('a', {}))[0]).toBe('EOSE')
})
