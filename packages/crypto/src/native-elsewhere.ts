/** The native backend where no libraries can be loaded. Never loads anything. */

import { err, type RandomBytes, type Result } from '@nip46/core'
import type { CurveBackend } from './backend.ts'
import type { NativeUnavailable } from './native-unavailable.ts'

export function openNative(_random: RandomBytes, _library?: string): Result<CurveBackend, NativeUnavailable> {
  return err({
    code: 'not-node',
    message: 'libsecp256k1 can only be loaded in Node: use another backend here',
  })
}
