/**
 * What time is read from: the wall, and the processor where the host says what it spent.
 * Never reads the host itself at load time, so that the same cases run in a browser.
 */

export interface Stopwatch {
  /** Microseconds since some moment. */
  wall(): number
  /** Microseconds of processor time that this process has used, all its threads; undefined if the host does not say. */
  cpu(): number | undefined
}

/** Node's process. */
export function processStopwatch(): Stopwatch {
  return {
    wall: () => performance.now() * 1_000,
    cpu: () => {
      const { user, system } = process.cpuUsage()
      return user + system
    },
  }
}

/** A page: its clock is coarse, so a measured slice has to be long. */
export function pageStopwatch(): Stopwatch {
  return { wall: () => performance.now() * 1_000, cpu: () => undefined }
}
