/**
 * What stands in the way of an operation, as the answer to it.
 * Never passes on a text of a stranger.
 */

import { RemoteSignerError } from '@nip46/remote-signer'
import { Fault } from '../../api/fault.ts'
import type { Host } from '../host.ts'
import { storeTrouble } from '../store-watch.ts'

/** Rejects with 409 `host/panic` while everything is stopped, by whatever daemon on the store. */
export async function expectNoPanic({ settings, brake }: Host): Promise<void> {
  await settings.refresh()
  if (brake.isOn || settings.state.panicAt !== null)
    throw new Fault(409, 'host/panic', 'everything is stopped: end that with "resume" first')
}

/** What the engine rejects with, as an answer. */
export async function asFault<T>(work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (cause) {
    if (!(cause instanceof RemoteSignerError)) throw cause
    const { code, message } = cause
    if (code === 'offer/unknown')
      throw new Fault(404, 'link/unknown', 'there is no such link: see "link list"')
    if (code.startsWith('uri/')) throw new Fault(400, code, message)
    if (code === 'offers/full' || code === 'sessions/full') throw new Fault(409, code, message)
    const trouble = storeTrouble(cause)
    throw new Fault(503, code, trouble === null ? message : `${message}: ${trouble}`)
  }
}
