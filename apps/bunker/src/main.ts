#!/usr/bin/env node
/**
 * The bunker's command line: `demo`, `up`, `key new`.
 * Never takes a secret as an argument; every failure is one line that says what to do.
 */

import { parseArgs } from 'node:util'
import { runDemo } from './demo.ts'
import { makeKey } from './keys/new-key.ts'
import { runUp } from './up.ts'

const HELP = `nip46-bunker: a remote signer for your Nostr key (NIP-46)
(in a checkout: npx -y pnpm@12.21.0 bunker …)

  nip46-bunker demo
      Both connection flows on this machine, with our client and with nostr-tools.

  nip46-bunker key new --out FILE [--password-file FILE]
      Makes a key, writes it encrypted (ncryptsec1…), prints its npub.

  nip46-bunker up [--relay URL]… [--serve PORT] [--key-file FILE] [--password-file FILE]
                  [--rules FILE] [--accept NOSTRCONNECT-URI]… [--no-legacy]
      Answers apps until Ctrl-C. Without --key-file it asks for the key.
      --serve runs a relay on 127.0.0.1 too. --no-legacy refuses NIP-04 clients.

  nip46-bunker up --serve 7777 --key-file me.ncryptsec --rules rules.json

A rules file says what needs no question; the first rule that fits decides, the rest is asked:
  { "grant": "sign_event:1,nip44_encrypt,nip44_decrypt",
    "rules": [ { "decision": "allow", "perms": "sign_event:7" },
               { "decision": "deny", "perms": "sign_event:5" } ] }
`

const interactive = process.stdin.isTTY === true && process.stdout.isTTY === true

// SIGUSR1 would open Node's inspector, and with it the key, to every user of this machine.
process.on('SIGUSR1', () => undefined)

try {
  await run(process.argv.slice(2))
} catch (cause) {
  console.error(`nip46-bunker: ${wordsOf(cause)}`)
  process.exitCode = 1
}

async function run(args: readonly string[]): Promise<void> {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    allowNegative: true,
    options: {
      relay: { type: 'string', multiple: true, default: [] },
      serve: { type: 'string' },
      rules: { type: 'string' },
      'key-file': { type: 'string' },
      'password-file': { type: 'string' },
      accept: { type: 'string', multiple: true, default: [] },
      legacy: { type: 'boolean', default: true },
      out: { type: 'string' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  const command = positionals.join(' ')
  if (values.help || command === '' || command === 'help') {
    console.log(HELP)
    return
  }
  const passwordFile = values['password-file']
  switch (command) {
    case 'demo':
      await runDemo(console.log)
      return
    case 'key new': {
      if (values.out === undefined) throw new Error('say where to write the key: key new --out me.ncryptsec')
      const npub = await makeKey({
        out: values.out,
        interactive,
        ...(passwordFile !== undefined && { passwordFile }),
      })
      console.log(npub)
      return
    }
    case 'up': {
      const keyFile = values['key-file']
      await runUp(
        {
          relays: values.relay,
          accept: values.accept,
          legacy: values.legacy,
          ...(values.serve !== undefined && { serve: readPort(values.serve) }),
          ...(values.rules !== undefined && { rulesFile: values.rules }),
          ...(keyFile !== undefined && { keyFile }),
          ...(passwordFile !== undefined && { passwordFile }),
        },
        { interactive, print: console.log, stopped: untilStopped() },
      )
      return
    }
    case 'key':
      throw new Error('say what to do with keys: key new --out me.ncryptsec')
    default:
      throw new Error(`there is no command "${command}": try nip46-bunker help`)
  }
}

function wordsOf(cause: unknown): string {
  if (!(cause instanceof Error)) return 'unknown trouble'
  const { code, path, message } = cause as NodeJS.ErrnoException
  if (code === 'ENOENT' && path !== undefined) return `there is no file or folder ${path}`
  if (code === 'EADDRINUSE') return 'another program has this port: give --serve another one, or 0 for any'
  return message
}

function readPort(text: string): number {
  const port = Number(text)
  if (!/^\d{1,5}$/.test(text) || port > 65_535)
    throw new Error(`--serve takes a port from 0 to 65535, not ${text}`)
  return port
}

function untilStopped(): Promise<void> {
  return new Promise((resolve) => {
    process.once('SIGINT', () => resolve())
    process.once('SIGTERM', () => resolve())
  })
}
