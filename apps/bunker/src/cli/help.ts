/**
 * The help, made of the table of commands. Never longer than a screen for one command.
 */

import type { Command, OptionSpecs } from './command.ts'
import { COMMON_OPTIONS } from './options.ts'

const PROGRAM = 'nip46-bunker'

/** Every command in one line each, by subject. */
export function overviewHelp(commands: readonly Command[], group?: string): string {
  const shown = commands.filter(({ name }) => group === undefined || name.split(' ')[0] === group)
  const width = Math.max(...shown.map((command) => usageOf(command).length))
  const lines = shown.map((command) => `  ${usageOf(command).padEnd(width)}  ${command.words}`)
  if (group !== undefined) return [...lines, '', `"${PROGRAM} help ${shown[0]?.name}" says more.`].join('\n')
  return [
    `${PROGRAM}: a remote signer for your Nostr keys (NIP-46)`,
    '',
    ...lines,
    '',
    `"${PROGRAM} help COMMAND" shows its options and an example. Every command takes:`,
    optionLines(COMMON_OPTIONS),
    '',
    `"${PROGRAM} --version" prints the version.`,
    'Ends with 0 done, 1 failed, 2 wrong command line, 3 no daemon, 4 no such thing, 5 decided or changed before,',
    '6 looked at and not well, 130 cancelled.',
  ].join('\n')
}

export function commandHelp(command: Command): string {
  const own = Object.keys(command.options).length > 0
  return [
    `${PROGRAM} ${usageOf(command)}${own ? ' [OPTIONS]' : ''}`,
    '',
    `  ${command.words}`,
    ...(command.notes ?? []).map((line) => `  ${line}`),
    ...(own ? ['', optionLines(command.options)] : []),
    '',
    `Example: ${PROGRAM} ${command.example}`,
    `It takes --json and the other options of every command, too: ${PROGRAM} help`,
  ].join('\n')
}

function usageOf({ name, operands }: Command): string {
  return [name, ...operands].join(' ')
}

function optionLines(options: OptionSpecs): string {
  const entries = Object.entries(options).map(([name, { type, value, words }]) => {
    const more = type === 'list' ? ' (again for more)' : ''
    return [`--${name}${type === 'flag' ? '' : ` ${value ?? 'TEXT'}`}`, `${words}${more}`] as const
  })
  const width = Math.max(...entries.map(([option]) => option.length))
  return entries.map(([option, words]) => `  ${option.padEnd(width)}  ${words}`).join('\n')
}
