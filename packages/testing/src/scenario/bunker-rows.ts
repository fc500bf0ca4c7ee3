/**
 * Rows 1 to 17 and 26: logging in with a token, and what a remote signer and strangers may say.
 * Never about the network: relays work here.
 */

import type { EventTemplate } from '@nip46/core'
import { type ClientScenario, fail, type Stage, span, tooLate } from './client-scenario.ts'
import { failed, okay, readTemplate, type ScenarioRequest, type SignerReply } from './scenario-signer.ts'

/** Longer than the 60 s that a client usually gives a remote signer. */
const PATIENCE_MS = 65_000

const plain = (members: (request: ScenarioRequest, result: string) => object): SignerReply => {
  return (request, signer) => {
    const { result } = JSON.parse(signer.usual(request)) as { readonly result: string }
    return JSON.stringify(members(request, result))
  }
}

/** The same answers to every plain method, written in another way. */
const everywhere = (reply: SignerReply): Readonly<Record<string, SignerReply>> => ({
  connect: reply,
  get_public_key: reply,
  sign_event: reply,
  ping: reply,
})

export const bunkerRows: readonly ClientScenario[] = [
  {
    row: 1,
    name: 'plain signer: answers ack, and an error to what it does not know',
    wanted: 'login and a signature',
    setUp: {},
    act: signAfterLogin,
  },
  {
    row: 2,
    name: 'signer answers connect with the secret instead of ack',
    wanted: 'login and a signature',
    setUp: { replies: { connect: ({ id, params }) => okay(id, params[1] ?? '') } },
    act: signAfterLogin,
  },
  {
    row: 3,
    name: 'signer checks whom the connect is for',
    wanted: 'login and a signature',
    setUp: {
      replies: {
        connect: ({ id, params }, { key }) =>
          params[0] === key.pubkey ? okay(id, 'ack') : failed(id, 'invalid: target pubkey'),
      },
    },
    act: signAfterLogin,
  },
  {
    row: 4,
    name: 'signer ignores switch_relays',
    wanted: 'login within 3 s',
    setUp: { replies: { switch_relays: () => undefined } },
    async act(stage) {
      const login = await stage.within(stage.client.connect(stage.uri), 12_000)
      if (login.type === 'error') fail(`login rejects: ${login.error}`)
      if (login.type === 'hang') tooLate(`login: no end within ${span(login.ms)}`)
      if (login.ms > stage.limit(3_000)) tooLate(`login takes ${span(login.ms)}`)
      await stage.sign()
      return `logged in after ${span(login.ms)}`
    },
  },
  {
    row: 5,
    name: 'signer answers in NIP-04',
    wanted: 'the request settles within 65 s, and the next one works',
    setUp: {},
    async act(stage) {
      await stage.login()
      const { client, signer } = stage
      signer.reply('sign_event', (request) => [{ text: signer.usual(request), scheme: 'nip04' }])
      const settled = await stage.withinPatience(client.signEvent(stage.note()), PATIENCE_MS)
      if (settled.type === 'hang') tooLate(`signing: no end within ${span(settled.ms)}`)
      signer.reply('sign_event', signer.usual)
      await stage.sign()
      const next = signer.heard.at(-1)?.scheme === 'nip44' ? '' : ', and goes on in NIP-04'
      return settled.type === 'value'
        ? `takes the answer${next}`
        : `rejects after ${span(settled.ms)}: ${settled.error}`
    },
  },
  {
    row: 6,
    name: 'error without a result',
    wanted: 'rejects within 2 s with the reason',
    setUp: { replies: { sign_event: ({ id }) => JSON.stringify({ id, error: 'denied: not today' }) } },
    async act(stage) {
      await stage.login()
      const error = await stage.refusal('signing', stage.client.signEvent(stage.note()), 2_000)
      if (!error.includes('not today')) fail(`the reason is lost: ${error}`)
      return error
    },
  },
  {
    row: 7,
    name: 'success with error: null',
    wanted: 'a success',
    setUp: { replies: everywhere(plain(({ id }, result) => ({ id, result, error: null }))) },
    act: signAfterLogin,
  },
  {
    row: 8,
    name: 'success with error: ""',
    wanted: 'a success',
    setUp: { replies: everywhere(plain(({ id }, result) => ({ id, result, error: '' }))) },
    act: signAfterLogin,
  },
  {
    row: 9,
    name: 'result: "" (an empty plaintext)',
    wanted: 'the empty text within 5 s',
    setUp: { replies: { nip44_decrypt: ({ id }) => JSON.stringify({ id, result: '' }) } },
    async act(stage) {
      await stage.login()
      const text = await stage.value('decrypting', stage.client.nip44Decrypt(stage.peer, 'x'), 5_000)
      return text === '' ? 'an empty text' : fail(`decrypts to ${JSON.stringify(text)}`)
    },
  },
  {
    row: 10,
    name: 'the plaintext is ["first","second"]',
    wanted: 'the same text, in NIP-44 and NIP-04',
    setUp: {},
    async act(stage) {
      await stage.login()
      const { client, peer } = stage
      const text = '["first","second"]'
      const sealed = await stage.value('encrypting', client.nip44Encrypt(peer, text))
      const opened = await stage.value('decrypting', client.nip44Decrypt(peer, String(sealed)))
      if (opened !== text) fail(`corrupted to ${JSON.stringify(opened)}`)
      const old = await stage.value('encrypting', client.nip04Encrypt(peer, text))
      const read = await stage.value('decrypting', client.nip04Decrypt(peer, String(old)))
      if (read !== text) fail(`corrupted to ${JSON.stringify(read)} (NIP-04)`)
      return 'unchanged'
    },
  },
  {
    row: 11,
    name: 'auth_url, sent twice, then the result',
    wanted: 'the app is told of the page, and the request resolves',
    setUp: {
      replies: {
        sign_event: (request, signer) => {
          const page = { id: request.id, result: 'auth_url', error: 'https://bunker.example/approve' }
          const text = JSON.stringify(page)
          return [{ text }, { text, afterMs: 300 }, { text: signer.usual(request), afterMs: 1_000 }]
        },
      },
    },
    async act(stage) {
      await stage.login()
      await stage.sign()
      const pages = await stage.value('asking for the pages', stage.client.pages())
      if (!pages.some((page) => page.startsWith('https://bunker.example/approve')))
        fail('the app is told of no page')
      return `signed; told of the page ${pages.length === 1 ? 'once' : `${pages.length} times`}`
    },
  },
  {
    row: 12,
    name: 'the signer signs another event than the one asked for',
    wanted: 'rejects within 5 s',
    setUp: {},
    act: (stage) =>
      refuseEvent(stage, (asked) => stage.signer.sign({ ...asked, content: 'I agree to everything' })),
  },
  {
    row: 13,
    name: 'the event comes back signed by another pubkey',
    wanted: 'rejects within 5 s',
    setUp: {},
    act: (stage) => refuseEvent(stage, (asked) => stage.signer.sign(asked, stage.stranger.user)),
  },
  {
    row: 14,
    name: 'the signature is invalid',
    wanted: 'rejects within 5 s',
    setUp: {},
    act: (stage) => refuseEvent(stage, (asked) => ({ ...stage.signer.sign(asked), sig: '0'.repeat(128) })),
  },
  {
    row: 15,
    name: 'a stranger who knows the request id answers first',
    wanted: 'the answer of the signer',
    setUp: {},
    async act(stage) {
      await stage.login()
      const { client, signer, stranger, peer } = stage
      signer.reply('nip44_encrypt', (request) => {
        stranger.say(request.from, { text: okay(request.id, 'forged') })
        return [{ text: okay(request.id, 'genuine'), afterMs: 800 }]
      })
      const result = await stage.value('encrypting', client.nip44Encrypt(peer, 'x'))
      return result === 'genuine'
        ? 'the forged answer is ignored'
        : fail(`believes ${JSON.stringify(result)}`)
    },
  },
  {
    row: 16,
    name: 'junk of strangers during a request',
    wanted: 'the request and the next one work, both in NIP-44',
    setUp: {},
    async act(stage) {
      await stage.login()
      const { signer, stranger } = stage
      signer.reply('sign_event', (request) => {
        // Of strangers who do not know the id: row 15 is about one who does.
        for (const text of ['hello', '{}', '[]', okay('x', 'x'), failed('x', 'no')]) {
          stranger.say(request.from, { text })
          stranger.say(request.from, { text, scheme: 'nip04' })
        }
        stage.relay.deliver(brokenCarrier(stage, request.from))
        return [{ text: signer.usual(request), afterMs: 300 }]
      })
      await stage.sign()
      // And once more, with nothing in flight: whoever heard a stranger in NIP-04 must not go on in it.
      const [asked] = signer.heard
      if (asked !== undefined) stranger.say(asked.from, { text: okay('x', 'x'), scheme: 'nip04' })
      await stage.wait(300)
      await stage.sign()
      const schemes = signer.heard.filter(({ method }) => method === 'sign_event').map(({ scheme }) => scheme)
      return schemes.includes('nip04') ? fail('the next request goes out in NIP-04') : 'undisturbed'
    },
  },
  {
    row: 17,
    name: 'the signer is silent',
    wanted: 'rejects within 65 s, without a setting',
    setUp: { replies: { sign_event: () => undefined } },
    async act(stage) {
      await stage.login()
      const settled = await stage.withinPatience(stage.client.signEvent(stage.note()), PATIENCE_MS)
      if (settled.type === 'hang') tooLate(`signing: no end within ${span(settled.ms)}`)
      if (settled.type === 'value') fail('signing resolves without an answer')
      return `after ${span(settled.ms)}: ${settled.error}`
    },
  },
  {
    row: 26,
    name: 'a token without a secret',
    wanted: 'login and a signature',
    setUp: { secret: null },
    act: signAfterLogin,
  },
]

async function signAfterLogin(stage: Stage): Promise<string> {
  await stage.login()
  await stage.sign()
  return `logged in and signed in ${span(stage.elapsed())}`
}

/** The signer returns another event than it should. */
async function refuseEvent(stage: Stage, forge: (asked: EventTemplate) => object): Promise<string> {
  await stage.login()
  const { client, signer } = stage
  signer.reply('sign_event', ({ id, params }) => okay(id, JSON.stringify(forge(readTemplate(params[0])))))
  const asked = stage.note()
  const settled = await stage.within(client.signEvent(asked), 5_000)
  if (settled.type === 'hang') tooLate(`no end within ${span(settled.ms)}`)
  if (settled.type === 'error') return settled.error
  // Someone who puts the signature on an event of its own hands out what no relay takes.
  const { content, pubkey } = (settled.value ?? {}) as {
    readonly content?: unknown
    readonly pubkey?: unknown
  }
  const swapped = content !== asked.content || pubkey !== signer.user.pubkey
  return fail(swapped ? 'accepted' : 'accepted: an event whose signature is not good')
}

/** A carrier from a stranger that nobody can decrypt. */
function brokenCarrier({ stranger }: Stage, to: string) {
  return stranger.sign(
    { kind: 24133, content: 'junk', tags: [['p', to]], created_at: Math.floor(Date.now() / 1_000) },
    stranger.key,
  )
}
