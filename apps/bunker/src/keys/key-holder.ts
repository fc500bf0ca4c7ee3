/**
 * What the signing worker does: it holds the user's keys while they are unlocked, and is the only code that ever sees one.
 * Never gives a key out except encrypted, and never says more of a failure than what kind it was.
 */

import {
  type Crypto,
  err,
  type KeyHandle,
  type Operation,
  type Pubkey,
  type RandomBytes,
  type Result,
  type UserSigner,
} from '@nip46/core'
import { generateSecretKey } from '@nip46/crypto'
import { localUserSigner } from '@nip46/remote-signer'
import { copySecret } from './bytes.ts'
import type { FromWorker, Outcome, ToWorker, WorkerAnswer, WorkerCall } from './key-message.ts'
import { encryptNcryptsec, type KeySecurity } from './ncryptsec.ts'
import { readSecretText, type SecretProblem } from './secret-text.ts'

export interface KeyHolder {
  /** Answers each message once, through `send`. Never rejects. */
  take(message: ToWorker): Promise<void>
  /** Wipes every key. */
  destroy(): void
}

interface HeldKey {
  readonly handle: KeyHandle
  readonly signer: UserSigner
}

type OpenProblem = SecretProblem | 'key/mismatch'

export function createKeyHolder(
  crypto: Crypto,
  random: RandomBytes,
  send: (message: FromWorker) => void,
): KeyHolder {
  const held = new Map<Pubkey, HeldKey>()

  async function perform(pubkey: Pubkey, text: string): Promise<readonly [Outcome, string]> {
    const key = held.get(pubkey)
    if (key === undefined) return ['locked', '']
    try {
      const result = await key.signer.perform(JSON.parse(text) as Operation)
      return result.ok ? ['done', result.value] : ['refused', result.error]
    } catch (cause) {
      if (!(cause instanceof Error)) throw cause
      // Its text is not passed on: it might repeat what was to be signed.
      return ['failed', '']
    }
  }

  function drop(pubkey: Pubkey): void {
    held.get(pubkey)?.handle.destroy()
    held.delete(pubkey)
  }

  /** The public key of 32 bytes, if they are a secret key. */
  function pubkeyOf(secret: Uint8Array): Pubkey | undefined {
    const handle = importKey(crypto, secret)
    handle?.destroy()
    return handle?.pubkey
  }

  async function encrypt(
    secret: Uint8Array,
    passphrase: Uint8Array,
    security: KeySecurity,
    logN: number,
  ): Promise<WorkerAnswer> {
    const pubkey = pubkeyOf(secret)
    if (pubkey === undefined) return { type: 'problem', problem: 'key/shape' }
    return { type: 'key', pubkey, ncryptsec: await encryptNcryptsec(secret, passphrase, security, logN) }
  }

  /** The secret of a stored key, if it is the one it should be; the caller wipes it. */
  async function openStored(call: {
    readonly ncryptsec: string
    readonly passphrase: Uint8Array
    readonly pubkey: Pubkey
  }): Promise<Result<Uint8Array, OpenProblem>> {
    const opened = await readSecretText(new TextEncoder().encode(call.ncryptsec), {
      passphrase: call.passphrase,
    })
    if (!opened.ok || pubkeyOf(opened.value) === call.pubkey) return opened
    opened.value.fill(0)
    return err('key/mismatch')
  }

  async function withStored(
    call: Parameters<typeof openStored>[0],
    use: (secret: Uint8Array) => WorkerAnswer | Promise<WorkerAnswer>,
  ): Promise<WorkerAnswer> {
    const opened = await openStored(call)
    if (!opened.ok) return { type: 'problem', problem: opened.error }
    try {
      return await use(opened.value)
    } finally {
      opened.value.fill(0)
    }
  }

  async function answer(call: WorkerCall): Promise<WorkerAnswer> {
    switch (call.type) {
      case 'create': {
        const drawn = generateSecretKey(random)
        const secret = copySecret(drawn)
        drawn.fill(0)
        try {
          return await encrypt(secret, call.passphrase, 'guarded', call.logN)
        } finally {
          secret.fill(0)
        }
      }
      case 'import': {
        const { secret, secretPassphrase, account, passphrase, logN } = call
        const read = await readSecretText(secret, { passphrase: secretPassphrase, account })
        if (!read.ok) return { type: 'problem', problem: read.error }
        try {
          return await encrypt(read.value, passphrase, 'unknown', logN)
        } finally {
          read.value.fill(0)
        }
      }
      case 'unlock':
        return withStored(call, (secret) => {
          drop(call.pubkey)
          const handle = crypto.importKey(secret)
          held.set(call.pubkey, { handle, signer: localUserSigner(handle, { crypto, random }) })
          return { type: 'done' }
        })
      case 'recrypt':
        return withStored(call, (secret) => encrypt(secret, call.newPassphrase, 'unknown', call.logN))
      case 'check':
        return withStored(call, () => ({ type: 'done' }))
      case 'lock':
        drop(call.pubkey)
        return { type: 'done' }
    }
  }

  return {
    async take(message) {
      if (message.type === 'operations') {
        const { first, keys, operations } = message
        const all = await Promise.all(operations.map((text, i) => perform(keys[i] as Pubkey, text)))
        send({
          type: 'results',
          first,
          outcomes: all.map(([kind]) => kind),
          texts: all.map(([, text]) => text),
        })
        return
      }
      const { id, call } = message
      try {
        send({ type: 'answer', id, answer: await answer(call) })
      } catch (cause) {
        if (!(cause instanceof Error)) throw cause
        // Out of memory for scrypt, most likely. The text of an exception is not passed on: it may hold anything.
        send({ type: 'answer', id, answer: { type: 'failed' } })
      } finally {
        wipe(call)
      }
    },
    destroy() {
      for (const pubkey of [...held.keys()]) drop(pubkey)
    },
  }
}

function importKey(crypto: Crypto, secret: Uint8Array): KeyHandle | undefined {
  try {
    return crypto.importKey(secret)
  } catch (cause) {
    // 0, or not below the order: what was imported is no key.
    if (cause instanceof TypeError) return undefined
    throw cause
  }
}

/** What came with a call was moved here: nobody else has it. */
function wipe(call: WorkerCall): void {
  for (const value of Object.values(call) as readonly unknown[])
    if (value instanceof Uint8Array) value.fill(0)
}
