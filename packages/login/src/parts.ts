/**
 * What a login runs on: the crypto backend and the transport a page gave, or the usual ones where they are built in.
 * Never closes a transport that was given.
 */

import { type Crypto, type Transport, UsageError } from '@nip46/core'

/** What is taken where a page names none; `@nip46/login/define` sets them. */
export interface LoginDefaults {
  readonly crypto: () => Crypto
  /** A fresh one for each login. `wake` is called when the user or the network comes back. */
  readonly transport: () => Transport & { wake?(): void }
}

export interface Parts {
  readonly crypto: Crypto
  readonly transport: Transport
  /** The login or its session is over: what was made for it is closed. */
  readonly release: () => void
}

/** Throws `UsageError` if something is missing. */
export function takeParts(
  crypto: Crypto | undefined,
  transport: Transport | undefined,
  defaults: LoginDefaults | undefined,
): Parts {
  const backend = crypto ?? defaults?.crypto()
  if (backend === undefined || (transport ?? defaults) === undefined) {
    throw new UsageError("set crypto and transport, or import '@nip46/login/define', which brings both")
  }
  if (transport !== undefined || defaults === undefined) {
    return { crypto: backend, transport: transport as Transport, release: () => undefined }
  }
  const own = defaults.transport()
  // Back from the signer's app, or from a dead network: at once, not when the next try is due.
  const wake = (): void => {
    if (document.visibilityState === 'visible') own.wake?.()
  }
  document.addEventListener('visibilitychange', wake)
  window.addEventListener('online', wake)
  return {
    crypto: backend,
    transport: own,
    release() {
      document.removeEventListener('visibilitychange', wake)
      window.removeEventListener('online', wake)
      void own.close()
    },
  }
}
