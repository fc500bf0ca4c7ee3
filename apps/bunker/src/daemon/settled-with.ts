/**
 * Which other questions a decision answers as well.
 * Never one that the app's policy, with what is remembered in it, would still ask about.
 */

import type { Question } from '@nip46/core'
import type { Remember } from '../api/shapes.ts'
import type { Host } from './host.ts'
import type { Asked } from './question-view.ts'
import { readSessionPolicy } from './session-policy.ts'

/** By the policy of the app's session, as it will be with what is remembered in it. */
export function settledWith(
  { signer, book, clock }: Host,
  { question, user }: Asked,
  remember: Remember,
  allow: boolean,
): (other: Question) => boolean {
  const { clientPubkey: client } = question
  const session = signer
    .sessions()
    .find(({ clientPubkey, userPubkey }) => clientPubkey === client && userPubkey === user)
  const policy = session === undefined ? null : readSessionPolicy(session.policy)
  if (session === undefined || policy === null) return () => false
  const about = { client, user: session.userPubkey, granted: session.granted, now: clock.now() }
  return book.settled(policy.own, question, remember, allow, about)
}
