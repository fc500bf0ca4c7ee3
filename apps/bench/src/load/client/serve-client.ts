/**
 * A client library in a process of its own: logs in once, then signs one note after the other, or many at once.
 * Never times what an app does not wait for: a signed event is taken apart after the clock has stopped.
 */

import { serve, usage } from '../../process/serve.ts'

export interface Note {
  readonly kind: number
  readonly content: string
  readonly tags: readonly string[][]
  readonly created_at: number
}

export interface ServedClient {
  /** Logs in with a bunker:// URI. */
  connect(uri: string): Promise<void>
  /** What an app calls; resolves with the library's own idea of a signed event. */
  sign(note: Note): Promise<unknown>
  /** That event with the members of NIP-01. Default: as it is. */
  read?(event: unknown): unknown
}

export interface SignArgument {
  /** Different in every call, so that no two notes are the same. */
  readonly batch: string
  readonly count: number
}

export interface SignResult {
  /** Milliseconds of each signature, or of all together. */
  readonly times: readonly number[]
  /** What was asked for last, and what came. */
  readonly asked: Note
  readonly event: unknown
}

export function serveClient(create: (argument: { readonly backend: string }) => Promise<ServedClient>): void {
  let client: ServedClient | undefined
  const started = (): ServedClient => {
    if (client === undefined) throw new Error('the client was not started')
    return client
  }
  serve({
    async start(argument: { readonly backend: string; readonly uri: string }) {
      client = await create(argument)
      await client.connect(argument.uri)
    },
    async inARow({ batch, count }: SignArgument): Promise<SignResult> {
      const one = started()
      const times: number[] = []
      let asked = note(batch, 0)
      let event: unknown
      for (let i = 0; i < count; i++) {
        asked = note(batch, i)
        const began = performance.now()
        event = await one.sign(asked)
        times.push(performance.now() - began)
      }
      return { times, asked, event: one.read?.(event) ?? event }
    },
    async atOnce({ batch, count }: SignArgument): Promise<SignResult> {
      const one = started()
      const notes = Array.from({ length: count }, (_, i) => note(batch, i))
      const began = performance.now()
      const events = await Promise.all(notes.map((asked) => one.sign(asked)))
      const times = [performance.now() - began]
      const event = events.at(-1)
      return { times, asked: notes.at(-1) ?? note(batch, 0), event: one.read?.(event) ?? event }
    },
    usage,
  })
}

function note(batch: string, i: number): Note {
  return {
    kind: 1,
    content: `note ${batch} ${i} ${'n'.repeat(160)}`,
    tags: [],
    created_at: Math.floor(Date.now() / 1_000),
  }
}
