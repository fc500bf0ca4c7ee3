/** Uses that a rule tells the owner of: in the log, on the stream, in the audit log and at the terminal. */

import { request } from 'node:http'
import { expect, test } from 'vitest'
import type { Notice } from '../src/api/shapes.ts'
import { cliOf, runIn } from './cli-world.ts'
import { connectApp, nextQuestion, startWorld, until } from './daemon-world.ts'

test('a use by a rule with notify is told once, and no other use is', async () => {
  const world = await startWorld()
  const { api, directory } = world
  const stop = new AbortController()
  try {
    const app = await connectApp(world, { grants: 'sign_event:1[notify],sign_event:7', label: 'Reader' })
    const heard: Notice[] = []
    const stream = api.watch(['notices'], stop.signal)
    const reading = (async () => {
      for await (const message of stream) if (message.topic === 'notices') heard.push(message.notice)
    })()
    const watching = runIn(directory, ['req', 'watch', '--json'], stop.signal)
    await until(async () => (await metrics(world.daemon.socket)).includes('nip46_api_streams 2\n'))
    await app.signEvent({ kind: 1, content: 'told' })
    await until(() => heard.length > 0)
    const before = heard.length
    await app.signEvent({ kind: 7, content: '+' })
    const asked = app.signEvent({ kind: 6, content: '' })
    const { id, hash } = await nextQuestion(api)
    await api.call('request.approve', { id, hash })
    await asked
    await app.signEvent({ kind: 1, content: 'told again' })
    await until(() => heard.length > before)
    expect(heard).toHaveLength(before + 1)
    const rule = 'allow:sign_event:1[notify]'
    expect(heard.at(-1)).toMatchObject({ label: 'Reader', method: 'sign_event', kind: 1, peer: null, rule })
    const lines = world.log.map((line) => JSON.parse(line) as Record<string, unknown>)
    const told = lines.filter(({ event }) => event === 'notice')
    expect(new Set(told.map(({ kind }) => kind))).toEqual(new Set([1]))
    expect(told.at(-1)).toMatchObject({ level: 'info', method: 'sign_event', kind: 1, rule })

    const { entries } = await api.call('audit.list', { limit: 200 })
    const performed = entries.filter(({ type }) => type === 'performed')
    const kindOf = (record: unknown) =>
      (record as { readonly subject: { readonly kind: number } }).subject.kind
    expect(performed.filter(({ notice }) => notice)).toHaveLength(told.length)
    expect(performed.every(({ notice, record }) => notice === (kindOf(record) === 1))).toBe(true)
    expect((await cliOf(world)('audit', 'tail', '--count', '4')).out).toContain('performed  notice  app')

    stop.abort()
    await reading
    const printed = (await watching).out
      .split('\n')
      .flatMap((line) => (line === '' ? [] : [JSON.parse(line)]))
    expect(printed.filter(({ topic }) => topic === 'notices').at(-1)).toMatchObject({ notice: { rule } })
    await app.close()
  } finally {
    stop.abort()
    await world.close()
  }
})

function metrics(socketPath: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const asking = request({ socketPath, path: '/metrics', agent: false }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (part: string) => {
        text += part
      })
      response.on('end', () => resolve(text))
    })
    asking.on('error', reject).end()
  })
}
