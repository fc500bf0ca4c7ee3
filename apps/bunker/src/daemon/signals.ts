/**
 * How a process asks its daemon to stop: SIGTERM or SIGINT once, and once more to end at once.
 * Never ends the process while answers are on their way, unless asked twice.
 */

import type { Daemon } from './run.ts'

/** What of a process is used. */
export interface SignalSource {
  on(signal: 'SIGTERM' | 'SIGINT', listener: () => void): unknown
  off(signal: 'SIGTERM' | 'SIGINT', listener: () => void): unknown
  exit(code: number): unknown
}

/** Resolves once the daemon has stopped, whatever the reason. A second signal exits with 130 at once. */
export async function runUntilSignal(daemon: Daemon, source: SignalSource = process): Promise<void> {
  let asked = false
  const onSignal = (): void => {
    if (asked) source.exit(130)
    asked = true
    // What it rejects with comes out of `stopped` below.
    daemon.close().catch(() => undefined)
  }
  source.on('SIGTERM', onSignal)
  source.on('SIGINT', onSignal)
  try {
    await daemon.stopped
  } finally {
    source.off('SIGTERM', onSignal)
    source.off('SIGINT', onSignal)
  }
}
