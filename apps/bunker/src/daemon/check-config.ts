/**
 * Whether the daemon's settings fit each other, and whether a password in them stands where others can read it.
 * Never changes a setting, and never repeats a password.
 */

import { stat } from 'node:fs/promises'
import { limits, UsageError } from '@nip46/core'
import { type Config, envName, flagName, type LoadedConfig, type Source } from './config.ts'

/** Rejects with a `UsageError` that names the settings and the fix. */
export async function checkConfig({ config, sources, file }: LoadedConfig): Promise<void> {
  checkTogether(config)
  await checkPassword(config, sources.store, file)
}

function checkTogether({ relays, serve, serveUrl, http, publicUrl, authPage }: Config): void {
  if (relays.length === 0 && serve === null)
    throw new UsageError(
      'there is no relay: give "relays" in the settings file, NIP46_BUNKER_RELAYS or --relays wss://relay.example.com, or run one with --serve 127.0.0.1:7777',
    )
  if (serve === null && serveUrl.length > 0)
    throw new UsageError('"serveUrl" names the relay of "serve", which is off: set "serve" to HOST:PORT')
  if (relays.length + (serve === null ? 0 : 1) > limits.URI_RELAYS_OUT)
    throw new UsageError(
      `"relays" and "serve" together are more than ${limits.URI_RELAYS_OUT} relays: take one out`,
    )
  if (publicUrl !== null && http === null)
    throw new UsageError(
      '"publicUrl" is where a proxy serves "http", which is off: set "http" to 127.0.0.1:7747',
    )
  if (authPage && http === null)
    throw new UsageError('"authPage" needs "http": set "http" to 127.0.0.1:7747, or "authPage" to no')
  if (http !== null && !isLoopback(http.host) && publicUrl === null)
    throw new UsageError(
      `"http" at ${http.host} can be reached from elsewhere, and tokens would travel in the clear: use 127.0.0.1, and a proxy with TLS whose address is "publicUrl"`,
    )
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host)
}

/** A password where others may read it is told about before anything starts. */
async function checkPassword(config: Config, source: Source, file: string | null): Promise<void> {
  const { store, storePasswordFile, storePasswordCredential } = config
  const places = [storePasswordFile, storePasswordCredential].filter((place) => place !== null)
  if (places.length > 0 && store.kind !== 'postgres')
    throw new UsageError(
      'there is a password for PostgreSQL, which is not used: set "store" to a postgres:// URL',
    )
  if (store.kind !== 'postgres') return
  const url = new URL(store.url)
  const isInUrl = url.password !== '' || url.searchParams.has('password')
  if (isInUrl && source === 'flag')
    throw new UsageError(
      `--store has a password in it, which every user of this machine can see: give --store without it, and --${flagName('storePasswordFile')} FILE, or set ${envName('store')}`,
    )
  if (isInUrl && source === 'file' && file !== null) {
    const { mode } = await stat(file)
    if ((mode & 0o077) !== 0)
      throw new UsageError(`others may read ${file}, and a password is in it: run chmod 600 ${file}`)
  }
  if (places.length + Number(isInUrl) > 1)
    throw new UsageError(
      'the password of PostgreSQL is given twice: keep one of "store", "storePasswordFile" and "storePasswordCredential"',
    )
}
