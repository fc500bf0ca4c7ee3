/**
 * Our remote signer as a whole bunker: @nip46/remote-signer on the relay pool, with its store in memory or on a disk.
 * Asks nobody: what the load requests was granted in the offer, or is counted by a policy.
 */

import { flushCompileCache } from 'node:module'
import { setTimeout as sleep } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { Judge, Pubkey, RelayUrl, UserSigner } from '@nip46/core'
import { createRemoteSigner, denyAll, limits, localUserSigner, type RemoteSigner } from '@nip46/remote-signer'
import { createRelayPool } from '@nip46/transport-websocket'
import { serve, usage } from '../../process/serve.ts'
import { loadBackend } from '../../subject/backends.ts'
import { type BunkerReady, fromHex, type OwnArgument } from '../parties.ts'
import { type OpenedStore, openStore } from '../store-choice.ts'
import { createMilestoneBook, watchStore } from './milestones.ts'

const milestones = createMilestoneBook()
let signer: RemoteSigner | undefined
let opened: OpenedStore | undefined

serve({
  async start(argument: OwnArgument): Promise<BunkerReady> {
    milestones.pass('told to start')
    const { relay, moreRelays = [], backend, parties, uses, signMs, offers = true } = argument
    // Neither needs the other, and a thread of the store starts beside this one.
    const opening = openStore(argument.store ?? { type: 'memory' }).finally(() => {
      milestones.pass('store is open')
    })
    const loading = loadBackend(backend)
      .then((loaded) => loaded.create())
      .finally(() => milestones.pass('crypto is there'))
    const [crypto, ready] = await Promise.all([loading, opening])
    opened = ready
    const key = localUserSigner(crypto.importKey(fromHex(parties.user)), { crypto })
    signer = createRemoteSigner({
      crypto,
      transport: createRelayPool(),
      userSigner: signMs === undefined ? key : slowed(key, signMs),
      approver: denyAll,
      relays: [relay, ...moreRelays] as RelayUrl[],
      keys: crypto.importKey(fromHex(parties.signer)),
      store: watchStore(opened.store, milestones),
      rates: limits.UNLIMITED_RATES,
      ...(uses !== undefined && { judge: countingJudge(uses) }),
      onEvent({ type }) {
        if (type === 'relay-live') milestones.pass('the relay has sent all it kept')
        else if (type === 'answered') milestones.pass('a relay has taken it')
      },
    })
    await signer.start()
    const tokens: string[] = []
    for (const _ of offers ? parties.clients : []) tokens.push(await makeToken())
    return { tokens, remark: null }
  },
  token: () => makeToken(),
  revoke: ({ client }: { readonly client: Pubkey }) => started().revoke(client),
  sessions: () => started().sessions().length,
  stats: () => started().stats(),
  milestones: () => milestones.passed(),
  audit: () => opened?.readAudit(),
  /** Those that are killed would not keep what they compiled. */
  keepCompiled: () => flushCompileCache(),
  async stop() {
    await signer?.close()
    await opened?.close()
  },
  /** Once with everything cleaned up that nothing holds. */
  heap: () => {
    cleanUp()
    return process.memoryUsage()
  },
  usage,
})
milestones.pass('modules are loaded')

/** As `node --expose-gc` has it, for a process that was started without. */
function cleanUp(): void {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  collect()
}

function started(): RemoteSigner {
  if (signer === undefined) throw new Error('the bunker was not started')
  return signer
}

async function makeToken(): Promise<string> {
  const { uri } = await started().offer({ granted: [{ method: 'sign_event', kind: 1 }] })
  return new URL(uri.replace('bunker:', 'http:')).searchParams.get('secret') ?? ''
}

function slowed(key: UserSigner, ms: number): UserSigner {
  let last: Promise<unknown> = Promise.resolve()
  return {
    userPubkey: key.userPubkey,
    perform(operation) {
      const mine = last.then(() => sleep(ms)).then(() => key.perform(operation))
      last = mine.catch(() => undefined)
      return mine
    },
  }
}

/** So many signatures for each client, counted in the session: one more is denied. */
function countingJudge(uses: number): Judge {
  return {
    judge({ policy }) {
      const used = typeof policy === 'number' ? policy : 0
      return used < uses
        ? { effect: 'allow', rule: 'counted', policy: used + 1 }
        : { effect: 'deny', rule: 'counted', error: 'denied: all uses are used' }
    },
    approve: ({ policy }) => policy,
    facts: () => null,
  }
}
