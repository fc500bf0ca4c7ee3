/** Where things are in this repository, read from disk. Never writes. */

import { execFileSync } from 'node:child_process'
import { globSync, readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'

/** Where an entry of `exports` or `imports` leads, by condition. */
export type Target = string | { readonly [condition: string]: Target }

export interface Manifest {
  readonly name: string
  readonly version: string
  readonly private?: boolean
  readonly type?: string
  readonly description?: string
  readonly license?: string
  readonly packageManager?: string
  readonly engines?: Readonly<Record<string, string>>
  readonly exports?: Readonly<Record<string, Target>>
  readonly imports?: Readonly<Record<string, Target>>
  readonly files?: readonly string[]
  readonly scripts?: Readonly<Record<string, string>>
  readonly dependencies?: Readonly<Record<string, string>>
  readonly devDependencies?: Readonly<Record<string, string>>
  readonly peerDependencies?: Readonly<Record<string, string>>
  readonly optionalDependencies?: Readonly<Record<string, string>>
}

export interface Project {
  /** Folder relative to the root, such as `packages/core`. */
  readonly folder: string
  readonly manifest: Manifest
}

/** Entry points that only make sense in Node; the others also load in browsers, Deno and Bun. */
export const NODE_ENTRIES: readonly string[] = [
  '@nip46/client/store-file',
  '@nip46/relay',
  '@nip46/store-postgres',
  '@nip46/store-sqlite',
  '@nip46/testing/client-scenarios',
  '@nip46/testing/corpus',
  '@nip46/testing/faulty-relay',
  '@nip46/testing/postgres-cluster',
]

export const root: string = resolve(import.meta.dirname, '..')

export function readText(path: string): string {
  return readFileSync(join(root, path), 'utf8')
}

export function readManifest(folder: string): Manifest {
  return JSON.parse(readText(join(folder, 'package.json'))) as Manifest
}

export function listPackages(): readonly Project[] {
  return listProjects('packages/*/package.json').filter((project) => !project.manifest.private)
}

export function listApps(): readonly Project[] {
  return listProjects('apps/*/package.json')
}

/** Paths that git tracks or would track, relative to the root; the ignored ones are left out. */
export function listTracked(): readonly string[] {
  const args = ['ls-files', '--cached', '--others', '--exclude-standard', '-z']
  const listed = execFileSync('git', args, { cwd: root, encoding: 'utf8' }).split('\0')
  const deleted = execFileSync('git', ['ls-files', '--deleted', '-z'], { cwd: root, encoding: 'utf8' }).split(
    '\0',
  )
  return listed.filter((path) => path !== '' && !deleted.includes(path))
}

/** Files of a glob, relative to the root, sorted. */
export function listFiles(pattern: string): readonly string[] {
  return globSync(pattern, { cwd: root, exclude: ['**/node_modules/**', '**/dist/**'] }).sort()
}

function listProjects(pattern: string): readonly Project[] {
  return listFiles(pattern).map((path) => ({ folder: dirname(path), manifest: readManifest(dirname(path)) }))
}
