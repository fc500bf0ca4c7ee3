/**
 * Relays for new links.
 * Never takes a relay from an app that uses it.
 */

import { list, object, text } from '../schema.ts'
import type { Nothing, RelayView } from '../shapes.ts'
import { nothing, relayView } from './fields.ts'
import type { OperationTable } from './operation.ts'

export interface RelayOperations {
  'relay.list': { input: Nothing; output: { relays: readonly RelayView[] } }
  'relay.add': { input: { url: string }; output: { relays: readonly RelayView[] } }
  'relay.remove': { input: { url: string }; output: { relays: readonly RelayView[] } }
}

const relays = object<RelayOperations['relay.list']['output']>({ relays: list(relayView) })

const relayInput = object<RelayOperations['relay.add']['input']>({ url: text(1_024, 'a relay URL') })

export const RELAY_OPERATIONS: OperationTable<RelayOperations> = {
  'relay.list': {
    method: 'GET',
    path: '/relays',
    scope: 'read',
    words: 'Relays in use, and how they are doing.',
    input: nothing,
    output: relays,
  },
  'relay.add': {
    method: 'POST',
    path: '/relays',
    scope: 'manage',
    words: 'A relay for new links.',
    input: relayInput,
    output: relays,
  },
  'relay.remove': {
    method: 'POST',
    path: '/relays/remove',
    scope: 'manage',
    words: 'No longer a relay for new links; apps that use it stay there.',
    input: relayInput,
    output: relays,
  },
}
