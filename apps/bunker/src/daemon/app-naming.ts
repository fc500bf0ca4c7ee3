/**
 * What apps are called: by the owner, by the link that they came with, by themselves.
 * Never takes what an app says of itself for its name.
 */

import type { Question } from '@nip46/core'
import type { SessionInfo } from '@nip46/remote-signer'
import type { QuestionView } from '../api/shapes.ts'
import type { Host } from './host.ts'
import { withLabel } from './settings.ts'

/** What the owner calls an app, and what it says of itself. */
export function nameApp(
  { settings, signer }: Host,
  question: Question,
): Pick<QuestionView, 'label' | 'claims'> {
  const { clientPubkey } = question
  const session = signer.sessions().find((each) => each.clientPubkey === clientPubkey)
  const metadata = question.type === 'connect' ? question.metadata : (session?.metadata ?? null)
  return {
    label: settings.state.apps[clientPubkey] ?? '',
    claims: { name: metadata?.name ?? null, url: metadata?.url ?? null },
  }
}

/** A link's name becomes that of the app that used it. */
export async function takeLinkLabel(
  { signer, settings }: Host,
  { clientPubkey, signerPubkey }: SessionInfo,
): Promise<void> {
  // The link may have been made on another daemon a moment ago.
  await settings.refresh()
  const offer = signer
    .offers()
    .find(({ usedBy, remoteSigner }) => usedBy === clientPubkey && remoteSigner === signerPubkey)
  const label = offer === undefined ? undefined : settings.state.links[offer.token]
  if (label === undefined || Object.hasOwn(settings.state.apps, clientPubkey)) return
  await settings.change((state) => ({ ...state, apps: withLabel(state.apps, clientPubkey, label) }))
}
