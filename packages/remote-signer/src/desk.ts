/**
 * Where questions go to the approver and operations to the user's key, and verdicts and results come back.
 * Never lets either throw into the engine, and never takes an answer for another question than the one it was given to.
 */

import {
  type Approver,
  type Clock,
  type Deliberation,
  err,
  limits,
  type Operation,
  type Pubkey,
  type Question,
  type RequestId,
  type Result,
  UsageError,
  type UserSigner,
  type Verdict,
} from '@nip46/core'
import { PAIRING_ID } from '@nip46/core/remote-signer'
import type { Lane, LaneInput, OpenOperation, OpenQuestion } from './lane.ts'
import { QUESTIONS } from './limits.ts'
import type { Reporter } from './reporter.ts'

export interface Desk {
  ask(lane: Lane, id: RequestId, question: Question): void
  /** `rule` is the judge's that allowed it, for the record. */
  perform(
    lane: Lane,
    id: RequestId,
    operation: Operation,
    by: { readonly userPubkey: Pubkey; readonly rule: string | null },
  ): void
  /** Takes back what the session no longer waits for. `elsewhere`: since another process settled it. */
  tidy(lane: Lane, reason?: 'elsewhere'): void
  /** Takes back everything: others may be at it. */
  drop(lane: Lane): void
  /** A question of the host itself: whether to accept an offer. Undefined if nobody decided in time. */
  consult(question: Question, timeoutMs: number): Promise<Verdict | undefined>
  close(): void
  readonly questions: number
}

export interface DeskHost {
  readonly approver: Approver
  readonly userSigner: (userPubkey: Pubkey) => UserSigner | undefined
  readonly clock: Clock
  readonly reporter: Reporter
  readonly operationTimeoutMs: number
  readonly enqueue: (lane: Lane, input: LaneInput) => boolean
}

const BUSY: Verdict = { allow: false, reason: 'too many questions are open' }

export function createDesk(host: DeskHost): Desk {
  const { clock, reporter, enqueue } = host
  const open = new Set<AbortController>()
  const timers = new Set<unknown>()
  let closed = false

  const decide = async (
    question: Question,
    abort: AbortController,
    deliberation: Omit<Deliberation, 'signal'>,
  ): Promise<Verdict> => {
    try {
      return normalize(await host.approver.decide(question, { ...deliberation, signal: abort.signal }))
    } catch (cause) {
      if (!closed && !abort.signal.aborted) reporter.fail('approver', cause)
      return { allow: false }
    }
  }

  const run = async (operation: Operation, userPubkey: Pubkey): Promise<Result<string, string>> => {
    try {
      const signer = host.userSigner(userPubkey)
      if (signer === undefined) return err('unavailable: the key of this user is not here')
      const outcome = await signer.perform(operation)
      if (typeof (outcome.ok ? outcome.value : outcome.error) === 'string') return outcome
      throw new UsageError(
        'a user signer resolves with { ok: true, value } or { ok: false, error }, both strings',
      )
    } catch (cause) {
      if (!closed) reporter.fail('user-signer', cause)
      return err('internal: the key failed')
    }
  }

  const closeQuestion = (lane: Lane, id: RequestId, reason?: 'elsewhere'): void => {
    const question = lane.questions.get(id)
    if (question === undefined) return
    lane.questions.delete(id)
    open.delete(question.abort)
    question.abort.abort(reason)
  }

  const closeOperation = (lane: Lane, id: RequestId): void => {
    const operation = lane.operations.get(id)
    if (operation === undefined) return
    lane.operations.delete(id)
    clock.clearTimer(operation.timer)
    timers.delete(operation.timer)
  }

  return {
    ask(lane, id, question) {
      closeQuestion(lane, id)
      const abort = new AbortController()
      let settle: OpenQuestion['settle'] = () => undefined
      const counted = new Promise<boolean>((resolve) => {
        settle = resolve
      })
      const entry: OpenQuestion = { abort, settle }
      abort.signal.addEventListener('abort', () => settle(false), { once: true })
      lane.questions.set(id, entry)
      const answer = (verdict: Verdict): void => {
        if (closed) return
        enqueue(lane, { type: 'decide', input: { type: 'decide', id, verdict }, question: entry })
      }
      if (open.size >= QUESTIONS) {
        answer(BUSY)
        return
      }
      open.add(entry.abort)
      reporter.tell({ type: 'question', question })
      const challenge = (url: string): void => {
        const input = { type: 'challenge', id, url: authUrl(url) } as const
        if (!closed) enqueue(lane, { type: 'challenge', input, question: entry })
      }
      void decide(question, entry.abort, { challenge, counted, ...waitingFacts(lane, id) }).then(answer)
    },
    perform(lane, id, operation, { userPubkey, rule }) {
      closeOperation(lane, id)
      const entry: OpenOperation = { operation, userPubkey, rule, timer: undefined }
      const answer = (outcome: Result<string, string>): void => {
        if (!closed)
          enqueue(lane, { type: 'complete', input: { type: 'complete', id, outcome }, open: entry })
      }
      entry.timer = clock.setTimer(() => {
        timers.delete(entry.timer)
        answer(err('timeout: the key did not answer'))
      }, host.operationTimeoutMs)
      timers.add(entry.timer)
      lane.operations.set(id, entry)
      reporter.counts.performed += 1
      void run(operation, userPubkey).then(answer)
    },
    tidy(lane, reason) {
      for (const id of lane.questions.keys())
        if (!awaits(lane, id, 'decision')) closeQuestion(lane, id, reason)
      for (const id of lane.operations.keys()) if (!awaits(lane, id, 'key')) closeOperation(lane, id)
    },
    drop(lane) {
      for (const id of lane.questions.keys()) closeQuestion(lane, id)
      for (const id of lane.operations.keys()) closeOperation(lane, id)
    },
    consult(question, timeoutMs) {
      const abort = new AbortController()
      open.add(abort)
      reporter.tell({ type: 'question', question })
      return new Promise((resolve) => {
        const settle = (verdict: Verdict | undefined): void => {
          clock.clearTimer(timer)
          timers.delete(timer)
          open.delete(abort)
          resolve(verdict)
          abort.abort()
        }
        const timer = clock.setTimer(() => settle(undefined), timeoutMs)
        timers.add(timer)
        abort.signal.addEventListener('abort', () => settle(undefined), { once: true })
        // There is no request yet that a page could be an answer to.
        void decide(question, abort, { challenge: (url) => void authUrl(url) }).then(settle)
      })
    },
    close() {
      closed = true
      for (const abort of open) abort.abort()
      for (const timer of timers) clock.clearTimer(timer)
      open.clear()
      timers.clear()
    },
    get questions() {
      return open.size
    },
  }
}

/** Whether the session still waits for this. */
export function awaits({ session }: Lane, id: RequestId, waitingFor: 'decision' | 'key'): boolean {
  if (session === undefined) return false
  if (id === PAIRING_ID) return waitingFor === 'decision' && session.phase === 'pairing'
  return Object.hasOwn(session.pending, id) && session.pending[id]?.waitingFor === waitingFor
}

/** Whose key a question is about, and how long it can be decided. */
function waitingFacts({ session }: Lane, id: RequestId): Pick<Deliberation, 'userPubkey' | 'expiresAt'> {
  if (session === undefined) return {}
  const { userPubkey, pending, decideBy } = session
  const expiresAt = id === PAIRING_ID ? decideBy : Object.hasOwn(pending, id) ? pending[id]?.expiresAt : null
  return typeof expiresAt === 'number' ? { userPubkey, expiresAt } : { userPubkey }
}

/** What a host's approver resolved with, whatever it was: anything but a clear yes is a no. */
function normalize(verdict: Verdict | undefined): Verdict {
  const remember = verdict?.remember === undefined ? {} : { remember: verdict.remember }
  if (verdict?.allow !== true) {
    const { reason } = verdict ?? {}
    return typeof reason === 'string' ? { allow: false, reason, ...remember } : { allow: false, ...remember }
  }
  return {
    allow: true,
    ...remember,
    ...(Array.isArray(verdict.grant) && { grant: verdict.grant }),
    ...(verdict.policy !== undefined && { policy: verdict.policy }),
  }
}

/** The page as the client will get it. Throws `UsageError` if clients would refuse it. */
function authUrl(url: string): string {
  const parsed = URL.canParse(url) ? new URL(url) : undefined
  const loopback = parsed !== undefined && /^(localhost|127(\.\d+){3}|\[::1\])$/.test(parsed.hostname)
  const web = parsed?.protocol === 'https:' || (parsed?.protocol === 'http:' && loopback)
  if (!web || parsed?.username !== '' || parsed.password !== '' || url.length > limits.AUTH_URL_CHARS) {
    throw new UsageError(
      `a page is an https:// URL of at most ${limits.AUTH_URL_CHARS} characters, without user and password`,
    )
  }
  return url
}
