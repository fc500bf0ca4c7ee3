/**
 * What one cached conversation costs, in a process of its own: fill a key's cache, collect the garbage, look.
 * Never keeps the peers it made up: only what the cache holds is counted.
 */

import { createHash } from 'node:crypto'
import { type Crypto, isPubkey, type KeyHandle } from '@nip46/core'
import { must } from '../must.ts'
import { loadBackend } from '../subject/backends.ts'
import { serve } from './serve.ts'

export interface MemoryArgument {
  /** A backend, or `map` for a `Map` from public keys to conversation keys, as users of nostr-tools keep them. */
  readonly backend: string
  readonly conversations: number
}

export interface MemoryResult {
  /** Bytes of JavaScript heap, array buffers and WebAssembly memory for one conversation. */
  readonly bytes: number
  /** Bytes that the process grew for one conversation. */
  readonly rssBytes: number
}

/** Conversations that are asked for again, to see that they are cached still. */
const PROBES = 50
/** Conversations of another key before anything is weighed: more than there are parsed keys kept. */
const WARM_UP = 5_000
const COLLECT_EVERY = 1_000

serve({
  async measure({ backend, conversations }: MemoryArgument): Promise<MemoryResult> {
    const fillerOf = backend === 'map' ? mapFillers() : await cacheFillers(backend, conversations)
    // Whatever grows once and is kept has grown by now: parsed keys, compiled code.
    fillerOf(WARM_UP).fill()
    const filler = fillerOf(conversations)
    const before = weigh()
    filler.fill()
    const after = weigh()
    filler.check()
    return {
      bytes: (after.bytes - before.bytes) / conversations,
      rssBytes: (after.rss - before.rss) / conversations,
    }
  },
})

interface Filler {
  fill(): void
  /** Throws unless all is still there. */
  check(): void
}

async function cacheFillers(name: string, conversations: number): Promise<(count: number) => Filler> {
  const crypto = await (await loadBackend(name)).create({ conversations })
  const peers = peersOf(crypto.isPubkey)
  return (count) => {
    const key = crypto.importKey(new Uint8Array(32).fill(7))
    const probes: string[] = []
    return {
      fill() {
        for (let i = 0; i < count; i++) {
          const peer = peers()
          must(key.conversation(peer))
          collectNowAndThen(i)
          if (probes.length < PROBES) probes.push(peer)
        }
      },
      check: () => checkCached(key, crypto, probes),
    }
  }
}

/** Asking again for the first conversations must be far cheaper than deriving others. */
function checkCached(key: KeyHandle, crypto: Crypto, probes: readonly string[]): void {
  const fresh = crypto.importKey(new Uint8Array(32).fill(9))
  const askAll = (of: KeyHandle) => (): void => {
    for (const peer of probes) must(of.conversation(peer))
  }
  const derived = time(askAll(fresh))
  // The best of three: others use this machine too.
  const again = Math.min(...[1, 2, 3].map(() => time(askAll(key))))
  if (again * 2 > derived) throw new Error('the first conversations were derived again: they are not cached')
}

function mapFillers(): (count: number) => Filler {
  const peers = peersOf(isPubkey)
  return (count) => {
    const map = new Map<string, Uint8Array>()
    return {
      fill() {
        for (let i = 0; i < count; i++) {
          map.set(peers(), new Uint8Array(32).fill(i))
          collectNowAndThen(i)
        }
      },
      check() {
        if (map.size !== count) throw new Error('the map has forgotten some')
      },
    }
  }
}

/** Ever new points of the curve: no secret is needed to talk to somebody. */
function peersOf(isPoint: (hex: string) => boolean): () => string {
  let i = 0
  return () => {
    for (;;) {
      const hex = createHash('sha256').update(`peer ${i++}`).digest('hex')
      if (isPoint(hex)) return hex
    }
  }
}

/** Else the garbage of making the conversations, and not they, would grow the process. */
function collectNowAndThen(i: number): void {
  if (i % COLLECT_EVERY === 0) globalThis.gc?.()
}

function weigh(): { readonly bytes: number; readonly rss: number } {
  const { gc } = globalThis
  if (gc === undefined) throw new Error('this process needs --expose-gc')
  for (let i = 0; i < 4; i++) gc()
  const { heapUsed, external, rss } = process.memoryUsage()
  return { bytes: heapUsed + external, rss }
}

function time(run: () => void): number {
  const began = performance.now()
  run()
  return performance.now() - began
}
