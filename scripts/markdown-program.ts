/**
 * The programs inside a Markdown file, by one rule (CONTRIBUTING.md, "Documents that run"):
 *
 * - a fenced block ```` ```ts ```` is a whole program; ```` ```ts continued ```` goes on with the program above it;
 * - an HTML comment that opens with `<!-- ts` or `<!-- ts continued` is the same, but hidden from the reader; a hidden
 *   piece that is not `continued` opens the program which the next visible block belongs to;
 * - ```` ```ts no-run ```` is checked for types only and needs `<!-- not run: reason -->` on the line above it.
 *
 * Never runs anything.
 */

export interface MarkdownProgram {
  /** Line of the first piece, from 1. */
  readonly line: number
  readonly code: string
  /** Why it is only checked for types; undefined for a program that runs. */
  readonly notRun: string | undefined
}

interface Piece {
  readonly line: number
  readonly code: string
  readonly hidden: boolean
  readonly words: readonly string[]
  readonly lineAbove: string
}

const KNOWN_WORDS = ['continued', 'no-run']

/** Throws on a block that breaks the rule, naming the line. */
export function readPrograms(markdown: string): readonly MarkdownProgram[] {
  const programs: MarkdownProgram[] = []
  let expectsVisible = false
  for (const piece of readPieces(markdown)) {
    const unknown = piece.words.find((word) => !KNOWN_WORDS.includes(word))
    if (unknown !== undefined) throw new Error(`line ${piece.line}: unknown word "${unknown}" after ts`)
    const last = programs.at(-1)
    const continued = piece.words.includes('continued')
    if (continued && last === undefined) throw new Error(`line ${piece.line}: nothing to continue`)
    if (last !== undefined && (continued || (expectsVisible && !piece.hidden))) {
      if (piece.words.includes('no-run'))
        throw new Error(`line ${piece.line}: no-run is said once, at the start`)
      programs[programs.length - 1] = { ...last, code: `${last.code}\n${piece.code}` }
      if (!piece.hidden) expectsVisible = false
      continue
    }
    if (expectsVisible) throw new Error(`line ${piece.line}: a hidden piece with no visible block after it`)
    programs.push({ line: piece.line, code: piece.code, notRun: reasonNotToRun(piece) })
    expectsVisible = piece.hidden
  }
  if (expectsVisible)
    throw new Error(`line ${programs.at(-1)?.line}: a hidden piece with no visible block after it`)
  return programs
}

/** The commands of the ```` ```sh ```` blocks, without prompts, comments and empty lines. */
export function readCommands(markdown: string): readonly string[] {
  const commands: string[] = []
  for (const block of markdown.matchAll(/^```sh[^\n]*\n([\s\S]*?)^```/gm)) {
    for (const line of (block[1] ?? '').split('\n')) {
      const command = line
        .replace(/^\$ /, '')
        .replace(/\s+#.*$/, '')
        .trim()
      if (command !== '' && !command.startsWith('#')) commands.push(command)
    }
  }
  return commands
}

function readPieces(markdown: string): readonly Piece[] {
  const lines = markdown.split('\n')
  const pieces: Piece[] = []
  let index = 0
  while (index < lines.length) {
    const line = lines[index] ?? ''
    // A fence may be longer than three marks, to quote another fence; only a bare one of that length closes it.
    const fence = /^(`{3,})(.*)$/.exec(line)
    const comment = /^<!-- ts((?: [a-z-]+)*)$/.exec(line)
    if (!fence && !comment) {
      index += 1
      continue
    }
    const closing = fence ? fence[1] : '-->'
    const end = lines.indexOf(closing ?? '', index + 1)
    if (end < 0) throw new Error(`line ${index + 1}: not closed`)
    const words = (fence ? (fence[2] ?? '') : `ts${comment?.[1] ?? ''}`).trim().split(/\s+/)
    if (words[0] === 'ts') {
      pieces.push({
        line: index + 1,
        code: lines.slice(index + 1, end).join('\n'),
        hidden: !fence,
        words: words.slice(1),
        lineAbove: lines[index - 1] ?? '',
      })
    }
    index = end + 1
  }
  return pieces
}

function reasonNotToRun(piece: Piece): string | undefined {
  if (!piece.words.includes('no-run')) return undefined
  const reason = /^<!-- not run: (.+) -->$/.exec(piece.lineAbove.trim())?.[1]
  if (!reason) throw new Error(`line ${piece.line}: no-run needs <!-- not run: reason --> on the line above`)
  return reason
}
