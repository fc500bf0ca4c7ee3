/**
 * Rows 25 and 30 to 32: an older Node, a hundred requests at once, the time of one, and what is left after close().
 * Never the figures of a benchmark: they say only that nothing stands in the way.
 */

import { type ClientScenario, fail, span, tooLate } from './client-scenario.ts'

const AT_ONCE = 100
const IN_A_ROW = 30
const DRAIN_MS = 12_000

export const hostRows: readonly ClientScenario[] = [
  {
    row: 25,
    name: 'Node 20, where there is no global WebSocket, nothing polyfilled',
    wanted: 'login and a signature',
    setUp: {},
    needs: 'old-node',
    async act(stage) {
      await stage.login()
      await stage.sign()
      return `logged in and signed in ${span(stage.elapsed())}`
    },
  },
  {
    row: 30,
    name: '100 signatures at once',
    wanted: 'all, each for its own note, within 15 s',
    setUp: {},
    needs: 'quiet',
    async act(stage) {
      await stage.login()
      const asked = Array.from({ length: AT_ONCE }, () => stage.note())
      const began = stage.elapsed()
      const calls = Promise.all(asked.map((template) => stage.client.signEvent(template)))
      const events = await stage.value('signing', calls, 15_000)
      const right = events.filter((event, i) => stage.isRight(event, asked[i] ?? stage.note()))
      const seconds = (stage.elapsed() - began) / 1_000
      if (right.length !== AT_ONCE) fail(`${AT_ONCE - right.length} of ${AT_ONCE} are wrong`)
      return `${Math.round(AT_ONCE / seconds)} a second`
    },
  },
  {
    row: 31,
    name: '30 signatures one after the other',
    wanted: 'half of them within 100 ms each',
    setUp: {},
    needs: 'quiet',
    async act(stage) {
      await stage.login()
      const times: number[] = []
      for (let i = 0; i < IN_A_ROW; i++) {
        const asked = stage.note()
        const settled = await stage.within(stage.client.signEvent(asked), 5_000)
        if (settled.type === 'hang') tooLate(`no end within ${span(settled.ms)}`)
        if (settled.type === 'error') fail(`signing rejects: ${settled.error}`)
        if (!stage.isRight(settled.value, asked)) fail('the signed event is not the one asked for')
        times.push(settled.ms)
      }
      const median = times.toSorted((a, b) => a - b)[IN_A_ROW / 2] ?? 0
      return median > stage.limit(100) ? tooLate(`p50 ${span(median)}`) : `p50 ${span(median)}`
    },
  },
  {
    row: 32,
    name: 'after close() the process ends by itself',
    wanted: 'nothing holds the event loop for more than 1 s',
    setUp: {},
    needs: 'process',
    async act(stage) {
      await stage.login()
      await stage.sign()
      if (stage.client.drain === undefined) return fail('the client has no process of its own')
      const { closedMs, emptyMs, heldBy, rejected } = await stage.client.drain(stage.limit(DRAIN_MS))
      if (rejected !== undefined) fail(`close() rejects: ${rejected}`)
      if (closedMs === undefined) tooLate(`close(): no end within ${span(stage.limit(DRAIN_MS))}`)
      const held = heldBy.length === 0 ? '' : `, held by ${[...new Set(heldBy)].join(', ')}`
      if (emptyMs === undefined) tooLate(`still there after ${span(stage.limit(DRAIN_MS))}${held}`)
      const what = `ends ${emptyMs.toFixed(1)} ms after close(), which took ${closedMs.toFixed(1)} ms${held}`
      return emptyMs > stage.limit(1_000) ? tooLate(what) : what
    },
  },
]
