/**
 * One case of a suite for stores: what is under test, how it is run, and how what it gives is compared.
 * Never needs a test runner, and never looks at how a store keeps things.
 */

import type { AuditLog, SignerStore } from '@nip46/core/remote-signer'

export interface StoreUnderTest {
  /** With `readAudit` and `verifyAudit` where the store has an audit log. */
  readonly store: SignerStore & Partial<AuditLog>
  /** The same data as the next process finds it. The old store is not used any more. */
  reopen(): Promise<StoreUnderTest>
  /** The end: nothing of it is needed any more. */
  dispose(): Promise<void>
}

export interface StoreCaseContext {
  /** A new store without anything in it. */
  createStore(): Promise<StoreUnderTest>
}

/** One case: `run` rejects if the store under test does not do what `name` says. */
export interface StoreCase {
  readonly name: string
  run(context: StoreCaseContext): Promise<void>
}

export function test(name: string, body: (under: StoreUnderTest) => Promise<void>): StoreCase {
  return {
    name,
    async run({ createStore }) {
      // Whatever was opened last is what has to be disposed of.
      const watch = (under: StoreUnderTest): StoreUnderTest => ({
        store: under.store,
        dispose: () => under.dispose(),
        async reopen() {
          current = await under.reopen()
          return watch(current)
        },
      })
      let current = await createStore()
      try {
        await body(watch(current))
      } finally {
        await current.dispose()
      }
    },
  }
}

export function same(actual: unknown, expected: unknown, what: string): void {
  const [got, wanted] = [canonical(actual), canonical(expected)]
  if (got === wanted) return
  let at = 0
  while (got[at] === wanted[at]) at += 1
  const part = (text: string): string => text.slice(Math.max(0, at - 60), at + 200)
  throw new Error(`${what}: got …${part(got)}…, expected …${part(wanted)}…`)
}

export function check(holds: boolean, what: string, seen: unknown): void {
  if (!holds) throw new Error(`${what}: ${JSON.stringify(seen)}`)
}

/** JSON with sorted members: equal for equal values. */
export function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null'
  const members = Object.entries(value).filter(([, member]) => member !== undefined)
  members.sort(([a], [b]) => (a < b ? -1 : 1))
  return `{${members.map(([key, member]) => `${JSON.stringify(key)}:${canonical(member)}`).join(',')}}`
}
