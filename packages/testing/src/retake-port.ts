/**
 * Listening once more on a port that was given back a moment ago: between the two another process of this machine may have
 * got it, for as long as a test takes.
 * Never waits where any port would do.
 */

const PATIENCE_MS = 60_000
const PAUSE_MS = 50

/** Listens again and again while somebody else has the port, for up to a minute; any other error rejects at once. */
export async function retakePort<T>(listen: () => Promise<T>): Promise<T> {
  for (const end = Date.now() + PATIENCE_MS; ; ) {
    try {
      return await listen()
    } catch (error) {
      if (!isTaken(error) || Date.now() > end) throw error
    }
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS))
  }
}

function isTaken(error: unknown): boolean {
  if (typeof error !== 'object' || error === null) return false
  const { code, cause } = error as { readonly code?: unknown; readonly cause?: unknown }
  return code === 'EADDRINUSE' || isTaken(cause)
}
