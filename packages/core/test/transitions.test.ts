import { describe, expect, it } from 'vitest'
import { clientTransitions, isOver, signerTransitions, type TransitionTable } from './transition-table.ts'

const CLIENT_PHASES = [
  'awaiting-signer',
  'connecting',
  'switching',
  'identifying',
  'ready',
  'unpaired',
  'logging-out',
  'closed',
]
const SIGNER_PHASES = ['stranger', 'pairing', 'unconfirmed', 'open', 'ending', 'revoked']

function asMarkdown(table: TransitionTable): string {
  const lines = [
    `# Transitions of the ${table.machine}`,
    '',
    'Every phase with every kind of input, found by running the machine.',
  ]
  for (const phase of table.phases) {
    lines.push('', `## ${phase}`, '', '| input | next | outputs |', '|---|---|---|')
    for (const { phase: from, input, next, outputs } of table.transitions) {
      if (from !== phase) continue
      lines.push(`| ${input} | ${next === phase ? '' : next} | ${outputs.join('; ')} |`)
    }
  }
  return `${lines.join('\n')}\n`
}

describe.each([
  ['client', clientTransitions, CLIENT_PHASES],
  ['remote signer', signerTransitions, SIGNER_PHASES],
])('The transitions of the %s', (name, tableOf, phases) => {
  const table = tableOf()

  it('are those on record', async () => {
    await expect(asMarkdown(table)).toMatchFileSnapshot(`./transitions-${name.replace(' ', '-')}.md`)
  })

  it('cover every phase', () => {
    expect(table.phases).toEqual(phases)
  })

  it('lead to every phase, and out of every phase but the last', () => {
    const reached = [...table.starts.map(({ phase }) => phase), ...table.transitions.map(({ next }) => next)]
    expect(new Set(reached)).toEqual(new Set(phases))
    const last = phases.at(-1) ?? ''
    for (const phase of phases) {
      const left = table.transitions.some((row) => row.phase === phase && row.next !== phase)
      expect(left, phase).toBe(phase !== last)
      expect(isOver(table, phase), phase).toBe(phase === last || phase === 'unpaired')
    }
  })
})
