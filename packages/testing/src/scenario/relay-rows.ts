/**
 * Rows 18 to 24: relays that refuse, drop, are dead, move, or want a login.
 * Never about what the remote signer says: it is correct here.
 */

import { type ClientScenario, fail, notOffered, span, tooLate } from './client-scenario.ts'
import { NOT_OFFERED } from './client-under-test.ts'
import { okay } from './scenario-signer.ts'

/** Long enough for what a client does some time after a move. */
const AFTERMATH_MS = 6_000

export const relayRows: readonly ClientScenario[] = [
  {
    row: 18,
    name: 'the relay refuses the request (OK false)',
    wanted: 'rejects within 5 s',
    setUp: {},
    async act(stage) {
      await stage.login()
      stage.relay.refuse('blocked: pay first')
      const settled = await stage.within(stage.client.signEvent(stage.note()), 5_000)
      if (settled.type === 'hang') tooLate(`no end within ${span(settled.ms)}`)
      if (settled.type === 'value') fail('signing resolves without an answer')
      return `after ${span(settled.ms)}: ${settled.error}`
    },
  },
  {
    row: 19,
    name: 'the relay drops the connection; a second later something is to be signed',
    wanted: 'a signature within 15 s',
    setUp: {},
    async act(stage) {
      await stage.login()
      stage.relay.drop()
      await stage.wait(1_000)
      const began = stage.elapsed()
      await stage.sign(15_000)
      return `signed after ${span(stage.elapsed() - began)}`
    },
  },
  {
    row: 20,
    name: 'the relay goes while a request is in flight, is back after 0.5 s, and the signer answers 3 s after it went',
    wanted: 'the signature within 5 s of its return',
    setUp: {},
    async act(stage) {
      await stage.login()
      const { client, signer, relay } = stage
      let back: Promise<void> | undefined
      let returnedAt = 0
      signer.reply('sign_event', (request) => {
        const askedAt = stage.elapsed()
        back = stage
          .wait(50)
          .then(() => relay.down())
          .then(() => stage.wait(500))
          .then(() => relay.up())
          .then(async () => {
            returnedAt = stage.elapsed()
            await stage.until(() => relay.subscriptions > 0, 2_500)
            // A machine that stood still let the answer come to nobody: it is said once more.
            if (stage.elapsed() - askedAt > 3_000)
              signer.say(request.from, { text: signer.usual(request), scheme: request.scheme })
          })
        return [{ text: signer.usual(request), afterMs: 3_050 }]
      })
      const asked = stage.note()
      const settled = await stage.within(client.signEvent(asked), 5_600)
      await back
      if (settled.type === 'hang') tooLate(`no end within ${span(settled.ms)}`)
      if (settled.type === 'error') fail(`rejects after ${span(settled.ms)}: ${settled.error}`)
      if (!stage.isRight(settled.value, asked)) fail('the signed event is not the one asked for')
      const took = span(stage.elapsed() - returnedAt)
      const times = signer.executions('sign_event')
      return times === 1
        ? `signed ${took} after the relay's return`
        : fail(`signed, but asked for ${times} times`)
    },
  },
  {
    row: 21,
    name: 'one of two relays refuses connections',
    wanted: 'login within 5 s, a signature within 2 s',
    setUp: { dead: true },
    async act(stage) {
      const login = await stage.within(stage.client.connect(stage.uri), 15_000)
      if (login.type === 'error') fail(`login rejects after ${span(login.ms)}: ${login.error}`)
      if (login.type === 'hang') tooLate(`login: no end within ${span(login.ms)}`)
      const began = stage.elapsed()
      await stage.sign(8_000)
      const took = stage.elapsed() - began
      const what = `login ${span(login.ms)}, signature ${span(took)}`
      return login.ms > stage.limit(5_000) || took > stage.limit(2_000) ? tooLate(what) : what
    },
  },
  {
    row: 22,
    name: 'the signer moves to a new relay',
    wanted: 'requests work there once the old relay is gone, and close() leaves no subscription on either',
    setUp: {},
    async act(stage) {
      const { client, signer, relay } = stage
      const next = await stage.addRelay()
      signer.reply('switch_relays', ({ id }) => okay(id, JSON.stringify([next.url])))
      await stage.login()
      // Some ask by themselves; those that do not are told to, as far as they can be.
      await stage.within(client.switchRelays(), 5_000)
      await stage.wait(AFTERMATH_MS)
      await relay.down()
      await stage.sign()
      await relay.up()
      await stage.wait(500)
      const closed = await stage.within(client.close(), 5_000)
      if (closed.type === 'hang') tooLate('close(): no end within 5.0 s')
      const subscriptions = (): number => next.subscriptions + relay.subscriptions
      await stage.until(() => subscriptions() === 0, 1_000)
      const left = subscriptions()
      return left === 0
        ? 'moved, and nothing is left'
        : fail(`moved, but ${left} subscriptions outlive close()`)
    },
  },
  {
    row: 23,
    name: 'switchRelays() answered with result: null',
    wanted: 'settles within 5 s, and all stays as it is',
    setUp: { replies: { switch_relays: ({ id }) => JSON.stringify({ id, result: null }) } },
    async act(stage) {
      await stage.login()
      const settled = await stage.within(stage.client.switchRelays(), 5_000)
      if (settled.type === 'hang') tooLate(`no end within ${span(settled.ms)}`)
      const offered = settled.type === 'value' || settled.error !== NOT_OFFERED
      // Some ask by themselves when they log in, and take the answer there.
      if (!offered && !stage.signer.heard.some(({ method }) => method === 'switch_relays'))
        return notOffered('it never asks')
      await stage.sign()
      if (!offered) return 'asked at the login'
      return settled.type === 'value'
        ? `resolves with ${JSON.stringify(settled.value ?? null)}`
        : settled.error
    },
  },
  {
    row: 24,
    name: 'a relay that wants a login (NIP-42), nothing configured',
    wanted: 'login and a signature',
    setUp: { auth: true },
    async act(stage) {
      await stage.login()
      await stage.sign()
      return `logged in and signed in ${span(stage.elapsed())}`
    },
  },
]
