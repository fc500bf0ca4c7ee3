/**
 * One line on the terminal that says what runs and how far it is.
 * Never writes anything where nobody watches: only to a terminal.
 */

export interface Progress {
  tell(label: string, done: number): void
  clear(): void
}

interface Terminal {
  readonly isTTY?: boolean
  readonly columns?: number
  write(text: string): unknown
}

const EVERY_MS = 100

export function createProgress(terminal: Terminal, now: () => number): Progress {
  if (terminal.isTTY !== true) return { tell: () => undefined, clear: () => undefined }
  let last = Number.NEGATIVE_INFINITY
  const began = now()
  return {
    tell(label, done) {
      if (now() - last < EVERY_MS) return
      last = now()
      const seconds = Math.round((now() - began) / 1_000)
      const percent = String(Math.floor(100 * done)).padStart(3)
      const line = `${percent} %  ${seconds} s  ${label}`
      terminal.write(`\r\u001b[K${line.slice(0, (terminal.columns ?? 80) - 1)}`)
    },
    clear: () => void terminal.write('\r\u001b[K'),
  }
}
