/** The rule by which code blocks become programs. */

import { describe, expect, test } from 'vitest'
import { readCommands, readPrograms } from './markdown-program.ts'

const fence = (info: string, code: string): string => `\`\`\`${info}\n${code}\n\`\`\`\n`
const hidden = (info: string, code: string): string => `<!-- ${info}\n${code}\n-->\n`

describe('a ts block', () => {
  test('is a program of its own', () => {
    const programs = readPrograms(`# Title\n\n${fence('ts', 'a()')}\ntext\n${fence('ts', 'b()')}`)
    expect(programs).toEqual([
      { line: 3, code: 'a()', notRun: undefined },
      { line: 8, code: 'b()', notRun: undefined },
    ])
  })

  test('marked continued goes on with the program above', () => {
    const programs = readPrograms(fence('ts', 'a()') + fence('sh', 'ls') + fence('ts continued', 'b()'))
    expect(programs).toEqual([{ line: 1, code: 'a()\nb()', notRun: undefined }])
  })

  test('takes in the hidden pieces before and after it', () => {
    const text = hidden('ts', 'before()') + fence('ts', 'a()') + hidden('ts continued', 'after()')
    expect(readPrograms(text)).toEqual([{ line: 1, code: 'before()\na()\nafter()', notRun: undefined }])
  })

  test('in a language other than ts is left alone', () => {
    expect(readPrograms(fence('tsx', 'a()') + fence('', 'b()') + fence('js', 'c()'))).toEqual([])
  })

  test('quoted inside a longer fence is text', () => {
    expect(readPrograms(`\`\`\`\`md\n${fence('ts', 'a()')}\`\`\`\`\n`)).toEqual([])
  })

  test('with a reason is only checked for types', () => {
    const text = `<!-- not run: needs a browser -->\n${fence('ts no-run', 'a()')}`
    expect(readPrograms(text)[0]?.notRun).toBe('needs a browser')
  })

  test.each([
    ['no-run without a reason', fence('ts no-run', 'a()'), 'line 1: no-run needs'],
    ['an unknown word', fence('ts twoslash', 'a()'), 'line 1: unknown word "twoslash"'],
    ['nothing above to continue', fence('ts continued', 'a()'), 'line 1: nothing to continue'],
    ['a fence that never closes', '```ts\na()', 'line 1: not closed'],
    ['hidden code that opens nothing', hidden('ts', 'a()'), 'line 1: a hidden piece'],
    ['two hidden openings', hidden('ts', 'a()') + hidden('ts', 'b()'), 'line 4: a hidden piece'],
  ])('is refused for %s', (_why, text, message) => {
    expect(() => readPrograms(text)).toThrow(message)
  })
})

test('a sh block is a list of commands', () => {
  const text = fence('sh', '# first\n$ npx -y pnpm@12.21.0 demo\n\nnpm install x   # takes a while')
  expect(readCommands(text)).toEqual(['npx -y pnpm@12.21.0 demo', 'npm install x'])
})
