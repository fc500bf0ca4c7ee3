/**
 * A remote signer that answers every request with what none should say, and strangers who join in: thousands of messages at
 * one client in a process of its own. Counts what became of the process; never judges what single calls came to.
 */

import { hostileAnswers } from '../hostile-answers.ts'
import { buildMove } from '../hostile-peer.ts'
import { LOGIN_MS, type PlayOptions, type Stage, setStage } from './client-scenario.ts'
import type { ScenarioRequest } from './scenario-signer.ts'

export interface Hostility {
  /** Messages that were delivered while the process lived. */
  readonly messages: number
  /** Unhandled rejections and exceptions of the process: each ends it, as Node does by default. */
  readonly exits: number
  /** Why it ended, in its own words. */
  readonly ended: string | undefined
  /** Whether a note is signed once the signer is honest again; undefined if the client could not even log in. */
  readonly signsAfter: boolean | undefined
}

export interface HostileRunOptions extends PlayOptions {
  readonly messages: number
}

/** Calls in flight while the messages come. */
const IN_FLIGHT = 4
/** How long in all a client is waited for until it asks again: some have all their calls hanging by then. */
const ASK_MS = 10_000
/** What a signature may take afterwards: the calls of before have to end first. */
const AFTER_MS = 30_000
/** A pause after so many messages, so that they are heard while they come. */
const VOLLEY = 100
const PAUSE_MS = 20

/** Plays all of `hostileAnswers` again and again. Rejects only if the client could not be started. */
export async function playHostility(options: HostileRunOptions): Promise<Hostility> {
  const { stage, leave } = await setStage({}, options)
  const { client, signer } = stage
  let messages = 0
  try {
    const login = await stage.within(client.connect(stage.uri), LOGIN_MS)
    if (login.type !== 'value') return result(stage, messages, undefined)
    const asked: ScenarioRequest[] = []
    for (const method of ['sign_event', 'nip44_encrypt', 'nip44_decrypt', 'nip04_decrypt']) {
      signer.reply(method, (request) => {
        asked.push(request)
        return undefined
      })
    }
    let inFlight = 0
    const ask = (): void => {
      const calls = [
        () => client.signEvent(stage.note()),
        () => client.nip44Encrypt(stage.peer, 'x'),
        () => client.nip44Decrypt(stage.peer, 'x'),
        () => client.nip04Decrypt(stage.peer, 'x'),
      ]
      const call = calls[messages % calls.length]
      const done = (): void => {
        inFlight -= 1
      }
      inFlight += 1
      void call?.().then(done, done)
    }
    const peer = { pubkey: signer.key.pubkey, stranger: stage.stranger.key }
    let waited = 0
    const alive = (): boolean => client.ended() === undefined
    for (let turn = 0; messages < options.messages && alive(); turn++) {
      while (inFlight < IN_FLIGHT) ask()
      for (; asked.length === 0 && waited < ASK_MS && alive(); waited += PAUSE_MS) await stage.wait(PAUSE_MS)
      const request = asked[0] ?? signer.heard.at(-1)
      const answer = hostileAnswers[turn % hostileAnswers.length]
      if (request === undefined || answer === undefined) break
      // After anything else the call is still open.
      if (answer.authentic) asked.shift()
      for (const move of answer.moves(request, peer)) {
        const event = buildMove(
          { to: request.from, scheme: request.scheme, ...move },
          { ...options, key: signer.key },
        )
        for (
          let copies = 0;
          copies < (move.copies ?? 1) && messages < options.messages && alive();
          copies++
        ) {
          stage.relay.deliver(event)
          messages += 1
          if (messages % VOLLEY === 0) await stage.wait(PAUSE_MS)
        }
      }
    }
    // What was said last is to be heard, too.
    await stage.wait(PAUSE_MS * 50)
    for (const method of ['sign_event', 'nip44_encrypt', 'nip44_decrypt', 'nip04_decrypt'])
      signer.reply(method, signer.usual)
    if (!alive()) return result(stage, messages, false)
    const note = stage.note()
    const signed = await stage.within(client.signEvent(note), AFTER_MS)
    return result(stage, messages, signed.type === 'value' && stage.isRight(signed.value, note))
  } finally {
    await leave()
  }
}

function result({ client }: Stage, messages: number, signsAfter: boolean | undefined): Hostility {
  const ended = client.ended()
  return { messages, exits: ended === undefined ? 0 : 1, ended, signsAfter }
}
