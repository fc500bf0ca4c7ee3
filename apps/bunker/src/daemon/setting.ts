/**
 * One setting of the daemon: its name in the file, how a text becomes its value, what is wrong with it.
 * Never names a value in a message if the value may hold a password.
 */

import { parseRelayUrl, type RelayUrl } from '@nip46/core'

export type Read<T> = { readonly value: T } | { readonly problem: string }

export interface Setting<T> {
  /** What it is for, in a few words. */
  readonly words: string
  /** How it is written, such as `HOST:PORT`; `yes` or `no` for flags. */
  readonly shape: string
  /** From a text of the environment or the command line. Several values of one flag come joined with commas. */
  fromText(text: string): Read<T>
  /** From the JSON of the file. */
  fromJson(value: unknown): Read<T>
}

const value = <T>(read: T): Read<T> => ({ value: read })
const problem = <T>(words: string): Read<T> => ({ problem: words })

/** A text that `read` understands; the same in the file as elsewhere. */
export function textSetting<T>(words: string, shape: string, read: (text: string) => Read<T>): Setting<T> {
  return {
    words,
    shape,
    fromText: read,
    fromJson: (json) => (typeof json === 'string' ? read(json) : problem(`must be a text: ${shape}`)),
  }
}

export function flagSetting(words: string): Setting<boolean> {
  const read = (text: string): Read<boolean> => {
    if (['yes', 'true', '1'].includes(text)) return value(true)
    if (['no', 'false', '0'].includes(text)) return value(false)
    return problem('must be yes or no')
  }
  return {
    words,
    shape: 'yes|no',
    fromText: read,
    fromJson: (json) => (typeof json === 'boolean' ? value(json) : problem('must be true or false')),
  }
}

export function numberSetting(words: string, min: number, max: number): Setting<number> {
  const read = (given: number): Read<number> =>
    Number.isSafeInteger(given) && given >= min && given <= max
      ? value(given)
      : problem(`must be a whole number from ${min} to ${max}`)
  return {
    words: `${words} (${min} to ${max})`,
    shape: 'NUMBER',
    fromText: (text) => read(/^-?\d{1,15}$/.test(text) ? Number(text) : Number.NaN),
    fromJson: (json) => read(typeof json === 'number' ? json : Number.NaN),
  }
}

export function choiceSetting<const T extends string>(words: string, choices: readonly T[]): Setting<T> {
  const shape = choices.join('|')
  return textSetting(words, shape, (text) =>
    (choices as readonly string[]).includes(text)
      ? value(text as T)
      : problem(`must be one of ${choices.join(', ')}`),
  )
}

/** An absolute path, or `off`. */
export function optionalPathSetting(words: string): Setting<string | null> {
  const { fromText, fromJson } = pathSetting(words)
  const read =
    <T>(from: (given: T) => Read<string>) =>
    (given: T): Read<string | null> =>
      given === 'off' ? value(null) : from(given)
  return { words, shape: 'PATH|off', fromText: read(fromText), fromJson: read(fromJson) }
}

export function pathSetting(words: string): Setting<string> {
  return textSetting(words, 'PATH', (text) =>
    text.startsWith('/') && !text.includes('\0')
      ? value(text)
      : problem('must be an absolute path, such as /var/lib/nip46-bunker'),
  )
}

export function relaysSetting(words: string, most: number): Setting<readonly RelayUrl[]> {
  const read = (texts: readonly unknown[]): Read<readonly RelayUrl[]> => {
    const relays: RelayUrl[] = []
    for (const text of texts) {
      const parsed = typeof text === 'string' ? parseRelayUrl(text.trim()) : undefined
      if (parsed === undefined || !parsed.ok)
        return problem(
          parsed !== undefined && !parsed.ok && parsed.error === 'relay-insecure'
            ? 'has a ws:// relay that is not on this machine: use wss://'
            : 'must be relay URLs such as wss://relay.example.com',
        )
      relays.push(parsed.value)
    }
    const distinct = [...new Set(relays)]
    return distinct.length > most ? problem(`may name at most ${most} relays`) : value(distinct)
  }
  return {
    words,
    shape: 'URL,URL…',
    fromText: (text) => read(text.split(',').filter((part) => part.trim() !== '')),
    fromJson: (json) => (Array.isArray(json) ? read(json) : problem('must be a list of relay URLs')),
  }
}

/** The name of a systemd credential, or `off`. */
export function credentialSetting(words: string): Setting<string | null> {
  return textSetting(words, 'NAME|off', (text) => {
    if (text === 'off') return value(null)
    return /^[A-Za-z0-9_][A-Za-z0-9._-]{0,254}$/.test(text)
      ? value(text)
      : problem('must be the name of a systemd credential: letters, digits, dots, dashes')
  })
}

/** `HOST:PORT`, with brackets around an IPv6 address, or `off`. */
export interface Address {
  readonly host: string
  readonly port: number
}

export function addressSetting(words: string): Setting<Address | null> {
  return textSetting(words, 'HOST:PORT|off', (text) => {
    if (text === 'off') return value(null)
    const [, bracketed, plain, port] =
      /^(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9.-]+)):(\d{1,5})$/.exec(text) ?? []
    const host = bracketed ?? plain
    if (host === undefined || Number(port) > 65_535)
      return problem('must be HOST:PORT, such as 127.0.0.1:7747 (0 takes any free port), or off')
    return value({ host, port: Number(port) })
  })
}

/** An http(s) origin without a path. */
export function originSetting(words: string): Setting<string | null> {
  return textSetting(words, 'https://HOST|off', (text) => {
    if (text === 'off') return value(null)
    const url = URL.parse(text)
    const isOrigin =
      url !== null &&
      ['http:', 'https:'].includes(url.protocol) &&
      `${url.origin}/` === url.href &&
      url.username === ''
    return isOrigin
      ? value(url.origin)
      : problem(
          'must be the address of this daemon as browsers have it, without a path: https://bunker.example.com',
        )
  })
}
