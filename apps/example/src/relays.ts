/**
 * Which relays the page talks to: those in its address (`?relay=wss://…`, once or more), or the usual ones.
 * Never more than a login link can carry.
 */

import { limits, parseRelayUrl, type RelayUrl } from '@nip46/core'

const USUAL = ['wss://relay.primal.net', 'wss://nos.lol']

export function relaysOf(search: string): readonly RelayUrl[] {
  const named = new URLSearchParams(search).getAll('relay')
  const relays = (named.length > 0 ? named : USUAL).map((text) => parseRelayUrl(text))
  return relays.flatMap((relay) => (relay.ok ? [relay.value] : [])).slice(0, limits.URI_RELAYS_OUT)
}
