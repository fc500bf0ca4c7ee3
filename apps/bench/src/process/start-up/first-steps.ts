/**
 * What a fresh process goes through before it can answer: load, first signature, first verification. Says it in JSON.
 * Never warms anything up.
 */

export interface Signer {
  /** 32 bytes of an event id in, whatever it makes of it out. */
  sign(): unknown
  verify(signed: unknown): boolean
}

export interface FirstSteps {
  /** Milliseconds of wall time from the start of the process: module loaded, first signature made, first verified. */
  readonly loadedMs: number
  readonly signedMs: number
  readonly verifiedMs: number
  /** Milliseconds of processor time until then. */
  readonly cpuMs: number
  readonly rssBytes: number
}

export const SECRET: Uint8Array = new Uint8Array(32).fill(7)
export const NOTE = { kind: 1, content: 'first', tags: [] as string[][], created_at: 1_767_225_600 }

/** `performance.now()` counts from the start of the process. */
export async function takeFirstSteps(load: () => Promise<Signer | undefined>): Promise<void> {
  const signer = await load()
  const loadedMs = performance.now()
  const signed = signer?.sign()
  const signedMs = performance.now()
  if (signer?.verify(signed) === false) throw new Error('the first signature does not verify')
  const verifiedMs = performance.now()
  const { user, system } = process.cpuUsage()
  const steps: FirstSteps = {
    loadedMs,
    signedMs,
    verifiedMs,
    cpuMs: (user + system) / 1_000,
    rssBytes: process.memoryUsage.rss(),
  }
  console.log(JSON.stringify(steps))
}
