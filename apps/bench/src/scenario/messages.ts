/**
 * NIP-44 at four sizes and NIP-04 at one, with a cached conversation.
 * Never encrypts what another implementation was not seen to read.
 */

import type { Case } from '../measure.ts'
import type { NativeLibrary } from '../subject/native-library.ts'
import type { Subject } from '../subject/subject.ts'
import { check } from './fixture.ts'

export const SIZES = [100, 1_024, 16_384, 65_535] as const
const LEGACY_SIZE = 1_024

/** 65,535 bytes is the most that NIP-44 v2 carries in its first form. */
function sizeLabel(bytes: number): string {
  return bytes < 1_024 ? `${bytes} B` : `${Math.round(bytes / 1_024)} KB`
}

function encryptScenario(bytes: number): string {
  return `nip44 encrypt ${sizeLabel(bytes)}`
}

function decryptScenario(bytes: number): string {
  return `nip44 decrypt ${sizeLabel(bytes)}`
}

/** `reader` is another implementation with the same keys. */
export function messageCases(
  subject: Subject,
  reader: Subject,
  sizes: readonly number[] = SIZES,
): readonly Case[] {
  const { name } = subject
  const base = { group: 'message', subject: name } as const
  const cases = sizes.flatMap((bytes): readonly Case[] => {
    const plaintext = 'm'.repeat(bytes)
    const payload = subject.encrypt(plaintext)
    check(reader.decrypt(payload) === plaintext, name, `write NIP-44 that ${reader.name} reads`)
    check(subject.decrypt(reader.encrypt(plaintext)) === plaintext, name, `read NIP-44 of ${reader.name}`)
    return [
      { ...base, scenario: encryptScenario(bytes), run: () => subject.encrypt(plaintext) },
      { ...base, scenario: decryptScenario(bytes), run: () => subject.decrypt(payload) },
    ]
  })
  const plaintext = 'm'.repeat(LEGACY_SIZE)
  const payload = subject.encryptLegacy(plaintext)
  check(reader.decryptLegacy(payload) === plaintext, name, `write NIP-04 that ${reader.name} reads`)
  const label = sizeLabel(LEGACY_SIZE)
  return [
    ...cases,
    { ...base, scenario: `nip04 encrypt ${label}`, run: () => subject.encryptLegacy(plaintext) },
    { ...base, scenario: `nip04 decrypt ${label}`, run: () => subject.decryptLegacy(payload) },
  ]
}

export function nativeMessageCases(
  library: NativeLibrary,
  sizes: readonly number[] = SIZES,
): readonly Case[] {
  const base = { group: 'message', subject: 'native bound' } as const
  const label = sizeLabel(LEGACY_SIZE)
  return [
    ...sizes.flatMap((bytes): readonly Case[] => [
      { ...base, scenario: encryptScenario(bytes), run: () => library.crypt(bytes) },
      { ...base, scenario: decryptScenario(bytes), run: () => library.crypt(bytes) },
    ]),
    { ...base, scenario: `nip04 encrypt ${label}`, run: () => library.cryptLegacy(LEGACY_SIZE) },
    { ...base, scenario: `nip04 decrypt ${label}`, run: () => library.cryptLegacy(LEGACY_SIZE) },
  ]
}
