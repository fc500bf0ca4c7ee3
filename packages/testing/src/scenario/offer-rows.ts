/**
 * Rows 27 to 29: a nostrconnect:// code on show, the signer who scanned it, and strangers who saw it.
 * Never tells a stranger the secret.
 */

import { type Pubkey, parseNostrConnectUri } from '@nip46/core'
import { CALL_MS, type ClientScenario, fail, type Stage, span } from './client-scenario.ts'
import { failed, okay } from './scenario-signer.ts'

/** What a client needs after its URI is out until it surely listens: so long, and until it has subscribed. */
const LISTEN_MS = 1_500

export const offerRows: readonly ClientScenario[] = [
  {
    row: 27,
    name: 'nostrconnect: the signer echoes the secret',
    wanted: 'login within 8 s, and a signature',
    setUp: {},
    async act(stage) {
      const { client, secret } = await show(stage)
      const taken = waitForLogin(stage)
      await untilItListens(stage)
      const began = stage.elapsed()
      stage.signer.say(client, { text: okay('offer', secret) })
      await stage.value('login', taken)
      const took = stage.elapsed() - began
      await stage.sign()
      return `logged in after ${span(took)}`
    },
  },
  {
    row: 28,
    name: 'nostrconnect: a stranger says ack first',
    wanted: 'the stranger is ignored; whoever echoes the secret is the signer',
    setUp: {},
    async act(stage) {
      const { client, secret } = await show(stage)
      const taken = waitForLogin(stage)
      await untilItListens(stage)
      stage.stranger.say(client, { text: okay('offer', 'ack') })
      await stage.wait(500)
      stage.signer.say(client, { text: okay('offer', secret) })
      await stage.value('login', taken)
      const user = await stage.value('asking for the user', stage.client.getPublicKey())
      if (user === stage.stranger.user.pubkey) fail('hijacked: the stranger is the signer now')
      if (user !== stage.signer.user.pubkey) fail(`the user is nobody here: ${String(user).slice(0, 80)}`)
      return 'the stranger is ignored'
    },
  },
  {
    row: 29,
    name: 'nostrconnect: strangers send junk first',
    wanted: 'login, and a signature',
    setUp: {},
    async act(stage) {
      const { client, secret } = await show(stage)
      const taken = waitForLogin(stage)
      await untilItListens(stage)
      const { stranger, signer } = stage
      for (const text of [
        'hello',
        '[]',
        '{}',
        failed('x', 'no'),
        okay('', ''),
        okay('x', 'not the secret'),
      ]) {
        stranger.say(client, { text })
        stranger.say(client, { text, scheme: 'nip04' })
      }
      const createdAt = Math.floor(Date.now() / 1_000)
      const junk = { kind: 24133, content: 'junk', tags: [['p', client]], created_at: createdAt }
      stage.relay.deliver(stranger.sign(junk, stranger.key))
      await stage.wait(300)
      signer.say(client, { text: okay('offer', secret) })
      await stage.value('login', taken)
      await stage.sign()
      return 'undisturbed'
    },
  },
]

/** Some give up before anybody asks: that is no unhandled rejection of ours. */
function waitForLogin({ client }: Stage): Promise<void> {
  const taken = client.taken()
  taken.catch(() => undefined)
  return taken
}

async function untilItListens({ relay, wait, until }: Stage): Promise<void> {
  await wait(LISTEN_MS)
  await until(() => relay.subscriptions > 0, CALL_MS)
}

/** Who waits for an answer at which secret. */
async function show({
  client,
  relay,
  value,
}: Stage): Promise<{ readonly client: Pubkey; readonly secret: string }> {
  const uri = await value('making the URI', client.offer([relay.url]), CALL_MS)
  const offer = parseNostrConnectUri(uri)
  if (!offer.ok) return fail(`the URI cannot be read: ${offer.error}`)
  const { clientPubkey, secret } = offer.value
  return secret === null ? fail('the URI holds no secret') : { client: clientPubkey, secret }
}
