/**
 * From the words of a command line to an exit code.
 * Never prints a stack: what people can do something about is one line, and what they cannot is a fault of ours and thrown.
 */

import { resolve } from 'node:path'
import { type ParseArgsOptionsConfig, parseArgs } from 'node:util'
import { type ApiClient, createApiClient } from '../api/client.ts'
import { VERSION } from '../version.ts'
import type { Call, Command, Context, Io } from './command.ts'
import { COMMANDS } from './commands.ts'
import { EXIT, type ExitCode } from './exit-code.ts'
import { commandHelp, overviewHelp } from './help.ts'
import { COMMON_OPTIONS } from './options.ts'
import { findPlaces } from './places.ts'
import { CommandProblem, describeProblem } from './problem.ts'
import { clean, jsonText, quote } from './text.ts'

/** Words of an unknown command that are repeated in the error. */
const SHOWN_CHARS = 60

export async function runCommandLine(args: readonly string[], io: Io): Promise<ExitCode> {
  try {
    const { command, words } = findCommand(args)
    if (typeof command === 'string') {
      io.print(command)
      return EXIT.done
    }
    const call = parseCall(command, words)
    if (call.flag('help')) {
      io.print(commandHelp(command))
      return EXIT.done
    }
    if (command.handlesSecrets === true) {
      const { hardenProcess } = await import('../keys/hardening.ts')
      for (const warning of hardenProcess().warnings) io.warn(`nip46-bunker: warning: ${warning}`)
    }
    const outcome = await command.run(createContext(io, call), call)
    if (call.json && outcome.json !== undefined) io.print(jsonText(outcome.json))
    if (!call.json && outcome.text !== undefined) io.print(outcome.text)
    return outcome.exit ?? EXIT.done
  } catch (cause) {
    const { code, message, exit } = describeProblem(cause)
    const words = message
      .split('\n')
      .map((line) => clean(line, 2_000))
      .join('\n')
    io.warn(args.includes('--json') ? jsonText({ error: { code, message } }, 0) : `nip46-bunker: ${words}`)
    return exit
  }
}

/** The command and the words after its name, or a text to print: a help, or the version. */
function findCommand(args: readonly string[]): {
  readonly command: Command | string
  readonly words: readonly string[]
} {
  if (args.length === 1 && args[0] === '--version') return { command: VERSION, words: [] }
  const first = args.findIndex((word) => !word.startsWith('-'))
  const names = args.slice(first < 0 ? args.length : first)
  const [one, two] = names
  if (one === undefined || (one === 'help' && two === undefined)) {
    const stray = args.find((word) => word.startsWith('-') && !['-h', '--help'].includes(word))
    if (stray !== undefined && one === undefined)
      throw new CommandProblem(
        'usage',
        `there is no command in "${quote(args.join(' '), SHOWN_CHARS)}": try nip46-bunker help`,
      )
    return { command: overviewHelp(COMMANDS), words: [] }
  }
  if (first > 0)
    throw new CommandProblem(
      'usage',
      `options come after the command: nip46-bunker COMMAND ${quote(args[0] ?? '', SHOWN_CHARS)}`,
    )
  if (one === 'help') {
    const asked = names.slice(1).join(' ')
    const command = COMMANDS.find(({ name }) => name === asked)
    if (command !== undefined) return { command: commandHelp(command), words: [] }
    if (COMMANDS.some(({ name }) => name.startsWith(`${asked} `)))
      return { command: overviewHelp(COMMANDS, asked), words: [] }
    throw unknownCommand(asked)
  }
  const command =
    COMMANDS.find(({ name }) => name === `${one} ${two}`) ?? COMMANDS.find(({ name }) => name === one)
  if (command !== undefined) return { command, words: args.slice(first + command.name.split(' ').length) }
  const group = COMMANDS.filter(({ name }) => name.startsWith(`${one} `))
  if (group.length === 0) throw unknownCommand(one)
  if (two === undefined || two === '--help' || two === '-h') {
    if (two === undefined)
      throw new CommandProblem(
        'usage',
        `say what to do: ${one} ${group.map(({ name }) => name.slice(one.length + 1)).join(', ')}`,
      )
    return { command: overviewHelp(COMMANDS, one), words: [] }
  }
  throw unknownCommand(`${one} ${two}`)
}

function unknownCommand(words: string): CommandProblem {
  return new CommandProblem(
    'usage',
    `there is no command "${quote(words, SHOWN_CHARS)}": try nip46-bunker help`,
  )
}

function readWords<const T extends ParseArgsOptionsConfig>(
  command: Command,
  words: readonly string[],
  options: T,
) {
  try {
    return parseArgs({ args: [...words], allowPositionals: true, options })
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    if (!(cause instanceof Error) || code?.startsWith('ERR_PARSE_ARGS') !== true) throw cause
    // Its first sentence names the option; the rest is about writing operands that begin with a dash.
    const said = cause.message.split(/\. |\n/)[0] ?? cause.message
    throw new CommandProblem('usage', `${said}: see nip46-bunker help ${command.name}`)
  }
}

function parseCall(command: Command, words: readonly string[]): Call {
  const specs = { ...COMMON_OPTIONS, ...command.options }
  const options: ParseArgsOptionsConfig = {
    ...Object.fromEntries(
      Object.entries(specs).map(([name, { type }]) => [
        name,
        { type: type === 'flag' ? ('boolean' as const) : ('string' as const), multiple: type === 'list' },
      ]),
    ),
    help: { type: 'boolean', short: 'h' },
  }
  const parsed = readWords(command, words, options)
  const { positionals } = parsed
  const values: Readonly<Record<string, unknown>> = parsed.values
  const most = command.operands.some((operand) => operand.includes('…'))
    ? Number.POSITIVE_INFINITY
    : command.operands.length
  if (positionals.length > most)
    throw new CommandProblem(
      'usage',
      `"${quote(positionals[most] ?? '', SHOWN_CHARS)}" is too much for this command: nip46-bunker ${command.example}`,
    )
  const call: Call = {
    command,
    json: values['json'] === true,
    operand: (index) => positionals[index],
    need: (index) => {
      const operand = positionals[index]
      if (operand !== undefined) return operand
      throw new CommandProblem(
        'usage',
        `${command.operands[index] ?? 'something'} is missing: nip46-bunker ${command.example}`,
      )
    },
    operands: () => positionals,
    text: (option) => {
      const value = values[option]
      return typeof value === 'string' ? value : undefined
    },
    flag: (option) => values[option] === true,
    list: (option) => {
      const value = values[option]
      return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : []
    },
  }
  if (!call.flag('help'))
    command.operands.forEach((operand, index) => {
      if (!operand.startsWith('[')) call.need(index)
    })
  return call
}

function createContext(io: Io, call: Call): Context {
  const url = call.text('url') ?? io.env['NIP46_BUNKER_URL']
  const remote = url !== undefined && call.text('socket') === undefined
  const places: Context['places'] = () =>
    findPlaces(io.env, { socket: call.text('socket'), data: call.text('data'), config: call.text('config') })
  const api = async (): Promise<ApiClient> => {
    if (!remote || url === undefined) return createApiClient({ socketPath: (await places()).socket })
    if (!URL.canParse(url) || !/^https?:/.test(url))
      throw new CommandProblem('usage', '--url takes an address such as https://bunker.example.com')
    const { protocol, hostname } = new URL(url)
    if (protocol === 'http:' && !['127.0.0.1', '[::1]', 'localhost'].includes(hostname))
      throw new CommandProblem(
        'usage',
        'the token would travel in the clear: use https://, or http:// on this machine only',
      )
    const file = call.text('token-file')
    if (file === undefined)
      throw new CommandProblem(
        'usage',
        'a daemon elsewhere wants a token: give --token-file, made there with "token create"',
      )
    const { readPassphrase } = await import('../keys/passphrase.ts')
    const token = await readPassphrase({ type: 'file', path: resolve(file) })
    return createApiClient({ url, token: new TextDecoder().decode(token) })
  }
  return { io, places, api, remote }
}
