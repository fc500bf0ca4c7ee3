/**
 * Bytes that one cached conversation costs, of our cache and of a plain `Map` of conversation keys.
 * Never measured in this process: its heap has other things in it.
 */

import { reasonOf } from '../must.ts'
import { startChild } from '../process/child.ts'
import type { MemoryArgument, MemoryResult } from '../process/memory-process.ts'
import type { Figure, NotRun } from '../report/data.ts'
import { spreadOf } from '../statistics.ts'
import type { Backend } from '../subject/backends.ts'

export const HEAP = 'memory of a cached conversation'
const RSS = 'process growth for a cached conversation'
const FILL_MS = 600_000

export interface Outcome {
  readonly figures: readonly Figure[]
  readonly notRun: readonly NotRun[]
}

/** `backends`: ours to be measured; the cache is the same for all, filling it is not. */
export async function measureMemory(
  backends: readonly Backend[],
  conversations: number,
  onProgress?: (label: string, done: number) => void,
): Promise<Outcome> {
  const figures: Figure[] = []
  const notRun: NotRun[] = []
  const subjects = [...backends.map(({ name }) => name), 'map']
  for (const [i, backend] of subjects.entries()) {
    const subject = backend === 'map' ? 'Map of keys' : backend
    onProgress?.(`${HEAP}, ${subject}`, i / subjects.length)
    const child = startChild('process/memory-process', { nodeOptions: ['--expose-gc'] })
    try {
      const argument: MemoryArgument = { backend, conversations }
      const { bytes, rssBytes } = await child.ask<MemoryResult>('measure', argument, FILL_MS)
      const base = {
        group: 'memory',
        subject,
        unit: 'B',
        samples: 1,
        note: `at ${conversations.toLocaleString('en-US')}`,
      } as const
      figures.push({ ...base, scenario: HEAP, value: spreadOf([bytes]) })
      figures.push({ ...base, scenario: RSS, value: spreadOf([rssBytes]) })
    } catch (cause) {
      notRun.push({ group: 'memory', scenario: HEAP, subject, reason: reasonOf(cause) })
    } finally {
      await child.stop()
    }
  }
  return { figures, notRun }
}
