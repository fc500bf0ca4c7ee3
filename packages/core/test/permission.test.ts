import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { PERMS, PERMS_CHARS } from '../src/limits.ts'
import {
  CRITICAL_KINDS,
  covers,
  encodePermissions,
  isCriticalKind,
  joinPermissions,
  NEVER_SIGNED_KINDS,
  neverSignedReason,
  type Permission,
  parsePermissions,
  type RequestedPermissions,
} from '../src/permission.ts'
import { UsageError } from '../src/value.ts'
import { mutations } from './mutation.ts'
import { hasShared, pickRows } from './shared.ts'

function parse(text: string): RequestedPermissions {
  const parsed = parsePermissions(text)
  if (!parsed.ok) throw new Error(parsed.error)
  return parsed.value
}

describe('A perms list', () => {
  it('is read as the specification shows', () => {
    expect(parse('nip44_encrypt,sign_event:4')).toEqual({
      permissions: [{ method: 'nip44_encrypt' }, { method: 'sign_event', kind: 4 }],
      rejected: [],
      wildcard: false,
    })
  })

  it('may be empty, spaced and repetitive', () => {
    expect(parse('')).toEqual({ permissions: [], rejected: [], wildcard: false })
    expect(parse(' ,, ')).toEqual({ permissions: [], rejected: [], wildcard: false })
    expect(parse('ping, ping ,sign_event:1,sign_event:1,x,x')).toEqual({
      permissions: [{ method: 'ping' }, { method: 'sign_event', kind: 1 }],
      rejected: ['x'],
      wildcard: false,
    })
  })

  it('keeps the lowest and the highest kind', () => {
    expect(parse('sign_event:0,sign_event:65535,sign_event:65536')).toEqual({
      permissions: [
        { method: 'sign_event', kind: 0 },
        { method: 'sign_event', kind: 65_535 },
      ],
      rejected: ['sign_event:65536'],
      wildcard: false,
    })
  })

  it('grants nothing that is unknown, a star, or has a parameter nobody defined', () => {
    const entries = [
      '*',
      'sign_event:*',
      'ping:1',
      'nip44_encrypt:',
      'PING',
      'get_public_key ',
      'frob',
      ':',
      ':1',
      'hasOwnProperty',
    ]
    expect(parse(entries.join(','))).toEqual({
      permissions: [{ method: 'get_public_key' }],
      rejected: entries.filter((entry) => entry !== 'get_public_key '),
      wildcard: false,
    })
  })

  it('says that a sign_event without a kind asks for everything', () => {
    expect(parse('sign_event:1,sign_event').wildcard).toBe(true)
  })

  it('shows rejected entries without anything invisible', () => {
    expect(parse('\u001b[31mfrob,evil\u202e\u200b,\u200b').rejected).toEqual(['[31mfrob', 'evil'])
  })

  it('ends at the limits of entries and characters', () => {
    const entries = Array.from({ length: PERMS + 1 }, (_, i) => `sign_event:${i}`)
    expect(parse(entries.slice(0, PERMS).join(',')).permissions).toHaveLength(PERMS)
    expect(parsePermissions(entries.join(','))).toEqual({ ok: false, error: 'too-many-perms' })
    expect(parse('x'.repeat(PERMS_CHARS)).rejected).toHaveLength(1)
    expect(parsePermissions('x'.repeat(PERMS_CHARS + 1))).toEqual({ ok: false, error: 'too-many-perms' })
  })

  it('survives 2,000 damaged texts', () => {
    let accepted = 0
    for (const text of mutations(
      ['sign_event:1,nip44_encrypt,sign_event:30023', 'connect,ping,nip04_decrypt'],
      2_000,
      7,
    )) {
      const parsed = parsePermissions(text)
      if (!parsed.ok) continue
      accepted += parsed.value.permissions.length
      expect(parse(encodePermissions(parsed.value.permissions)).permissions).toEqual(parsed.value.permissions)
    }
    expect(accepted).toBeGreaterThan(1_000)
  })
})

describe('Writing a perms list', () => {
  it('keeps the order and leaves repeats out', () => {
    expect(
      encodePermissions([
        { method: 'sign_event', kind: 4 },
        { method: 'ping' },
        { method: 'sign_event', kind: 4 },
      ]),
    ).toBe('sign_event:4,ping')
  })

  it.each<Permission>([
    { method: 'frob' },
    { method: 'ping', kind: 1 },
    { method: 'sign_event', kind: 65_536 },
    { method: 'sign_event', kind: -1 },
    { method: 'sign_event', kind: 1.5 },
    { method: 'sign_event', kind: Number.NaN },
    { method: 'ping,sign_event' },
    { method: '' },
  ])('throws on %j', (permission) => {
    expect(() => encodePermissions([permission])).toThrow(UsageError)
  })

  it('takes entries that are texts', () => {
    expect(joinPermissions(['sign_event:4', 'ping', 'sign_event:4'])).toBe('sign_event:4,ping')
    expect(() => joinPermissions(['ping', 'be_evil'])).toThrow(/not "be_evil"/)
    expect(() => joinPermissions(['ping,sign_event'])).toThrow(UsageError)
  })

  it('throws past the limit of entries', () => {
    const permissions = Array.from({ length: PERMS + 1 }, (_, kind) => ({ method: 'sign_event', kind }))
    expect(parse(encodePermissions(permissions.slice(1))).permissions).toEqual(permissions.slice(1))
    expect(() => encodePermissions(permissions)).toThrow(UsageError)
    const longest = permissions.slice(1).map(({ method, kind }) => ({ method, kind: 65_535 - kind }))
    expect(encodePermissions(longest).length).toBeLessThan(PERMS_CHARS)
  })
})

describe('A grant', () => {
  const granted: Permission[] = [{ method: 'sign_event', kind: 1 }, { method: 'nip44_encrypt' }]

  it('covers its own method and kind', () => {
    expect(covers(granted, 'sign_event', 1)).toBe('exact')
    expect(covers(granted, 'nip44_encrypt')).toBe('exact')
    expect(covers(granted, 'sign_event', 2)).toBe('none')
    expect(covers(granted, 'sign_event')).toBe('none')
    expect(covers(granted, 'nip44_decrypt')).toBe('none')
    expect(covers([], 'ping')).toBe('none')
  })

  it('without a kind covers every kind, but says so', () => {
    expect(covers([{ method: 'sign_event' }], 'sign_event', 7)).toBe('bare')
    expect(covers([{ method: 'sign_event' }, ...granted], 'sign_event', 1)).toBe('exact')
    expect(covers([{ method: 'sign_event' }], 'sign_event')).toBe('exact')
  })
})

describe('A kind', () => {
  it.each([0, 3, 5, 62, 10_002, 22_242, 24_133, 24_242, 27_235])('%d carries authority', (kind) => {
    expect(isCriticalKind(kind)).toBe(true)
  })

  it.each([1, 4, 6, 7, 1_111, 30_023])('%d is ordinary', (kind) => {
    expect(isCriticalKind(kind)).toBe(false)
    expect(neverSignedReason(kind)).toBeUndefined()
  })

  it.each([
    [14, 'NIP-59'],
    [15, 'NIP-59'],
    [1_059, 'NIP-59'],
    [9_735, 'NIP-57'],
    [24_133, 'NIP-46'],
  ])('%d is never signed, for %s', (kind, nip) => {
    expect(neverSignedReason(kind)).toBe(`kind ${kind} is never signed (${nip})`)
  })

  it('is in the tables or not, whatever the number', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 65_535 }), (kind) => {
        expect(isCriticalKind(kind)).toBe(CRITICAL_KINDS.includes(kind))
        expect(neverSignedReason(kind) !== undefined).toBe(NEVER_SIGNED_KINDS.includes(kind))
      }),
      { seed: 46, numRuns: 500 },
    )
  })
})

const inCorpus = hasShared('core: kinds of the corpus')

describe.skipIf(!inCorpus)('A kind of the corpus (../shared)', () => {
  const ids = ['G73', 'G74', 'G76', 'G77', 'G78', 'G79', 'G82', 'G83']
  it.each(inCorpus ? pickRows('G', ids).map((row) => [row.id, row.name, row] as const) : [])(
    '%s: %s',
    (_, __, row) => {
      const { params } = JSON.parse(row.text) as { params: [string] }
      const { kind } = JSON.parse(params[0]) as { kind: number }
      const bare = covers([{ method: 'sign_event' }], 'sign_event', kind) === 'bare'
      const refusal =
        bare && isCriticalKind(kind) ? `kind ${kind} needs its own grant` : neverSignedReason(kind)
      expect(`denied: ${refusal}`).toBe(row.expect.reply_error)
    },
  )
})
