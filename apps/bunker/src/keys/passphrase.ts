/**
 * Where a passphrase or a key comes from: a prompt without echo, a file descriptor, a file, a systemd credential.
 * Never the command line or the environment, which other programs of this user and of root's tools can read.
 */

import { closeSync, createReadStream, fstatSync } from 'node:fs'
import { isAbsolute, join } from 'node:path'
import { copySecret } from './bytes.ts'
import { PASSPHRASE_BYTES, PASSPHRASE_WAIT_MS } from './limits.ts'
import { readPrivateFile } from './private-file.ts'
import { VaultError } from './vault-error.ts'

export type PassphraseSource =
  /** At the terminal, written to stderr; twice and equal with `repeat`. */
  | { readonly type: 'prompt'; readonly message: string; readonly repeat?: boolean }
  /** Read to its end and closed: `--passphrase-fd 3 3<file`, or 0 for what is piped in. */
  | { readonly type: 'descriptor'; readonly fd: number }
  /** For its owner only. */
  | { readonly type: 'file'; readonly path: string }
  /** A file of this name in `$CREDENTIALS_DIRECTORY` (systemd's `LoadCredential=` or `LoadCredentialEncrypted=`). */
  | { readonly type: 'credential'; readonly name: string }

export interface PassphraseOptions {
  /** Default: `process.env`, of which `CREDENTIALS_DIRECTORY` is read. */
  readonly environment?: { readonly [name: string]: string | undefined }
  /** Bytes at most. Default `PASSPHRASE_BYTES`. */
  readonly max?: number
  /** Default: whether this process has a terminal. */
  readonly interactive?: boolean
  /** Takes the prompt away, as Ctrl-C does. */
  readonly signal?: AbortSignal
}

/**
 * The bytes without the line end after them; wipe them after use. Rejects with `passphrase/empty`, `passphrase/too-long`,
 * `passphrase/unavailable`, `passphrase/cancelled`, `key/permissions`.
 */
export async function readPassphrase(
  source: PassphraseSource,
  options: PassphraseOptions = {},
): Promise<Uint8Array> {
  const { max = PASSPHRASE_BYTES, environment = process.env } = options
  const { interactive = process.stdin.isTTY === true && process.stderr.isTTY === true } = options
  const read = await readSource(source, max, environment, interactive, options.signal)
  const passphrase = copySecret(withoutLineEnd(read))
  read.fill(0)
  if (passphrase.length === 0) throw new VaultError('passphrase/empty', `${nameOf(source)} is empty`)
  if (passphrase.length > max) {
    passphrase.fill(0)
    throw new VaultError('passphrase/too-long', `${nameOf(source)} is longer than ${max} bytes`)
  }
  return passphrase
}

async function readSource(
  source: PassphraseSource,
  max: number,
  environment: { readonly [name: string]: string | undefined },
  interactive: boolean,
  signal: AbortSignal | undefined,
): Promise<Uint8Array> {
  switch (source.type) {
    case 'prompt':
      if (!interactive)
        throw new VaultError(
          'passphrase/unavailable',
          'there is no terminal to ask at: give a file or a descriptor',
        )
      return promptFor(source, signal)
    case 'descriptor':
      return readDescriptor(source.fd, max)
    case 'file':
      return readFile(source.path, max)
    case 'credential': {
      const directory = environment['CREDENTIALS_DIRECTORY']
      if (directory === undefined || !isAbsolute(directory))
        throw new VaultError(
          'passphrase/unavailable',
          'there is no $CREDENTIALS_DIRECTORY: systemd sets it for LoadCredential=',
        )
      if (!/^[A-Za-z0-9._-]{1,255}$/.test(source.name) || source.name.startsWith('.'))
        throw new VaultError(
          'passphrase/unavailable',
          'the name of a credential has letters, digits, dots, dashes',
        )
      return readFile(join(directory, source.name), max, true)
    }
  }
}

async function readFile(path: string, max: number, granted = false): Promise<Uint8Array> {
  // A longer file is told as such by its owner, not as a damaged vault; two more bytes are the line end.
  try {
    const bytes = await readPrivateFile(path, { max: max + 2, granted })
    if (bytes !== undefined) return bytes
  } catch (cause) {
    if (cause instanceof VaultError && cause.code === 'vault/damaged')
      throw new VaultError('passphrase/too-long', `${path} is longer than ${max} bytes`)
    if (cause instanceof VaultError || !(cause instanceof Error) || !('code' in cause)) throw cause
    throw new VaultError('passphrase/unavailable', `${path} cannot be read (${String(cause.code)})`)
  }
  throw new VaultError('passphrase/unavailable', `there is no file ${path}`)
}

function readDescriptor(fd: number, max: number): Promise<Uint8Array> {
  if (!Number.isInteger(fd) || fd < 0 || fd === 1 || fd === 2)
    return Promise.reject(
      new VaultError('passphrase/unavailable', `there is no reading from descriptor ${fd}`),
    )
  if (!isGiven(fd))
    return Promise.reject(
      new VaultError(
        'passphrase/unavailable',
        `descriptor ${fd} cannot be read: say what comes from it, as in ${fd}<file`,
      ),
    )
  return new Promise((resolve, reject) => {
    const chunks: Uint8Array[] = []
    let length = 0
    const stream = createReadStream('', { fd, autoClose: false, highWaterMark: max + 3 })
    const done = (problem?: VaultError): void => {
      clearTimeout(timer)
      stream.destroy()
      // Nobody after us, such as a program that is started from here, is to read it. 0 stays, as something else would take its place.
      if (fd !== 0) close(fd)
      const all = copySecret(Buffer.concat(chunks))
      for (const chunk of chunks) chunk.fill(0)
      if (problem === undefined) resolve(all)
      else {
        all.fill(0)
        reject(problem)
      }
    }
    const timer = setTimeout(
      () => done(new VaultError('passphrase/unavailable', `nothing came from descriptor ${fd}`)),
      PASSPHRASE_WAIT_MS,
    )
    stream.on('data', (chunk: string | Buffer) => {
      if (typeof chunk === 'string') return
      chunks.push(chunk)
      length += chunk.length
      if (length > max + 2)
        done(
          new VaultError(
            'passphrase/too-long',
            `what comes from descriptor ${fd} is longer than ${max} bytes`,
          ),
        )
    })
    stream.on('end', () => done())
    stream.on('error', (cause: NodeJS.ErrnoException) =>
      done(
        new VaultError(
          'passphrase/unavailable',
          `descriptor ${fd} cannot be read (${cause.code ?? 'unknown trouble'})`,
        ),
      ),
    )
  })
}

/** Whether somebody opened it for us. The first numbers that nobody did are the event loop's own, which ends if they are closed. */
function isGiven(fd: number): boolean {
  try {
    const stat = fstatSync(fd)
    return stat.isFile() || stat.isFIFO() || stat.isSocket() || stat.isCharacterDevice()
  } catch {
    return false
  }
}

function close(fd: number): void {
  try {
    closeSync(fd)
  } catch (cause) {
    // It was closed meanwhile.
    if (!(cause instanceof Error && 'code' in cause)) throw cause
  }
}

/** What was typed, to the letter: spaces are part of a passphrase. It passes through a string of the prompt's. */
async function promptFor(
  source: Extract<PassphraseSource, { type: 'prompt' }>,
  signal: AbortSignal | undefined,
): Promise<Uint8Array> {
  const typed = await hidden(source.message, signal)
  if (source.repeat === true && (await hidden('The same once more', signal)) !== typed)
    throw new VaultError('passphrase/unavailable', 'the two differ: nothing was done')
  return new TextEncoder().encode(typed)
}

async function hidden(message: string, signal: AbortSignal | undefined): Promise<string> {
  const { password: askHidden, isCancel } = await import('@clack/prompts')
  const typed = await askHidden({
    message,
    mask: '',
    output: process.stderr,
    ...(signal !== undefined && { signal }),
  })
  if (isCancel(typed)) throw new VaultError('passphrase/cancelled', 'cancelled: nothing was done')
  return typed ?? ''
}

function nameOf(source: PassphraseSource): string {
  switch (source.type) {
    case 'prompt':
      return 'what was typed'
    case 'descriptor':
      return `what comes from descriptor ${source.fd}`
    case 'file':
      return source.path
    case 'credential':
      return `the credential ${source.name}`
  }
}

function withoutLineEnd(bytes: Uint8Array): Uint8Array {
  const { length } = bytes
  if (bytes[length - 1] !== 0x0a) return bytes
  return bytes.subarray(0, bytes[length - 2] === 0x0d ? length - 2 : length - 1)
}
