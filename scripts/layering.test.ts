/**
 * The shape of the workspace: dependencies point one way, packages can be published, files open with a word on
 * themselves, and nothing of one machine gets into the repository.
 */

import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { builtinModules } from 'node:module'
import { dirname, join, relative, resolve } from 'node:path'
import { describe, expect, test } from 'vitest'
import {
  listApps,
  listFiles,
  listPackages,
  listTracked,
  type Manifest,
  NODE_ENTRIES,
  readManifest,
  readText,
  root,
  type Target,
} from './workspace.ts'

const packages = listPackages()
const apps = listApps()
const scope = '@nip46/'

/** All that core may ever need at run time. */
const CORE_DEPENDENCIES = ['@noble/hashes']
const NODE_PACKAGES = ['ws']
/** Whoever installs a client installs these, and no others. */
const LEAN: Readonly<Record<string, readonly string[]>> = {
  client: ['@nip46/core'],
  'transport-websocket': ['@nip46/core', 'ws'],
}
/** What a package needs beyond the oldest Node that the others run on: `node:sqlite`. */
const NEWER_NODE: Readonly<Record<string, string>> = { 'store-sqlite': '>=22.13' }
/** A component for pages is a client with a face, and brings a backend and a transport for pages that name none. */
const SIBLINGS: Readonly<Record<string, readonly string[]>> = {
  login: ['@nip46/client', '@nip46/crypto', '@nip46/transport-websocket'],
}
/** The conditions under which a browser's bundler reads our sources. */
const BROWSER = ['@nip46/source', 'browser', 'import', 'default']

describe.each(packages)('$manifest.name', ({ folder, manifest }) => {
  const name = folder.split('/').at(-1) ?? ''
  const runtime = Object.keys({ ...manifest.dependencies, ...manifest.peerDependencies })
  const sources = listFiles(`${folder}/src/**/*.ts`)

  test('depends at run time on core and on no sibling', () => {
    if (name === 'core')
      expect(runtime.filter((dependency) => !CORE_DEPENDENCIES.includes(dependency))).toEqual([])
    const siblings = runtime.filter(
      (dependency) => dependency.startsWith(scope) && dependency !== '@nip46/core',
    )
    expect(siblings).toEqual(SIBLINGS[name] ?? [])
    if (name in LEAN) {
      expect(runtime).toEqual(LEAN[name])
      expect(manifest.optionalDependencies).toBeUndefined()
    }
  })

  test('imports in src only what it declares', () => {
    const strays = importsOf(sources).filter(({ file, specifier }) => {
      if (specifier.startsWith('.')) return escapes(folder, file, specifier)
      if (specifier.startsWith('#')) return !(specifier in (manifest.imports ?? {}))
      return !isBuiltin(specifier) && ![...runtime, manifest.name].includes(packageNameOf(specifier))
    })
    expect(strays).toEqual([])
  })

  test('imports in its tests only what it declares', () => {
    const known = [...runtime, ...Object.keys(manifest.devDependencies ?? {}), manifest.name]
    const shared = Object.keys(readManifest('.').devDependencies ?? {})
    const strays = importsOf(listFiles(`${folder}/test*/**/*.ts`)).filter(({ file, specifier }) => {
      if (specifier.startsWith('.')) return escapes(folder, file, specifier)
      return !isBuiltin(specifier) && ![...known, ...shared].includes(packageNameOf(specifier))
    })
    expect(strays).toEqual([])
  })

  test('loads nothing of Node where there is none', () => {
    const targets = Object.entries(manifest.exports ?? {})
      .filter(([entry]) => !NODE_ENTRIES.includes(manifest.name + entry.slice(1)))
      .map(([, target]) => choose(target, BROWSER) ?? '')
    const files = targets.filter((path) => path.endsWith('.ts')).map((path) => join(folder, path))
    const loaded = reachable(folder, manifest, files).filter(
      ({ specifier }) => isBuiltin(specifier) || NODE_PACKAGES.includes(packageNameOf(specifier)),
    )
    expect(loaded).toEqual([])
  })

  test('can be published', () => {
    const node = NEWER_NODE[name] ?? '>=20.19'
    expect(manifest).toMatchObject({ license: 'MIT', type: 'module', engines: { node } })
    expect(manifest.description).toMatch(/^\S.{10,}\S$/)
    expect(manifest.files).toEqual(['dist', 'src'])
    expect(manifest.exports?.['./package.json']).toBe('./package.json')
    expect(existsSync(join(root, folder, 'README.md')), 'README.md').toBe(true)
  })

  test('has each entry point as source, types and JavaScript', () => {
    for (const [entry, target] of Object.entries(manifest.exports ?? {})) {
      if (entry === './package.json') continue
      const file = entry === '.' ? 'index' : entry.slice(2)
      const expected = { types: `./dist/${file}.d.ts`, default: `./dist/${file}.js` }
      expect(target).toEqual({ '@nip46/source': `./src/${file}.ts`, ...expected })
      // A condition is matched in order, so the source has to come first.
      expect(Object.keys(target)[0]).toBe('@nip46/source')
      expect(existsSync(join(root, folder, `src/${file}.ts`)), `src/${file}.ts`).toBe(true)
    }
  })
})

describe.each(apps)('$manifest.name', ({ folder, manifest }) => {
  const runtime = Object.keys(manifest.dependencies ?? {})

  test('is private and no package depends on it', () => {
    expect(manifest.private).toBe(true)
    const users = packages.filter(
      (entry) => manifest.name in { ...entry.manifest.dependencies, ...entry.manifest.devDependencies },
    )
    expect(users).toEqual([])
  })

  test('imports in src only what it declares', () => {
    const strays = importsOf(listFiles(`${folder}/src/**/*.ts`)).filter(({ file, specifier }) => {
      if (specifier.startsWith('.')) return escapes(folder, file, specifier)
      return !isBuiltin(specifier) && !runtime.includes(packageNameOf(specifier))
    })
    expect(strays).toEqual([])
  })
})

test('testing is a development dependency everywhere', () => {
  const users = [...packages, ...apps].filter(
    ({ manifest }) => '@nip46/testing' in (manifest.dependencies ?? {}),
  )
  expect(users.map(({ manifest }) => manifest.name)).toEqual([])
})

test('versions of outside packages are named in one place, the catalog', () => {
  const loose = [...packages, ...apps].flatMap(({ manifest }) =>
    Object.entries({ ...manifest.dependencies, ...manifest.devDependencies })
      .filter(([dependency, range]) => range !== (dependency.startsWith(scope) ? 'workspace:^' : 'catalog:'))
      .map(([dependency, range]) => `${manifest.name}: ${dependency} ${range}`),
  )
  expect(loose).toEqual([])
})

test('every package that was never released is named in a changeset', () => {
  const named = listFiles('.changeset/*.md').map(readText).join('\n')
  const missing = packages.filter(
    ({ manifest }) => manifest.version === '0.0.0' && !named.includes(`"${manifest.name}": minor`),
  )
  expect(missing.map(({ manifest }) => manifest.name)).toEqual([])
})

test('every source file opens with a comment on what it is', () => {
  const bare = listFiles('{packages,apps}/*/src/**/*.{ts,tsx}').filter(
    (path) => !/^(#!.*\n)?\/\*\*\s/.test(readText(path)),
  )
  expect(bare).toEqual([])
})

describe('nothing of one machine is in the repository:', () => {
  const tracked = listTracked().filter((path) => !/\.(png|wasm|ico)$/.test(path))

  test('no path of a home or checkout folder', () => {
    const folders = [...new Set([dirname(root), process.env['HOME'] ?? '/root'])].filter(
      (folder) => folder !== '/',
    )
    const escaped = folders.map((folder) => folder.replaceAll(/[^\w/]/g, '\\$&'))
    const pattern = new RegExp(`(?<![\\w.@~*-])(?:${escaped.join('|')}|/home/[a-z]+|/Users/[A-Za-z]+)/`)
    expect(tracked.filter((path) => pattern.test(readText(path)))).toEqual([])
  })

  test('no host of a registry', () => {
    const npm = execFileSync('npm', ['config', 'get', 'registry'], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    const { host } = new URL(npm.trim())
    expect(tracked.filter((path) => readText(path).includes(host))).toEqual([])
    expect(tracked.filter((path) => path.endsWith('.npmrc'))).toEqual([])
  })

  test('no address in the lockfile', () => {
    expect(readText('pnpm-lock.yaml')).not.toMatch(/https?:\/\/|tarball:/)
  })
})

interface Import {
  readonly file: string
  readonly specifier: string
  /** Static, and more than a type: evaluated with the file. */
  readonly eager: boolean
}

/** Static imports, re-exports and `import('…')`, comments left aside; not what a computed string would load. */
function importsOf(files: readonly string[]): readonly Import[] {
  const statement =
    /(?:^|[;}\s])(?:import|export)\s+(type\s)?(?:[^'";()]*?\sfrom\s+)?'([^']+)'|\bimport\(\s*'([^']+)'/g
  return files.flatMap((file) => {
    const code = readText(file).replaceAll(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, '')
    return [...code.matchAll(statement)].map(([, type, fixed, dynamic]) => ({
      file,
      specifier: fixed ?? dynamic ?? '',
      eager: fixed !== undefined && type === undefined,
    }))
  })
}

/** Every import that leaves the package when these files are loaded in a browser. */
function reachable(folder: string, manifest: Manifest, entries: readonly string[]): readonly Import[] {
  const leaving: Import[] = []
  const files = new Set(entries)
  for (const file of files) {
    for (const found of importsOf([file]).filter(({ eager }) => eager)) {
      if (found.specifier.startsWith('.')) files.add(join(dirname(file), found.specifier))
      else if (found.specifier.startsWith('#')) {
        const target = choose(manifest.imports?.[found.specifier], BROWSER)
        if (target === undefined) throw new Error(`${file}: ${found.specifier} leads nowhere in a browser`)
        if (target.startsWith('./')) files.add(join(folder, target))
        else leaving.push({ ...found, specifier: target })
      } else leaving.push(found)
    }
  }
  return leaving
}

/** What Node's rule for conditions picks: the first key that applies, in the order of the object. */
function choose(target: Target | undefined, conditions: readonly string[]): string | undefined {
  if (target === undefined || typeof target === 'string') return target
  for (const [condition, inner] of Object.entries(target)) {
    const found = conditions.includes(condition) ? choose(inner, conditions) : undefined
    if (found !== undefined) return found
  }
  return undefined
}

function escapes(folder: string, file: string, specifier: string): boolean {
  return relative(join(root, folder), resolve(root, dirname(file), specifier)).startsWith('..')
}

function isBuiltin(specifier: string): boolean {
  return specifier.startsWith('node:') || builtinModules.includes(specifier)
}

function packageNameOf(specifier: string): string {
  return specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/')
}
