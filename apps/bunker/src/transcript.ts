/**
 * The demo's output: numbered chapters, what happened in plain words, how long it took.
 * Never prints a secret: tokens and offers are shown without theirs.
 */

export interface Transcript {
  chapter(title: string): void
  line(what: string, value?: string): void
  /** Runs one step and prints its time; what it throws ends the demo. */
  step<T>(what: string, run: () => Promise<T>, show: (value: T) => string): Promise<T>
}

const WIDTH = 34

export function createTranscript(print: (text: string) => void): Transcript {
  let chapters = 0
  const line = (what: string, value = '') => print(`   ${what.padEnd(WIDTH)} ${value}`.trimEnd())
  return {
    chapter: (title) => {
      chapters += 1
      print(`\n${chapters}. ${title}`)
    },
    line,
    step: async (what, run, show) => {
      const started = performance.now()
      const value = await run()
      line(what, `${show(value)}  (${Math.max(1, Math.round(performance.now() - started))} ms)`)
      return value
    },
  }
}

/** The first and last characters of a long text. */
export function brief(text: string): string {
  return text.length <= 40 ? text : `${text.slice(0, 24)}…${text.slice(-8)}`
}

/** A connection URI whose secret is blotted out, for printing. */
export function withoutSecret(uri: string): string {
  return uri.replace(/([?&]secret=)[^&]*/g, '$1…')
}
