/**
 * Where things are kept unless said otherwise: the XDG Base Directory Specification.
 * Never looks whether anything is there.
 */

import { join } from 'node:path'
import { UsageError } from '@nip46/core'

export interface XdgPaths {
  readonly config: string
  readonly data: string
  readonly runtime: string
}

export function xdgPaths(
  env: Readonly<Record<string, string | undefined>>,
  home: string | undefined = env['HOME'],
): XdgPaths {
  const absolute = (name: string): string | undefined => {
    const path = env[name]
    // "All paths set in these environment variables must be absolute. If … relative … ignore it."
    return path?.startsWith('/') === true ? path : undefined
  }
  const under = (name: string, usual: string): string => {
    const base = absolute(name) ?? (home === undefined ? undefined : join(home, usual))
    if (base === undefined)
      throw new UsageError(
        `neither ${name} nor HOME is set: say where things are kept with --data and --socket`,
      )
    return join(base, 'nip46-bunker')
  }
  const data = under('XDG_DATA_HOME', '.local/share')
  const runtime = absolute('XDG_RUNTIME_DIR')
  return {
    config: under('XDG_CONFIG_HOME', '.config'),
    data,
    runtime: runtime === undefined ? data : join(runtime, 'nip46-bunker'),
  }
}
