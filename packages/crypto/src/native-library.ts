/**
 * The system's libsecp256k1, found and opened through koffi when it is asked for.
 * Never installs or compiles anything, and never throws because something is missing: the reason is a value.
 */

import { createRequire } from 'node:module'
import { err, ok, type RandomBytes, type Result } from '@nip46/core'
import type { CurveBackend } from './backend.ts'
import { createNativeBackend } from './native-backend.ts'
import type { Foreign, ForeignLibrary, Secp256k1 } from './native-memory.ts'
import type { NativeUnavailable } from './native-unavailable.ts'
import { selfTest } from './self-check.ts'

/** Names under which libsecp256k1 has been released with all we need, newest first: 0.7, 0.3 to 0.6, 0.2. */
const LIBRARIES: Readonly<Record<string, readonly string[]>> = {
  linux: ['libsecp256k1.so.6', 'libsecp256k1.so.2', 'libsecp256k1.so.1'],
  darwin: ['libsecp256k1.6.dylib', 'libsecp256k1.2.dylib', 'libsecp256k1.1.dylib'],
}
const KOFFI_MAJOR = '3.'

/** `library` is a path or name instead of the usual ones; `require` finds koffi. */
export function openNative(
  random: RandomBytes,
  library?: string,
  require: (name: string) => unknown = createRequire(import.meta.url),
): Result<CurveBackend, NativeUnavailable> {
  const koffi = findKoffi(require)
  if (!koffi.ok) return koffi
  const found = findLibrary(koffi.value, library)
  if (!found.ok) return found
  const functions = bind(found.value.library, found.value.name)
  if (!functions.ok) return functions
  const backend = createNativeBackend(koffi.value, functions.value, random)
  const fault = selfTest(backend)
  if (fault !== undefined)
    return err({ code: 'self-test', message: `${found.value.name} failed its self-test: ${fault}` })
  return ok(backend)
}

function findKoffi(require: (name: string) => unknown): Result<Foreign, NativeUnavailable> {
  try {
    const koffi = require('koffi') as Foreign
    if (koffi.version.startsWith(KOFFI_MAJOR)) return ok(koffi)
    return err({ code: 'no-koffi', message: `koffi ${koffi.version} is not known here: npm install koffi@3` })
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message.split('\n', 1)[0] : String(cause)
    return err({ code: 'no-koffi', message: `koffi could not be loaded (npm install koffi@3): ${reason}` })
  }
}

function findLibrary(
  koffi: Foreign,
  library: string | undefined,
): Result<{ readonly name: string; readonly library: ForeignLibrary }, NativeUnavailable> {
  const names = library === undefined ? (LIBRARIES[process.platform] ?? []) : [library]
  const refusals: string[] = []
  for (const name of names) {
    try {
      return ok({ name, library: koffi.load(name) })
    } catch (cause) {
      refusals.push(`${name}: ${cause instanceof Error ? cause.message : String(cause)}`)
    }
  }
  const advice =
    'libsecp256k1 is not installed (on Debian 12: apt-get install libsecp256k1-1; elsewhere: apt-cache search libsecp256k1)'
  return err({ code: 'no-library', message: [advice, ...refusals].join('; ') })
}

function bind(library: ForeignLibrary, name: string): Result<Secp256k1, NativeUnavailable> {
  const pointers = (count: number): string[] => Array<string>(count).fill('void *')
  const returnsInt = <F>(symbol: string, args: readonly string[]): F =>
    library.func(`secp256k1_${symbol}`, 'int', args) as F
  try {
    return ok({
      contextCreate: library.func('secp256k1_context_create', 'void *', [
        'unsigned int',
      ]) as Secp256k1['contextCreate'],
      contextRandomize: returnsInt('context_randomize', pointers(2)),
      keypairCreate: returnsInt('keypair_create', pointers(3)),
      keypairSecret: returnsInt('keypair_sec', pointers(3)),
      keypairPublic: returnsInt('keypair_xonly_pub', pointers(4)),
      publicParse: returnsInt('ec_pubkey_parse', [...pointers(3), 'size_t']),
      publicToXOnly: returnsInt('xonly_pubkey_from_pubkey', pointers(4)),
      xOnlySerialize: returnsInt('xonly_pubkey_serialize', pointers(3)),
      sign: returnsInt('schnorrsig_sign32', pointers(5)),
      verify: returnsInt('schnorrsig_verify', [...pointers(3), 'size_t', 'void *']),
      ecdh: returnsInt('ecdh', pointers(6)),
    })
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    return err({
      code: 'other-library',
      message: `${name} lacks a function (it must be 0.2 or newer, with schnorrsig, extrakeys and ecdh): ${reason}`,
    })
  }
}
