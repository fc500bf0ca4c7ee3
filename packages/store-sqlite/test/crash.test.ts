import { expect, test } from 'vitest'
import { openSqliteStore } from '../src/index.ts'
import { hexOf, sessionOf } from './calls.ts'
import { testFile, testSeal } from './folder.ts'
import { startCommitter } from './process.ts'

const ROUNDS = Number(process.env['STORE_CRASH_ROUNDS'] ?? 15)

test(`a process that is killed while it commits loses nothing that was acknowledged, ${ROUNDS} times`, async () => {
  const file = testFile()
  const acknowledged = new Set<number>()
  let start = 0
  for (let round = 0; round < ROUNDS; round++) {
    const committer = startCommitter(file, { start })
    await committer.line((line) => line.startsWith('ok'))
    await new Promise((resolve) => setTimeout(resolve, (round * 37) % 151))
    await committer.kill()
    for (const line of committer.lines) {
      if (line.startsWith('ok ')) acknowledged.add(Number(line.slice(3)))
      else expect(line).toBe('open')
    }
    start = Math.max(...acknowledged) + 1_000

    const store = await openSqliteStore(file, { seal: testSeal() })
    const state = await store.load(Date.now())
    const sizes = await store.sizes()
    const there = new Set(
      state.sessions.map(({ revision, value }) => {
        const n = Number(Buffer.from(value.clientPubkey, 'hex').toString().split('-')[1]?.split('.')[0])
        expect([revision, value]).toEqual([1, sessionOf(n)])
        return n
      }),
    )
    for (const n of acknowledged) expect(there.has(n)).toBe(true)
    // None is there by half.
    const { sessions, claims, keys, clients, audit } = sizes
    expect([claims, keys, clients, audit]).toEqual(Array(4).fill(sessions))
    expect(state.outbox).toHaveLength(sizes.outbox)
    expect(new Set(state.clients)).toEqual(new Set([...there].map((n) => hexOf('client', n))))
    expect(await store.verifyAudit()).toMatchObject({ ok: true, entries: audit })
    await store.close()
  }
  expect(acknowledged.size).toBeGreaterThanOrEqual(ROUNDS)
})
