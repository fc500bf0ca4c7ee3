/**
 * Where questions wait for the owner: the engine's approver, and the list that the API and the pages decide on.
 * Never lets anything through that is not exactly what was shown, and never decides one question twice.
 */

import { createHash } from 'node:crypto'
import type { Approver, Clock, Deliberation, JsonValue, Pubkey, Question, Verdict } from '@nip46/core'
import { Fault } from '../api/fault.ts'
import type { Decided, QuestionDetail, QuestionView, Remember, Settled } from '../api/shapes.ts'
import {
  CHALLENGE_AFTER_MS,
  DECIDED_REMEMBERED,
  PAGE_PATIENCE_MS,
  QUESTIONS,
  QUESTIONS_PER_APP,
  SETTLE_MS,
} from './limits.ts'
import { type Asked, detailQuestion, questionHash, type ViewFacts, viewQuestion } from './question-view.ts'

export interface DeskOptions {
  readonly clock: Clock
  /** How long a question waits, in milliseconds, if the engine does not say. */
  readonly patienceMs: number
  /** What the app is called, by the owner and by itself. */
  readonly naming: (question: Question) => Pick<ViewFacts, 'label' | 'claims'>
  /** What can be remembered of a decision about this. */
  readonly choices: (question: Question) => QuestionView['choices']
  /** What the judge is to remember, in its own terms. */
  readonly remembered: (asked: Asked, remember: Remember, allow: boolean) => JsonValue
  /** Whether what is remembered of `asked` decides `other`, of the same app about the same key, too. */
  readonly settled: (asked: Asked, remember: Remember, allow: boolean) => (other: Question) => boolean
  /** The page for a question, if apps are sent there. A URL that the engine takes. */
  readonly page: (id: string) => string | undefined
  readonly onAsked: (view: QuestionView) => void
  readonly onSettled: (id: string, how: Settled) => void
}

export interface Desk {
  /** For the engine. */
  readonly approver: Approver
  /** The oldest first. */
  list(): readonly QuestionView[]
  /** Throws a `Fault`: 404 `request/unknown`, 409 `request/decided`, 410 `request/gone`. */
  show(id: string): QuestionDetail
  /**
   * Settles the question, and those that what is remembered covers; resolves once that is stored. Rejects with what
   * {@link Desk.show} throws, with 409 `request/changed`, and with 503 `request/unstored` after `SETTLE_MS`.
   */
  settle(id: string, hash: string, allow: boolean, remember?: Remember): Promise<Decided>
  /** Denies what waits, and what comes until {@link Desk.resume}; returns how many waited. */
  stop(): number
  resume(): void
  readonly size: number
}

interface Entry {
  readonly id: string
  readonly hash: string
  readonly asked: Asked
  readonly askedAt: number
  /** Of the last one who asks. */
  expiresAt: number
  /** One for each time that exactly this is asked. */
  readonly waiters: Set<Waiter>
  readonly facts: Pick<ViewFacts, 'label' | 'claims' | 'choices'>
}

interface Waiter {
  readonly give: (verdict: Verdict) => void
  /** Whether the verdict was stored and counts. */
  readonly counted: Promise<boolean>
}

export function createDesk(options: DeskOptions): Desk {
  const { clock, patienceMs } = options
  const open = new Map<string, Entry>()
  /** Of those that are open. */
  const byHash = new Map<string, Entry>()
  /** How questions ended, the oldest first. */
  const settled = new Map<string, Settled>()
  let isStopped = false

  const forget = (entry: Entry, how: Settled): void => {
    open.delete(entry.id)
    byHash.delete(entry.hash)
    settled.set(entry.id, how)
    const [oldest] = settled.keys()
    if (settled.size > DECIDED_REMEMBERED && oldest !== undefined) settled.delete(oldest)
  }

  /**
   * Every one who asks gets the verdict; only the first one's session is told what to remember: it is the same session. Resolves
   * with whether it counted: another daemon on the store may have been faster.
   */
  const answer = async (entry: Entry, verdict: Verdict): Promise<boolean> => {
    const waiters = [...entry.waiters]
    const how = verdict.allow ? 'allow' : 'deny'
    forget(entry, how)
    for (const { give } of waiters) give(verdict)
    const counted = (await Promise.all(waiters.map((waiter) => waiter.counted))).includes(true)
    if (!counted && settled.has(entry.id)) settled.set(entry.id, 'elsewhere')
    options.onSettled(entry.id, counted ? how : 'elsewhere')
    return counted
  }

  /** The caller is not kept waiting for a store that does not work. */
  const whenStored = (answered: Promise<boolean>): Promise<boolean> =>
    new Promise((resolve, reject) => {
      const timer = clock.setTimer(
        () =>
          reject(
            new Fault(503, 'request/unstored', 'the store does not work: the decision counts once it does'),
          ),
        SETTLE_MS,
      )
      answered.then((counted) => {
        clock.clearTimer(timer)
        resolve(counted)
      }, reject)
    })

  const factsOf = (entry: Entry): ViewFacts => ({
    id: entry.id,
    hash: entry.hash,
    times: entry.waiters.size,
    askedAt: entry.askedAt,
    expiresAt: entry.expiresAt,
    ...entry.facts,
  })

  const find = (id: string): Entry => {
    const entry = open.get(id)
    if (entry !== undefined) return entry
    const how = settled.get(id)
    if (how === 'gone')
      throw new Fault(410, 'request/gone', 'the time of this request is over: nothing is done')
    if (how === 'elsewhere') throw decidedElsewhere()
    if (how !== undefined)
      throw new Fault(409, 'request/decided', `this request was decided before: ${how}`, { decision: how })
    throw new Fault(404, 'request/unknown', 'no such request waits: see "req list"')
  }

  /** The same question after a restart has the same id, so that a page that an app was sent to is still there. */
  const idFor = (hash: string): string => {
    for (let turn = 0; ; turn++) {
      const id = createHash('sha256').update(`${hash}:${turn}`).digest('hex').slice(0, 16)
      if (!settled.has(id) && !open.has(id)) return id
    }
  }

  const entryFor = (question: Question, { userPubkey }: Deliberation): Entry | undefined => {
    const asked: Asked = { question, user: userPubkey ?? null }
    const hash = questionHash(asked)
    const known = byHash.get(hash)
    if (known !== undefined) return known
    if (isFull(question.clientPubkey)) return undefined
    const askedAt = clock.now()
    const entry: Entry = {
      id: idFor(hash),
      hash,
      asked,
      askedAt,
      expiresAt: askedAt,
      waiters: new Set(),
      facts: {
        ...options.naming(question),
        choices: options.choices(question),
      },
    }
    open.set(entry.id, entry)
    byHash.set(hash, entry)
    return entry
  }

  const isFull = (client: Pubkey): boolean => {
    if (open.size >= QUESTIONS) return true
    let ofThisApp = 0
    for (const { asked } of open.values()) if (asked.question.clientPubkey === client) ofThisApp += 1
    return ofThisApp >= QUESTIONS_PER_APP
  }

  const wait = (entry: Entry, deliberation: Deliberation): Promise<Verdict> =>
    new Promise((resolve) => {
      const { signal, challenge, expiresAt, counted = Promise.resolve(true) } = deliberation
      const give = (verdict: Verdict): void => {
        clock.clearTimer(timer)
        signal.removeEventListener('abort', withdraw)
        entry.waiters.delete(waiter)
        resolve(verdict)
      }
      const waiter: Waiter = { give, counted }
      const withdraw = (): void => {
        give({ allow: false })
        if (entry.waiters.size > 0 || open.get(entry.id) !== entry) return
        const how = signal.reason === 'elsewhere' ? 'elsewhere' : 'gone'
        forget(entry, how)
        options.onSettled(entry.id, how)
      }
      const page = options.page(entry.id)
      // Most are decided at once by somebody who watches, and an app that is sent away opens a window.
      const sendToPage = (): void => {
        if (page === undefined) return
        challenge(page)
        entry.expiresAt = Math.max(entry.expiresAt, entry.askedAt + PAGE_PATIENCE_MS)
      }
      const timer = page === undefined ? undefined : clock.setTimer(sendToPage, CHALLENGE_AFTER_MS)
      const isFirst = entry.waiters.size === 0
      entry.waiters.add(waiter)
      entry.expiresAt = Math.max(entry.expiresAt, expiresAt ?? clock.now() + patienceMs)
      signal.addEventListener('abort', withdraw, { once: true })
      if (isFirst) options.onAsked(viewQuestion(entry.asked, factsOf(entry)))
      if (signal.aborted) withdraw()
    })

  /** What a remembered decision settles too: questions of the same app about the same key. */
  const coveredBy = (entry: Entry, remember: Remember, allow: boolean): readonly Entry[] => {
    const { question, user } = entry.asked
    const isSettled = options.settled(entry.asked, remember, allow)
    return [...open.values()].filter(
      ({ asked, id }) =>
        id !== entry.id &&
        asked.user === user &&
        asked.question.clientPubkey === question.clientPubkey &&
        isSettled(asked.question),
    )
  }

  return {
    approver: {
      async decide(question, deliberation) {
        if (isStopped) return { allow: false, reason: 'the owner stopped everything' }
        const entry = entryFor(question, deliberation)
        if (entry === undefined)
          return { allow: false, reason: 'too many requests wait for a decision, try again in a minute' }
        return wait(entry, deliberation)
      },
    },
    list: () => [...open.values()].map((entry) => viewQuestion(entry.asked, factsOf(entry))),
    show(id) {
      const entry = find(id)
      return detailQuestion(entry.asked, factsOf(entry))
    },
    async settle(id, hash, allow, remember) {
      const entry = find(id)
      if (entry.hash !== hash)
        throw new Fault(409, 'request/changed', 'something else waits under this id: look at it again')
      if (remember !== undefined) expectChoice(entry, remember, allow)
      const covered = remember === undefined ? [] : coveredBy(entry, remember, allow)
      const verdict: Verdict = {
        allow,
        ...(remember !== undefined && { remember: options.remembered(entry.asked, remember, allow) }),
      }
      if (!(await whenStored(answer(entry, verdict)))) throw decidedElsewhere()
      const also = covered.filter((other) => open.get(other.id) === other)
      for (const other of also) void answer(other, { allow })
      return { id, decision: allow ? 'allow' : 'deny', also: also.map((other) => other.id) }
    },
    stop() {
      isStopped = true
      const entries = [...open.values()]
      for (const entry of entries)
        void answer(entry, { allow: false, reason: 'the owner stopped everything' })
      return entries.length
    },
    resume() {
      isStopped = false
    },
    get size() {
      return open.size
    },
  }
}

function decidedElsewhere(): Fault {
  return new Fault(
    409,
    'request/decided',
    'another daemon settled this request first, or its session ended',
    {
      decision: 'elsewhere',
    },
  )
}

function expectChoice({ facts }: Entry, remember: Remember, allow: boolean): void {
  const { for: times, scopes } = allow ? facts.choices.allow : facts.choices.deny
  if (times.includes(remember.for) && scopes.includes(remember.scope)) return
  const answer = allow ? 'a yes' : 'a no'
  throw new Fault(
    400,
    'request/remember',
    times.length === 0
      ? `${answer} to this is never remembered: decide on it alone`
      : `${answer} to this can be remembered for ${times.join(', ')}, for ${scopes.join(', ')}`,
  )
}
