/**
 * The suite that every `HostRecords` passes: compare and set over several records, bounds, what is there after a restart.
 * Never needs a test runner; that members hear of each other's records is in `sharingCases`.
 */

import type { HostRecord, HostRecordChange, HostRecords, Versioned } from '@nip46/core/remote-signer'

export interface HostRecordsUnderTest {
  readonly store: HostRecords
  /** The same records as the next process finds them. */
  reopen(): Promise<HostRecordsUnderTest>
  dispose(): Promise<void>
}

export interface HostRecordCase {
  readonly name: string
  run(context: { createRecords(): Promise<HostRecordsUnderTest> }): Promise<void>
}

export const hostRecordCases: readonly HostRecordCase[] = [
  test('records are written, changed, forgotten, and there after a restart', async (under, reopen) => {
    same(await under().readHostRecords(), [], 'a new store')
    await done(under(), [put('b', 0, { at: 1 }), put('a', 0, [null, 'ä']), put('c', 0, false)])
    await done(under(), [put('b', 1, 'two'), put('c', 1, null)])
    const stored = [record('a', 1, [null, 'ä']), record('b', 2, 'two')]
    same(await under().readHostRecords(), stored, 'what is stored')
    await reopen()
    same(await under().readHostRecords(), stored, 'after a restart')
    await done(under(), [put('c', 0, 'anew')])
  }),
  test('all of a change is written or, if one record has another revision, nothing', async (under) => {
    await done(under(), [put('a', 0, 1), put('b', 0, 1)])
    for (const wrong of [put('a', 0, 2), put('a', 2, 2), put('c', 1, 2), put('c', 1, null)]) {
      const outcome = await under().writeHostRecords([put('b', 1, 2), wrong, put('d', 0, 2)])
      same(outcome, 'stale', `${wrong.name} from revision ${wrong.revision}`)
    }
    same(await under().readHostRecords(), [record('a', 1, 1), record('b', 1, 1)], 'what is stored')
  }),
  test('of fifty that write one record at once, one does', async (under) => {
    const outcomes = await Promise.all(
      Array.from({ length: 50 }, (_, i) => under().writeHostRecords([put('a', 0, i), put(`own ${i}`, 0, i)])),
    )
    same(outcomes.filter((outcome) => outcome === 'done').length, 1, 'writes that were done')
    const winner = outcomes.indexOf('done')
    const stored = [record('a', 1, winner), record(`own ${winner}`, 1, winner)]
    same(await under().readHostRecords(), stored, 'what is stored')
  }),
  test('names and values are taken up to their bounds, and refused one over', async (under) => {
    const [name, value] = ['n'.repeat(128), 'v'.repeat(65_534)]
    await done(under(), [put(name, 0, value)])
    for (const wrong of [put(`${name}n`, 0, 1), put('', 0, 1), put('ä', 0, 1), put('v', 0, `${value}v`)]) {
      const refused = await under()
        .writeHostRecords([wrong])
        .then(
          () => false,
          () => true,
        )
      same(
        refused,
        true,
        `whether ${wrong.name.length} and ${JSON.stringify(wrong.after).length} are refused`,
      )
    }
    same(await under().readHostRecords(), [record(name, 1, value)], 'what is stored')
  }),
]

function put(name: string, revision: number, after: HostRecordChange['after']): HostRecordChange {
  return { name, revision, after }
}

function record(name: string, revision: number, value: HostRecord['value']): Versioned<HostRecord> {
  return { revision, value: { name, value } }
}

async function done(store: HostRecords, changes: readonly HostRecordChange[]): Promise<void> {
  same(await store.writeHostRecords(changes), 'done', `writing ${changes.map(({ name }) => name).join()}`)
}

function test(
  name: string,
  body: (under: () => HostRecords, reopen: () => Promise<void>) => Promise<void>,
): HostRecordCase {
  return {
    name,
    async run({ createRecords }) {
      let current = await createRecords()
      try {
        await body(
          () => current.store,
          async () => {
            current = await current.reopen()
          },
        )
      } finally {
        await current.dispose()
      }
    },
  }
}

function same(actual: unknown, expected: unknown, what: string): void {
  const [got, wanted] = [JSON.stringify(actual), JSON.stringify(expected)]
  if (got !== wanted) throw new Error(`${what}: got ${got?.slice(0, 300)}, expected ${wanted?.slice(0, 300)}`)
}
