/**
 * The host's own primitives where there is no Node: none that are synchronous.
 * Never imports a Node module.
 */

import type { HostPrimitives } from './host-primitives.ts'

const NONE: HostPrimitives = { name: '' }

export function hostPrimitives(): HostPrimitives {
  return NONE
}
