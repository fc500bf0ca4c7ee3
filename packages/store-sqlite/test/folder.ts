/**
 * A new store in a folder of its own, and the seal of the tests.
 * Never the folder of another test.
 */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createSeal, type DestructibleSeal } from '@nip46/crypto/seal'
import { onTestFinished } from 'vitest'

export function testSeal(fill = 7): DestructibleSeal {
  return createSeal(new Uint8Array(32).fill(fill))
}

/** A path in a folder that goes with the test. */
export function testFile(): string {
  const folder = mkdtempSync(join(tmpdir(), 'store-sqlite-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return join(folder, 'signer.db')
}
