/**
 * What the remote signer tells, as lines of the log.
 * Never logs what an event does not carry: no content, no plaintext, no secret.
 */

import type { RemoteSignerEvent } from '@nip46/remote-signer'
import type { Log } from './log.ts'
import { storeTrouble } from './store-watch.ts'

export function logSignerEvent(log: Log, event: RemoteSignerEvent): void {
  switch (event.type) {
    case 'session-opened':
    case 'session-confirmed':
    case 'session-ended': {
      const { clientPubkey, signerPubkey, userPubkey } = event.session
      const reason = event.type === 'session-ended' ? { code: event.reason } : {}
      log.write('info', event.type, { clientPubkey, signerPubkey, userPubkey, ...reason })
      return
    }
    case 'question':
      log.write('info', 'question', { clientPubkey: event.question.clientPubkey, code: event.question.type })
      return
    case 'performed':
    case 'refused': {
      const { method, kind } = event.subject
      const rule = event.type === 'refused' ? { rule: event.rule } : {}
      log.write(event.error === null ? 'debug' : 'info', event.type, {
        clientPubkey: event.clientPubkey,
        method,
        kind,
        ...rule,
        ...(event.error !== null && { reason: event.error }),
      })
      return
    }
    case 'superseded':
      log.write('error', event.type, {})
      return
    case 'token-reused':
      log.write('warning', event.type, { clientPubkey: event.clientPubkey, signerPubkey: event.signerPubkey })
      return
    case 'publish-failed':
      log.write('warning', event.type, { clientPubkey: event.clientPubkey, count: event.refusals.length })
      return
    case 'relay-live':
      log.write('info', event.type, { relay: event.relay })
      return
    case 'relay-down':
      log.write('warning', event.type, { relay: event.relay, reason: event.reason, final: event.final })
      return
    case 'degraded':
      log.write('error', event.type, {
        ailment: event.ailment,
        reason: storeTrouble(event.cause) ?? undefined,
      })
      return
    case 'recovered':
      log.write('info', event.type, { ailment: event.ailment })
      return
    case 'helper-failed':
      log.fault(event.type, event.cause, { helper: event.helper })
      return
    case 'answered':
      log.write('debug', event.type, { clientPubkey: event.clientPubkey })
      return
    case 'dropped':
      log.write('debug', event.type, { code: event.code })
      return
    default:
  }
}
