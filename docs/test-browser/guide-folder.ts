/**
 * A folder that the programs of a guide's page are built in, as an app of its own beside the workspace's packages.
 * Never keeps it.
 */

import { mkdir, mkdtemp, rm, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { root } from '../../scripts/workspace.ts'

/** Takes the packages' sources in place of what is built from them. */
export const CONDITIONS = ['@nip46/source', 'browser', 'module', 'import', 'default']

export async function makeGuideFolder(): Promise<{ readonly folder: string; remove(): Promise<void> }> {
  await mkdir(join(root, '.ci/out'), { recursive: true })
  const folder = await mkdtemp(join(root, '.ci/out/guide-'))
  await symlink(join(root, 'docs/node_modules'), join(folder, 'node_modules'))
  return { folder, remove: () => rm(folder, { recursive: true }) }
}
