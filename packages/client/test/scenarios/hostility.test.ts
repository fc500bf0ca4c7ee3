/** Some thousand messages of a hostile remote signer and of strangers, at this client in a process of its own. */

import { playHostility, startClientProcess } from '@nip46/testing/client-scenarios'
import { expect, test } from 'vitest'
import { parties } from './table/play-all.ts'

const MESSAGES = 2_000
/** Time limits are for what hangs. */
const SLACK = 6

function start(program: string): ReturnType<typeof startClientProcess> {
  const { pathname } = new URL(`./${program}.ts`, import.meta.url)
  return startClientProcess({ args: ['--conditions=@nip46/source', pathname] })
}

test('leave nothing unhandled, and it signs afterwards', async () => {
  const startClient = () => start('own-process')
  expect(await playHostility({ ...parties, slack: SLACK, messages: MESSAGES, startClient })).toEqual({
    messages: MESSAGES,
    exits: 0,
    ended: undefined,
    signsAfter: true,
  })
})

test('end a client that leaves a rejection unhandled', async () => {
  const startClient = () => start('dying-process')
  expect(await playHostility({ ...parties, slack: SLACK, messages: MESSAGES, startClient })).toMatchObject({
    exits: 1,
    ended: expect.stringContaining('boom'),
    signsAfter: false,
  })
})
