/**
 * @nip46/testing/client-scenarios: the 32 situations that clients of NIP-46 were measured in, playable with any client.
 * Needs Node: relays here have real sockets, and clients may have processes of their own.
 */

import { bunkerRows } from './scenario/bunker-rows.ts'
import type { ClientScenario } from './scenario/client-scenario.ts'
import { hostRows } from './scenario/host-rows.ts'
import { offerRows } from './scenario/offer-rows.ts'
import { relayRows } from './scenario/relay-rows.ts'

export { type ClientProcessOptions, serveClient, startClientProcess } from './scenario/client-process.ts'
export {
  CALL_MS,
  type ClientScenario,
  LOGIN_MS,
  type PlayOptions,
  playScenario,
  type ScenarioSetUp,
  type Stage,
  type Verdict,
} from './scenario/client-scenario.ts'
export {
  CLIENT_DEEDS,
  type ClientDeed,
  type ClientUnderTest,
  type Drained,
  describeRejection,
  type HostedClient,
  NOT_OFFERED,
  NotOffered,
  REJECTION_CHARS,
  RejectedElsewhere,
  type Settled,
} from './scenario/client-under-test.ts'
export { type HostileRunOptions, type Hostility, playHostility } from './scenario/hostile-run.ts'
export {
  deadRelayUrl,
  SCENARIO_SUBSCRIPTIONS,
  type ScenarioRelay,
  type ScenarioRelayOptions,
  startScenarioRelay,
} from './scenario/scenario-relay.ts'
export {
  createScenarioSigner,
  SCENARIO_REQUESTS,
  type ScenarioRequest,
  type ScenarioSigner,
  type ScenarioSignerOptions,
  type SignerAnswer,
  type SignerReply,
} from './scenario/scenario-signer.ts'
export {
  createSessionClient,
  type SessionClientOptions,
  type SessionLike,
} from './scenario/session-client.ts'

/** In the order of their rows. */
export const clientScenarios: readonly ClientScenario[] = [
  ...bunkerRows,
  ...relayRows,
  ...offerRows,
  ...hostRows,
].toSorted((a, b) => a.row - b.row)
