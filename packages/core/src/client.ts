/**
 * Entry `@nip46/core/client`: the machine of one client session, from the first relay to logout.
 * Never holds a key, keeps a timer or opens a URL: it says what to send, what is settled and what it wants to hear.
 */

export { step, wants } from './client-machine.ts'
export {
  type ClientFacts,
  type ClientSession,
  fromBunker,
  fromOffer,
  fromPairing,
  fromSession,
  restart,
  sessionOf,
} from './client-start.ts'
export type {
  ClientAlert,
  ClientIgnored,
  ClientInput,
  ClientOutput,
  ClientPhase,
  ClientState,
  ClientStep,
  ClientWants,
  PendingRequest,
} from './client-state.ts'
