/**
 * Where the time of a start goes: when it came to what, as its process saw it.
 * Never more than one time for each: the first.
 */

import type { SignerStore } from '@nip46/remote-signer'

/** In the order in which they come as a rule. */
export const MILESTONES = [
  'node runs',
  'modules are loaded',
  'told to start',
  'crypto is there',
  'store is open',
  'sessions are read',
  'the relay has sent all it kept',
  'a request is read',
  'it is claimed',
  'an answer is made',
  'it is committed',
  'a relay has taken it',
] as const

export type Milestone = (typeof MILESTONES)[number]

/** Unix milliseconds, with their fractions. */
export type Milestones = Readonly<Partial<Record<Milestone, number>>>

export interface MilestoneBook {
  pass(milestone: Milestone): void
  passed(): Milestones
}

export function createMilestoneBook(): MilestoneBook {
  const book: Partial<Record<Milestone, number>> = { 'node runs': performance.timeOrigin }
  return {
    pass(milestone) {
      book[milestone] ??= performance.timeOrigin + performance.now()
    },
    passed: () => ({ ...book }),
  }
}

/** The same store; what it is asked for first is noted. */
export function watchStore(store: SignerStore, { pass }: MilestoneBook): SignerStore {
  const { load, commit } = store
  let isOver = false
  return Object.assign(Object.create(store) as SignerStore, {
    async load(now: number) {
      const stored = await load.call(store, now)
      pass('sessions are read')
      return stored
    },
    async commit(...change: Parameters<SignerStore['commit']>) {
      if (isOver) return commit.call(store, ...change)
      const claims = change[0].some((each) => each.claims !== undefined)
      const answers = change[0].some(({ outbox = [] }) => outbox.length > 0)
      if (claims) pass('a request is read')
      if (answers) pass('an answer is made')
      const outcomes = await commit.call(store, ...change)
      if (claims) pass('it is claimed')
      if (answers) pass('it is committed')
      isOver ||= answers
      return outcomes
    },
  })
}
