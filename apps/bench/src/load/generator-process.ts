/**
 * The load generator in a process of its own.
 * Never shares a core with the bunker if there is another.
 */

import { serve, usage } from '../process/serve.ts'
import { loadBackend } from '../subject/backends.ts'
import { createGenerator, type Generator } from './generator.ts'
import type { Parties } from './parties.ts'

let generator: Generator | undefined

serve({
  async start({ backend, parties }: { readonly backend: string; readonly parties: Parties }) {
    generator = createGenerator(await (await loadBackend(backend)).create(), parties)
  },
  prepare: ({ count }: { readonly count: number }) => started().prepare(count),
  connect: ({ name, relay, tokens }: ConnectArgument) => started().connect(name, relay, tokens),
  disconnect: ({ name }: { readonly name: string }) => started().disconnect(name),
  window: ({ name, inFlight, ms }: WindowArgument) => started().runWindow(name, inFlight, ms),
  open: ({ name, perSecond, ms }: OpenArgument) => started().runOpen(name, perSecond, ms),
  usage,
})

interface ConnectArgument {
  readonly name: string
  readonly relay: string
  readonly tokens: readonly string[]
}

interface WindowArgument {
  readonly name: string
  readonly inFlight: number
  readonly ms: number
}

interface OpenArgument {
  readonly name: string
  readonly perSecond: number
  readonly ms: number
}

function started(): Generator {
  if (generator === undefined) throw new Error('the generator was not started')
  return generator
}
