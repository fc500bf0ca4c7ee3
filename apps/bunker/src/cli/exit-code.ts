/**
 * What the process ends with, for scripts. Never anything else.
 */

export const EXIT = {
  /** Done. */
  done: 0,
  /** The daemon, the disk or the network did not do it. */
  failed: 1,
  /** The command line cannot be read, or something it needs was not given. */
  usage: 2,
  /** No daemon answers at this socket or URL. */
  noDaemon: 3,
  /** There is no such key, app, link, request or token. */
  absent: 4,
  /** It was decided before, has changed, or its time is over: look again. */
  changed: 5,
  /** It was looked at, and is not well: `doctor`, `status --ready`, `policy lint`, `audit verify`, `backup verify`. */
  notWell: 6,
  /** Stopped by Ctrl-C, SIGTERM, or the person who was asked: nothing was done. */
  cancelled: 130,
} as const

export type ExitCode = (typeof EXIT)[keyof typeof EXIT]
