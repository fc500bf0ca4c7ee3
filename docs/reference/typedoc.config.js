/** What the API reference is made from: every public entry of every package, under the name that it is imported by. */

import { globSync, readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { Converter, ReflectionKind } from 'typedoc'

const root = resolve(import.meta.dirname, '../..')
/** The name of each entry, by its source file. */
const entries = new Map()
const packages = []
for (const path of globSync('packages/*/package.json', { cwd: root }).sort()) {
  const { name, exports } = JSON.parse(readFileSync(join(root, path), 'utf8'))
  packages.push(name)
  for (const [entry, target] of Object.entries(exports)) {
    const source = target['@nip46/source']
    if (source !== undefined) entries.set(join(root, dirname(path), source), name + entry.slice(1))
  }
}

/** Without it typedoc names an entry by its path. */
function nameEntries(app) {
  app.converter.on(Converter.EVENT_CREATE_DECLARATION, (context, reflection) => {
    if (!reflection.kindOf(ReflectionKind.Module)) return
    const [declaration] = context.getSymbolFromReflection(reflection)?.declarations ?? []
    reflection.name = entries.get(declaration?.getSourceFile().fileName) ?? reflection.name
  })
}

// biome-ignore lint/style/noDefaultExport: the form of a configuration
export default {
  plugin: [nameEntries],
  entryPoints: [...entries.keys()],
  tsconfig: join(import.meta.dirname, 'tsconfig.json'),
  readme: join(import.meta.dirname, 'start.md'),
  out: join(import.meta.dirname, 'dist'),
  name: '@nip46',
  excludeExternals: true,
  disableSources: true,
  treatWarningsAsErrors: true,
  // What is meant for tests explains itself less.
  packagesRequiringDocumentation: packages.filter((name) => name !== '@nip46/testing'),
  requiredToBeDocumented: ['Class', 'Interface'],
  validation: { notExported: true, invalidLink: true, rewrittenLink: true, notDocumented: true },
}
