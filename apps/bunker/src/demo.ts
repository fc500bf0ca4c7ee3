/**
 * `demo`: a remote signer, a relay and four clients in one process, over real WebSockets on loopback.
 * Never leaves this machine and keeps nothing: every key is made for the run.
 */

import { clientProfile, connect, nip44GetKey, offer } from '@nip46/client'
import type { Approver, Permission, Question, RelayUrl, Verdict } from '@nip46/core'
import { parsePermissions, parseRelayUrl } from '@nip46/core'
import { generateSecretKey } from '@nip46/crypto'
import { tinyCrypto } from '@nip46/crypto/tiny'
import { createRelay } from '@nip46/relay'
import { createRemoteSigner, localUserSigner } from '@nip46/remote-signer'
import { createRelayPool } from '@nip46/transport-websocket'
import { BunkerSigner, createNostrConnectURI, parseBunkerInput } from 'nostr-tools/nip46'
import { getPublicKey, verifyEvent } from 'nostr-tools/pure'
import { hostRandom } from './host-random.ts'
import { describeQuestion } from './question-text.ts'
import { brief, createTranscript, withoutSecret } from './transcript.ts'

/** What each app of the demo gets without a question. */
const GRANT = permissions('sign_event:1,nip44_encrypt,nip44_decrypt,nip04_encrypt,nip04_decrypt')

/** Runs the whole demo. Rejects if anything is not as it should be. */
export async function runDemo(print: (text: string) => void): Promise<void> {
  const { chapter, line, step } = createTranscript(print)
  const crypto = tinyCrypto()

  chapter('A relay and a remote signer')
  const relay = createRelay({ crypto })
  const { url } = await relay.listen()
  const relays = [relayUrl(url)]
  line('relay', url)
  const secret = generateSecretKey(hostRandom)
  const userKey = crypto.importKey(secret)
  secret.fill(0)
  const approver: Approver = {
    decide: async (question) => {
      line('asked', describeQuestion(question).split('\n')[0])
      const verdict = decide(question)
      line('decided', verdict.allow ? 'allowed' : 'denied')
      return verdict
    },
  }
  const signerPool = createRelayPool()
  const signer = createRemoteSigner({
    crypto,
    transport: signerPool,
    userSigner: localUserSigner(userKey, { crypto, random: hostRandom }),
    approver,
    relays,
    userRelays: { [url]: { read: true, write: true } },
    nip44GetKey: true,
  })
  await signer.start()
  line('user pubkey', userKey.pubkey)
  const third = crypto.importKey(generateSecretKey(hostRandom)).pubkey
  const pool = createRelayPool()

  chapter('bunker:// with @nip46/client, NIP-44')
  const first = await signer.offer({ granted: GRANT })
  line('token', withoutSecret(first.uri))
  const session = await step(
    'connect',
    () => connect(first.uri, { crypto, transport: pool, metadata: { name: 'Demo app' } }),
    (made) => `remote signer ${brief(made.remoteSigner)}`,
  )
  await step('getPublicKey', () => session.getPublicKey(), brief)
  const event = await step(
    'signEvent, kind 1',
    () => session.signEvent({ kind: 1, content: 'Hello from a bunker' }),
    (made) => `id ${brief(made.id)}`,
  )
  check(verifyEvent({ ...event }), 'nostr-tools verifies the signature')
  line('verified by nostr-tools', 'yes')
  const sealed = await step('nip44.encrypt', () => session.nip44.encrypt(third, 'a secret note'), brief)
  const opened = await step(
    'nip44.decrypt',
    () => session.nip44.decrypt(third, sealed),
    (text) => `"${text}"`,
  )
  check(opened === 'a secret note', 'the note came back')
  await step(
    'signEvent, kind 5 (not granted)',
    () => session.signEvent({ kind: 5, content: '' }).then(() => 'signed', wordsOf),
    String,
  )
  await step(
    'logout',
    () => session.logout(),
    () => 'done, key wiped',
  )

  chapter('nostrconnect:// with @nip46/client, NIP-44')
  const offered = offer({ crypto, transport: pool, relays: [url], metadata: { name: 'Demo app' } })
  line('offer', withoutSecret(offered.uri))
  const [taken] = await Promise.all([offered.session, signer.accept(offered.uri, { granted: GRANT })])
  line('connected to', brief(taken.remoteSigner))
  await step(
    'signEvent, kind 1',
    () => taken.signEvent({ kind: 1, content: 'Hello from an offer' }),
    (made) => `id ${brief(made.id)}`,
  )
  await step(
    'logout',
    () => taken.logout(),
    () => 'done, key wiped',
  )

  chapter("bunker:// with nostr-tools' BunkerSigner")
  const second = await signer.offer({ granted: GRANT })
  const pointer = await parseBunkerInput(second.uri)
  if (pointer === null) throw new Error('nostr-tools does not read our token')
  const theirs = BunkerSigner.fromBunker(generateSecretKey(hostRandom), pointer)
  await step(
    'connect',
    () => theirs.connect(),
    () => 'ack',
  )
  await step('getPublicKey', () => theirs.getPublicKey(), brief)
  await step(
    'signEvent, kind 1',
    () => theirs.signEvent(note('Hello from nostr-tools')),
    (made) => `id ${brief(made.id)}`,
  )
  await step(
    'nip44 round trip',
    async () => theirs.nip44Decrypt(third, await theirs.nip44Encrypt(third, 'hi')),
    (text) => `"${text}"`,
  )
  await step(
    'logout',
    () => theirs.logout(),
    () => 'ack',
  )

  chapter("nostrconnect:// with nostr-tools' BunkerSigner")
  const clientKey = generateSecretKey(hostRandom)
  const uri = createNostrConnectURI({
    clientPubkey: getPublicKey(clientKey),
    relays: [url],
    secret: Buffer.from(hostRandom(16)).toString('hex'),
    name: 'nostr-tools app',
  })
  const waiting = BunkerSigner.fromURI(clientKey, uri, {}, AbortSignal.timeout(15_000))
  const [other] = await Promise.all([waiting, signer.accept(uri, { granted: GRANT })])
  await step(
    'signEvent, kind 1',
    () => other.signEvent(note('Hello again')),
    (made) => `id ${brief(made.id)}`,
  )
  await step(
    'logout',
    () => other.logout(),
    () => 'ack',
  )

  chapter('A client of early 2024: NIP-04, no secret')
  const open = await signer.offer({ granted: GRANT, withoutSecret: true })
  line('token', open.uri)
  const legacy = await step(
    'connect',
    () => connect(open.uri, { crypto, transport: pool, profile: clientProfile('SEED') }),
    () => 'ack',
  )
  await step(
    'get_relays',
    () => legacy.getRelays(),
    (list) => Object.keys(list).join(' '),
  )
  const cipher = await step('nip04_encrypt', () => legacy.nip04.encrypt(third, 'old style'), brief)
  await step(
    'nip04_decrypt',
    () => legacy.nip04.decrypt(third, cipher),
    (text) => `"${text}"`,
  )
  await step(
    'nip44_get_key (asked each time)',
    () => nip44GetKey(legacy, third),
    (key) => `${key.length} hex characters, not shown`,
  )
  await step(
    'signEvent, kind 1',
    () => legacy.signEvent({ kind: 1, content: 'Hello from 2024' }),
    (made) => `id ${brief(made.id)}`,
  )
  legacy.close()

  chapter('Done')
  const { accepted, delivered } = relay.stats()
  line('relay', `${accepted} events accepted, ${delivered} delivered`)
  await signer.close()
  await Promise.all([pool.close(), signerPool.close()])
  await relay.close()
  userKey.destroy()
}

function note(content: string): { kind: number; content: string; tags: string[][]; created_at: number } {
  return { kind: 1, content, tags: [], created_at: Math.floor(Date.now() / 1_000) }
}

/** What the user of the demo decides: whoever has a link is in, and gets conversation keys; nothing else is allowed. */
function decide(question: Question): Verdict {
  if (question.type === 'connect') return { allow: true, grant: GRANT }
  if (question.operation.method === 'nip44_get_key') return { allow: true }
  return { allow: false, reason: 'the user of this demo says no' }
}

function permissions(text: string): readonly Permission[] {
  const parsed = parsePermissions(text)
  if (!parsed.ok) throw new Error(`not perms: ${text}`)
  return parsed.value.permissions
}

function relayUrl(text: string): RelayUrl {
  const parsed = parseRelayUrl(text)
  if (!parsed.ok) throw new Error(`not a relay URL: ${text}`)
  return parsed.value
}

function wordsOf(cause: unknown): string {
  return cause instanceof Error ? `refused: ${cause.message}` : 'refused'
}

function check(holds: boolean, what: string): void {
  if (!holds) throw new Error(`this should hold and does not: ${what}`)
}
