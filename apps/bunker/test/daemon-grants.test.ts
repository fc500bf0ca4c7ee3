/** Grants in NIP-46's own terms beside a policy: nothing is signed that the policy limits, asks about or denies. */

import { connect } from '@nip46/client'
import type { JsonValue, Permission, Pubkey, RelayUrl } from '@nip46/core'
import type { SessionName, SignerStore } from '@nip46/core/remote-signer'
import { createJudge, parsePolicy, sessionPolicy } from '@nip46/policy'
import { createRemoteSigner, denyAll, localUserSigner, memoryStore } from '@nip46/remote-signer'
import { createMemoryRelay, seededRandom } from '@nip46/testing'
import { expect, test } from 'vitest'
import { openMemoryStore } from '../src/daemon/store.ts'
import { connectApp, crypto, type DaemonWorld, nextQuestion, startWorld } from './daemon-world.ts'

const GRANTED: readonly Permission[] = [1, 3, 6, 7].map((kind) => ({ method: 'sign_event', kind }))
/** Two notes, reactions denied, reposts asked about; nothing about kind 3. */
const RULES: JsonValue = [
  { effect: 'allow', method: 'sign_event', kinds: [1], maxUses: 2 },
  { effect: 'ask', method: 'sign_event', kinds: [6] },
  { effect: 'deny', method: 'sign_event', kinds: [7] },
]

test('an engine with the policy’s judge signs by a grant only what the policy says nothing about', async () => {
  const policy = parsePolicy({ rules: RULES })
  if (!policy.ok) throw new Error(policy.error.message)
  const net = createMemoryRelay()
  const relays = ['wss://relay.example/' as RelayUrl]
  const key = crypto.importKey(seededRandom('granted').bytes(32))
  const signer = createRemoteSigner({
    crypto,
    transport: net.connect(),
    userSigner: localUserSigner(key, { crypto }),
    approver: denyAll,
    judge: createJudge(),
    relays,
    store: memoryStore(),
  })
  await signer.start()
  const { uri } = await signer.offer({ granted: GRANTED, policy: sessionPolicy(policy.value, Date.now()) })
  const app = await connect(uri, { crypto, transport: net.connect() })
  const signed: number[] = []
  for (const kind of [1, 1, 1, 1, 3, 6, 7, 1])
    await app.signEvent({ kind, content: '' }).then(
      () => signed.push(kind),
      () => undefined,
    )
  expect(signed).toEqual([1, 1, 3])
  await app.close()
  await signer.close()
  key.destroy()
})

test('a daemon holds the policy of a session against what was granted elsewhere, and explains it so', async () => {
  const store = openMemoryStore()
  let world = await startWorld({ deps: { store } })
  try {
    const app = await connectApp(world, { json: { rules: RULES } })
    const [connected] = (await world.api.call('app.list')).apps
    const { clientPubkey, signerPubkey } = connected ?? { clientPubkey: '', signerPubkey: '' }
    await grantInStore(
      world,
      { signerPubkey: signerPubkey as Pubkey, clientPubkey: clientPubkey as Pubkey },
      store.store,
    )
    world = await world.restart()
    const { api } = world
    const { granted } = await api.call('app.show', { clientPubkey })
    expect(granted).toEqual(['sign_event:1', 'sign_event:3', 'sign_event:6', 'sign_event:7'])

    for (const kind of [1, 3, 1]) expect(await app.signEvent({ kind, content: '' })).toMatchObject({ kind })
    const isAsked = async (kind: number): Promise<void> => {
      const signing = app.signEvent({ kind, content: '' })
      signing.catch(() => undefined)
      const { id, hash } = await nextQuestion(api, (question) => question.kind === kind)
      await api.call('request.deny', { id, hash })
      await expect(signing).rejects.toMatchObject({ code: 'remote/error', reason: 'rejected' })
    }
    await isAsked(1)
    await isAsked(6)
    await expect(app.signEvent({ kind: 7, content: '' })).rejects.toMatchObject({ code: 'remote/error' })
    const why = async (kind: number) =>
      api.call('policy.explain', { clientPubkey, request: { method: 'sign_event', event: { kind } } })
    expect(await why(1)).toMatchObject({ effect: 'ask', rule: 'default' })
    expect(await why(3)).toMatchObject({ effect: 'allow', rule: 'granted' })
    expect(await why(7)).toMatchObject({ effect: 'deny' })
    const { entries } = await api.call('audit.list', { clientPubkey, limit: 100 })
    const rules = entries.flatMap(({ type, record }) =>
      type === 'performed' ? [(record as { readonly rule?: string }).rule] : [],
    )
    const rule = 'allow:sign_event:1[max=2]'
    expect(rules).toEqual([rule, 'granted', rule])

    // A preset is about everything, so nothing is left for the grants.
    await api.call('app.policy.set', { clientPubkey, policy: { preset: 'paranoid' } })
    await isAsked(3)
    await app.close()
  } finally {
    await world.close()
  }
})

/** As an import, or another program on this store, may leave a session. */
async function grantInStore(world: DaemonWorld, name: SessionName, store: SignerStore): Promise<void> {
  await world.daemon.close()
  const [stored] = (await store.read({ sessions: [name] })).sessions
  if (stored === undefined) throw new Error('the session is not in the store')
  const { revision, value: before } = stored
  const change = { ...name, revision, before, after: { ...before, granted: GRANTED } }
  expect(await store.commit([{ session: change }], Date.now())).toEqual([{ type: 'done' }])
}
