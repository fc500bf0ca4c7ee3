/**
 * `up`: runs a remote signer for one user key until it is told to stop.
 * Never signs what neither the rules nor the person at the terminal allowed; keeps its sessions in memory only.
 */

import { readFile } from 'node:fs/promises'
import { type Crypto, cleanText, encodeNpub, parseRelayUrl, type RelayUrl } from '@nip46/core'
import { tinyCrypto } from '@nip46/crypto/tiny'
import { createRelay, type RelayServer } from '@nip46/relay'
import { createRemoteSigner, localUserSigner, type RemoteSignerEvent } from '@nip46/remote-signer'
import { createRelayPool } from '@nip46/transport-websocket'
import { hostRandom } from './host-random.ts'
import { loadUserKey } from './keys/user-key.ts'
import { describeGrant, parseRules, type Rules } from './rules.ts'
import { askAtTerminal, createTerminalApprover } from './terminal-approver.ts'

export interface UpOptions {
  readonly relays: readonly string[]
  /** Port of an embedded relay on 127.0.0.1; 0 takes any free one. */
  readonly serve?: number
  readonly rulesFile?: string
  readonly keyFile?: string
  readonly passwordFile?: string
  /** nostrconnect:// URIs to answer at once. */
  readonly accept: readonly string[]
  /** Answer clients that speak NIP-04 (texts before December 2024). */
  readonly legacy: boolean
}

/** What `up` reads from and writes to. */
export interface Terminal {
  readonly interactive: boolean
  readonly print: (text: string) => void
  /** Resolves when the daemon should stop. */
  readonly stopped: Promise<void>
}

/** Resolves when it has stopped. Rejects with an Error that says what to do if it cannot start. */
export async function runUp(options: UpOptions, terminal: Terminal): Promise<void> {
  const { print, interactive } = terminal
  if (options.relays.length === 0 && options.serve === undefined)
    throw new Error('give at least one relay: --relay wss://relay.example.com, or --serve 7777')
  const elsewhere = options.relays.map(readRelay)
  const rules = options.rulesFile === undefined ? parseRules('{}') : await readRules(options.rulesFile)
  // A fault between key and signature would leak the key: for a key that people keep, each signature is verified.
  const crypto = tinyCrypto({ verifyAfterSign: true })
  const secret = await loadUserKey({
    keyFile: options.keyFile,
    passwordFile: options.passwordFile,
    interactive,
  })
  const userKey = crypto.importKey(secret)
  secret.fill(0)

  const served = await serveRelay(options.serve, crypto)
  const relays = [...elsewhere, ...(served === undefined ? [] : [readRelay(served.url)])]
  const pool = createRelayPool()
  const signer = createRemoteSigner({
    crypto,
    transport: pool,
    userSigner: localUserSigner(userKey, { crypto, random: hostRandom }),
    approver: createTerminalApprover(rules, interactive ? askAtTerminal : null),
    relays,
    userRelays: Object.fromEntries(relays.map((relay) => [relay, { read: true, write: true }])),
    acceptNip04: options.legacy,
    onEvent: (event) => {
      const text = describeEvent(event)
      if (text !== undefined) print(text)
    },
  })
  const showToken = async (): Promise<void> => {
    const { uri } = await signer.offer({ granted: rules.grant, expiresInMs: TOKEN_HOURS * 3_600_000 })
    print(`\nPaste this into one app; it is good once, for ${TOKEN_HOURS} hours:\n${uri}\n`)
  }
  // A token is used up by its app. With somebody to read it the next one is shown; a log gets none unasked.
  const stopShowing = signer.on((event) => {
    if (interactive && event.type === 'session-opened') showToken().catch((cause) => print(wordsOf(cause)))
  })
  try {
    await signer.start()
    print(`user        ${encodeNpub(userKey.pubkey)}`)
    print(`relays      ${relays.join(' ')}`)
    print(`new apps    may do ${describeGrant(rules)}`)
    for (const uri of options.accept) {
      const session = await signer.accept(uri, { granted: rules.grant })
      print(`answered    the offer of ${session.metadata?.name ?? 'an app without a name'}`)
    }
    if (options.accept.length === 0) await showToken()
    print(
      'Ctrl-C stops (while a question is open it says no to that first); sessions last as long as this process.',
    )
    await terminal.stopped
  } finally {
    stopShowing()
    await signer.close()
    await pool.close()
    await served?.relay.close()
    userKey.destroy()
  }
}

const TOKEN_HOURS = 24

async function readRules(path: string): Promise<Rules> {
  const text = await readFile(path, 'utf8')
  try {
    return parseRules(text)
  } catch (cause) {
    throw new Error(`${path}: ${wordsOf(cause)}`)
  }
}

function readRelay(text: string): RelayUrl {
  const parsed = parseRelayUrl(text)
  if (parsed.ok) return parsed.value
  const hint = parsed.error === 'relay-insecure' ? 'use wss://, or ws:// on this machine only' : parsed.error
  throw new Error(`${text} cannot be used as a relay: ${hint}`)
}

async function serveRelay(
  port: number | undefined,
  crypto: Crypto,
): Promise<{ readonly relay: RelayServer; readonly url: string } | undefined> {
  if (port === undefined) return undefined
  const relay = createRelay({ crypto, port })
  return { relay, url: (await relay.listen()).url }
}

/** One line for what the owner of the key wants to know; undefined for the rest. */
export function describeEvent(event: RemoteSignerEvent): string | undefined {
  switch (event.type) {
    case 'session-opened':
    case 'session-confirmed':
      return `connected   ${nameOf(event.session.metadata?.name, event.session.clientPubkey)}`
    case 'session-ended':
      return `ended       ${nameOf(event.session.metadata?.name, event.session.clientPubkey)} (${event.reason})`
    case 'performed': {
      const { method, kind } = event.subject
      const what = kind === undefined ? method : `${method} kind ${kind}`
      return `${event.error === null ? 'done       ' : 'refused    '} ${what} for ${short(event.clientPubkey)}`
    }
    case 'token-reused':
      return `warning     a used token was presented again by ${short(event.clientPubkey)}: somebody else saw it`
    case 'relay-down':
      return `relay down  ${event.relay}: ${cleanText(event.reason, 200)}`
    case 'relay-live':
      return `relay live  ${event.relay}`
    case 'degraded':
      return `degraded    ${event.ailment}`
    case 'recovered':
      return `recovered   ${event.ailment}`
    case 'publish-failed':
      return `lost        every relay refused an answer to ${short(event.clientPubkey)}`
    default:
      return undefined
  }
}

function nameOf(name: string | undefined, pubkey: string): string {
  return `${name === undefined ? 'an app without a name' : `"${name}"`} ${short(pubkey)}`
}

function short(pubkey: string): string {
  return `${pubkey.slice(0, 8)}…`
}

function wordsOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : 'unknown trouble'
}
