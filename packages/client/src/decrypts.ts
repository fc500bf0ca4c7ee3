/**
 * Decryption in bulk: one request for the same ciphertext however many ask, and none for one that was decrypted before.
 * Never lets one caller's cancelling end what others wait for.
 */

import type { CallOptions, Calls } from './calls.ts'
import { Nip46Error } from './error.ts'
import { createPlaintextCache } from './plaintext-cache.ts'

export interface Decrypts {
  decrypt(scheme: 'nip04' | 'nip44', peer: string, ciphertext: string, options?: CallOptions): Promise<string>
  /** Wipes the cache. */
  close(): void
}

interface Shared {
  readonly result: Promise<string>
  readonly controller: AbortController
  waiting: number
}

export function createDecrypts(call: Calls['call'], cacheBytes: number): Decrypts {
  const cache = createPlaintextCache(cacheBytes)
  const inFlight = new Map<string, Shared>()

  const ask = (scheme: 'nip04' | 'nip44', peer: string, ciphertext: string, options: CallOptions) =>
    call(`${scheme}_decrypt`, [peer, ciphertext], { priority: 'low', ...options })

  const share = (key: string, start: (options: { signal: AbortSignal }) => Promise<string>): Shared => {
    const controller = new AbortController()
    const result = start({ signal: controller.signal })
    const shared: Shared = { result, controller, waiting: 0 }
    inFlight.set(key, shared)
    const forget = (): void => {
      if (inFlight.get(key) === shared) inFlight.delete(key)
    }
    result.then((plaintext) => {
      forget()
      cache.set(key, plaintext)
    }, forget)
    return shared
  }

  const join = (key: string, shared: Shared, { signal }: CallOptions): Promise<string> => {
    shared.waiting += 1
    if (signal === undefined) return shared.result
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        shared.waiting -= 1
        reject(new Nip46Error({ code: 'cancelled', message: 'cancelled by the caller' }))
        if (shared.waiting > 0) return
        inFlight.delete(key)
        shared.controller.abort()
      }
      const settle = (): void => signal.removeEventListener('abort', leave)
      shared.result.then(settle, settle)
      shared.result.then(resolve, reject)
      signal.addEventListener('abort', leave, { once: true })
    })
  }

  return {
    decrypt(scheme, peer, ciphertext, options = {}) {
      // A caller's mistake is told as for every other method, and a time-out of one's own is one's own request.
      const alone = options.timeout !== undefined || options.signal?.aborted === true
      if (alone || typeof peer !== 'string' || typeof ciphertext !== 'string') {
        return ask(scheme, peer, ciphertext, options)
      }
      const key = `${scheme} ${peer} ${ciphertext}`
      const known = cache.get(key)
      if (known !== undefined) return Promise.resolve(known)
      const shared =
        inFlight.get(key) ?? share(key, (own) => ask(scheme, peer, ciphertext, { ...options, ...own }))
      return join(key, shared, options)
    },
    close: () => cache.close(),
  }
}
