/**
 * `relay …`: where the daemon meets apps, and a relay of one's own for NIP-46.
 */

import type { RelayView } from '../../api/shapes.ts'
import type { Command } from '../command.ts'
import { CommandProblem } from '../problem.ts'
import { clean, table } from '../text.ts'

function show(relays: readonly RelayView[]): string {
  const rows = relays.map((relay) => [
    relay.url,
    relay.state,
    relay.own ? 'yes' : '',
    relay.served ? 'yes' : '',
    relay.reason ?? '',
  ])
  return table(
    ['RELAY', 'STATE', 'IN NEW LINKS', 'OURS', 'WHY'],
    rows,
    'no relays: add one with "relay add wss://…"',
  )
}

export const RELAY_COMMANDS: readonly Command[] = [
  {
    name: 'relay list',
    words: 'Relays in use, and how they are doing.',
    operands: [],
    options: {},
    example: 'relay list',
    operations: ['relay.list'],
    async run(context) {
      const { relays } = await (await context.api()).call('relay.list')
      return { json: { relays }, text: show(relays) }
    },
  },
  {
    name: 'relay add',
    words: 'A relay for new links.',
    operands: ['URL'],
    options: {},
    example: 'relay add wss://relay.example.com',
    operations: ['relay.add'],
    async run(context, call) {
      const { relays } = await (await context.api()).call('relay.add', { url: call.need(0) })
      return { json: { relays }, text: show(relays) }
    },
  },
  {
    name: 'relay rm',
    words: 'No longer a relay for new links; apps that use it stay there.',
    operands: ['URL'],
    options: {},
    example: 'relay rm wss://relay.example.com',
    operations: ['relay.remove'],
    async run(context, call) {
      const { relays } = await (await context.api()).call('relay.remove', { url: call.need(0) })
      return { json: { relays }, text: show(relays) }
    },
  },
  {
    name: 'relay serve',
    words: 'Runs a relay for NIP-46 by itself, until Ctrl-C. (The daemon runs one with --serve.)',
    operands: ['[HOST:PORT]'],
    options: {},
    example: 'relay serve 127.0.0.1:7777',
    operations: [],
    async run({ io }, call) {
      const { host, port } = readAddress(call.operand(0) ?? '127.0.0.1:7777')
      const [{ createRelay }, { autoCrypto }] = await Promise.all([
        import('@nip46/relay'),
        import('@nip46/crypto/auto'),
      ])
      const relay = createRelay({ crypto: (await autoCrypto()).crypto, host, port })
      const { url } = await relay.listen()
      io.print(call.json ? JSON.stringify({ url }) : `serving ${clean(url)} until Ctrl-C`)
      await new Promise<void>((resolve) => {
        if (io.signal.aborted) resolve()
        io.signal.addEventListener('abort', () => resolve(), { once: true })
      })
      await relay.close()
      return {}
    },
  },
]

function readAddress(text: string): { readonly host: string; readonly port: number } {
  const [, bracketed, plain, port] =
    /^(?:(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9.-]+)):)?(\d{1,5})$/.exec(text) ?? []
  if (port === undefined || Number(port) > 65_535)
    throw new CommandProblem('usage', 'give HOST:PORT, such as 127.0.0.1:7777; port 0 takes any free one')
  return { host: bracketed ?? plain ?? '127.0.0.1', port: Number(port) }
}
