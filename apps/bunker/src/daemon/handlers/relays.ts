/**
 * The operations on the relays of new links.
 * Never moves an app that is connected.
 */

import { limits, parseRelayUrl, type RelayUrl } from '@nip46/core'
import { Fault } from '../../api/fault.ts'
import type { Handlers } from '../../api/operations.ts'
import { listRelays, ownRelays } from '../health.ts'
import type { Host } from '../host.ts'
import type { SettingsState } from '../settings.ts'

type Names = 'relay.list' | 'relay.add' | 'relay.remove'

export function relayHandlers(host: Host): Pick<Handlers, Names> {
  const { settings, signer } = host
  const list = () => ({ relays: listRelays(host) })
  const change = async (make: (state: SettingsState) => SettingsState) => {
    await settings.change((state) => {
      const next = make(state)
      const count = ownRelays({ ...host, settings: { ...settings, state: next } }).length
      if (count === 0) throw new Fault(409, 'relay/last', 'this is the only relay: add another one first')
      if (count > limits.URI_RELAYS_OUT)
        throw new Fault(
          409,
          'relay/full',
          `a link names at most ${limits.URI_RELAYS_OUT} relays: take one out first`,
        )
      return next
    })
    signer.setRelays(ownRelays(host))
    return list()
  }
  return {
    'relay.list': list,
    'relay.add': ({ url }) => {
      const relay = readRelay(url)
      return change((state) => ({
        ...state,
        removed: state.removed.filter((other) => other !== relay),
        added: host.loaded.config.relays.includes(relay)
          ? state.added
          : [...new Set([...state.added, relay])],
      }))
    },
    'relay.remove': ({ url }) => {
      const relay = readRelay(url)
      if (!ownRelays(host).includes(relay))
        throw new Fault(404, 'relay/unknown', 'new links do not name this relay: see "relay list"')
      return change((state) => ({
        ...state,
        added: state.added.filter((other) => other !== relay),
        removed: [...new Set([...state.removed, relay])].slice(-limits.URI_RELAYS_OUT * 2),
      }))
    },
  }
}

function readRelay(url: string): RelayUrl {
  const parsed = parseRelayUrl(url)
  if (parsed.ok) return parsed.value
  throw new Fault(
    400,
    'relay/url',
    parsed.error === 'relay-insecure'
      ? 'apps elsewhere would send everything in the clear: use wss://, or ws:// on this machine only'
      : 'this is no relay URL: it begins with wss://',
  )
}
