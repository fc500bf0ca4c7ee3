/**
 * Where the socket, the keys and the settings file are: from the command line, the environment, the settings file, XDG.
 * Never reads more of the settings than these places.
 */

import { readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { xdgPaths } from '../daemon/xdg-paths.ts'
import type { Io, Places } from './command.ts'

export interface PlaceOptions {
  readonly socket?: string | undefined
  readonly data?: string | undefined
  readonly config?: string | undefined
}

export async function findPlaces(env: Io['env'], options: PlaceOptions): Promise<Places> {
  const path = (text: string | undefined): string | undefined =>
    text === undefined ? undefined : resolve(text)
  const given = {
    config: path(options.config ?? env['NIP46_BUNKER_CONFIG']),
    data: path(options.data ?? env['NIP46_BUNKER_DATA']),
    socket: path(options.socket ?? env['NIP46_BUNKER_SOCKET']),
  }
  // Without a home there have to be all three.
  const usual =
    given.config !== undefined && given.data !== undefined && given.socket !== undefined
      ? undefined
      : xdgPaths(env)
  const config = given.config ?? join(usual?.config ?? '', 'config.json')
  const file = await readPlaces(config)
  const data = given.data ?? file.data ?? usual?.data ?? ''
  const socket = given.socket ?? file.socket ?? join(usual?.runtime ?? '', 'daemon.sock')
  return { config, data, socket, vault: join(data, 'vault') }
}

/** What is wrong with the rest of the file is for the daemon to say. */
async function readPlaces(path: string): Promise<{ readonly data?: string; readonly socket?: string }> {
  try {
    const json: unknown = JSON.parse(await readFile(path, 'utf8'))
    const { data, socket } = (json ?? {}) as Record<string, unknown>
    return {
      ...(typeof data === 'string' && { data }),
      ...(typeof socket === 'string' && { socket }),
    }
  } catch (cause) {
    if (
      cause instanceof SyntaxError ||
      (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT')
    )
      return {}
    throw cause
  }
}
