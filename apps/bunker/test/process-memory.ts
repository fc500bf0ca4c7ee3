/**
 * What is in the memory of another process of ours, by /proc.
 * Never stops or changes that process, so that what moves while it is read may be missed: whoever looks has it idle.
 */

import { open, readFile } from 'node:fs/promises'

/** Bytes read at a time. */
const CHUNK = 4_194_304

/**
 * How often each needle is found in what the process can write: heaps, stacks, WASM, buffers. Undefined if this system does
 * not let us look.
 */
export async function countInMemory(
  pid: number,
  needles: Readonly<Record<string, Buffer>>,
): Promise<Readonly<Record<string, number>> | undefined> {
  const counts = Object.fromEntries(Object.keys(needles).map((name) => [name, 0]))
  const overlap = Math.max(...Object.values(needles).map(({ length }) => length)) - 1
  let memory: Awaited<ReturnType<typeof open>>
  try {
    memory = await open(`/proc/${pid}/mem`, 'r')
  } catch {
    return undefined
  }
  try {
    for (const { from, to } of writable(await readFile(`/proc/${pid}/maps`, 'utf8'))) {
      for (let at = from; at < to; at += CHUNK) {
        const length = Math.min(CHUNK + overlap, to - at)
        const chunk = await readAt(memory, at, length)
        if (chunk === undefined) break
        for (const [name, needle] of Object.entries(needles))
          counts[name] = (counts[name] ?? 0) + occurrences(chunk, needle, CHUNK)
      }
    }
    return counts
  } finally {
    await memory.close()
  }
}

function writable(maps: string): readonly { readonly from: number; readonly to: number }[] {
  return maps.split('\n').flatMap((line) => {
    const [, from = '', to = '', rights = ''] = /^([0-9a-f]+)-([0-9a-f]+) (\S{4})/.exec(line) ?? []
    return rights.startsWith('rw') ? [{ from: Number.parseInt(from, 16), to: Number.parseInt(to, 16) }] : []
  })
}

/** Undefined for what is reserved and not there. */
async function readAt(
  memory: Awaited<ReturnType<typeof open>>,
  position: number,
  length: number,
): Promise<Buffer | undefined> {
  const buffer = Buffer.alloc(length)
  try {
    const { bytesRead } = await memory.read(buffer, 0, length, position)
    return buffer.subarray(0, bytesRead)
  } catch {
    return undefined
  }
}

/** Of those that begin within the first `within` bytes: the rest is seen again in the next chunk. */
function occurrences(chunk: Buffer, needle: Buffer, within: number): number {
  let count = 0
  for (let at = chunk.indexOf(needle); at >= 0 && at < within; at = chunk.indexOf(needle, at + 1)) count += 1
  return count
}
