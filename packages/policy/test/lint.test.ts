import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  createJudge,
  type Finding,
  limits,
  lint,
  parseCeilings,
  parsePolicy,
  sessionPolicy,
} from '../src/index.ts'
import { operation, rawRules } from './arbitrary.ts'
import { ask, NOW, NOW_SECONDS, policyOf } from './world.ts'

function codes(grants: string, ceilings = ''): readonly string[] {
  return find(grants, ceilings).map(({ level, where, code }) => `${level} ${where} ${code.slice(5)}`)
}

function find(grants: string, ceilings = ''): readonly Finding[] {
  const parsed = parseCeilings(ceilings)
  if (!parsed.ok) throw new Error(parsed.error.message)
  return lint(policyOf(grants), NOW, { ceilings: parsed.value })
}

describe('lint', () => {
  it.each([
    ['sign_event:1|7[max=3],nip44_decrypt:follows,deny:@money'],
    ['sign_event:1[max=3;notify],sign_event:1|7'],
    ['sign_event:27235[url=https://a.b/c/*],sign_event:22242[relay=list:relays]'],
    ['@dm.read[max=200/1d],@dm.write,@self'],
    ['ask:sign_event:1,sign_event:1[max=3]'],
    ['deny:sign_event:1[len<=3],sign_event:1'],
    ['nip44_decrypt:follows,deny:@dm.read'],
    ['sign_event:20-22'],
    [''],
  ])('finds nothing in %s', (grants) => {
    expect(codes(grants)).toEqual([])
  })

  it.each([
    // A denial takes all of it: alone, with others, in another order.
    ['sign_event:1,deny:sign_event', ['error rules[0] shadowed']],
    ['deny:@social,sign_event:1|7[max=1]', ['error rules[1] shadowed']],
    ['sign_event:1|7,deny:sign_event:1,deny:sign_event:7', ['error rules[0] shadowed']],
    ['ask:sign_event:5,deny:@destructive', ['error rules[0] shadowed']],
    ['nip44_decrypt:follows[max=1],deny:nip44_decrypt', ['error rules[0] shadowed']],
    ['@dm.read:follows,deny:@dm.read', ['error rules[0] shadowed']],
    ['sign_event:1,ask:sign_event:1', ['error rules[1] shadowed']],
    // Beside what is wider.
    ['sign_event:1|7,sign_event:1[max=3]', ['warning rules[1] redundant']],
    ['sign_event:1[max=3],sign_event:1|7', ['warning rules[0] redundant']],
    ['sign_event:1[max=3;notify],@social,sign_event:7[notify]', ['warning rules[2] redundant']],
    [
      'sign_event:1|7,sign_event:1,sign_event:7',
      ['warning rules[1] redundant', 'warning rules[2] redundant'],
    ],
    ['deny:@money,deny:sign_event:9734', ['warning rules[1] redundant']],
    // What is over, or fits nothing.
    [`sign_event:1[until=${new Date(NOW).toISOString().slice(0, 19)}Z]`, ['error rules[0] expired']],
    ['sign_event:14|1059', ['error rules[0] never-holds']],
    ['@admin', ['error rules[0] never-holds']],
    ['sign_event:1[url=https://a.b/c/*]', ['error rules[0] never-holds']],
    ['sign_event:1[relay=wss://a.b]', ['error rules[0] never-holds']],
    ['sign_event:1[http=GET]', ['error rules[0] never-holds']],
    ['sign_event:1[amount<=5]', ['error rules[0] never-holds']],
    ['sign_event:1[tag.e=a;notag.e]', ['error rules[0] never-holds']],
    ['sign_event:1[content=hello;len<=4]', ['error rules[0] never-holds']],
    ['@dm.read[links<=1]', ['error rules[0] never-holds']],
    ['get_public_key', ['warning rules[0] not-judged']],
    // Less, or more, than it seems.
    ['sign_event', ['warning rules[0] every-kind', 'warning rules[0] authority-left-out']],
    ['sign_event:3-6', ['warning rules[0] authority-left-out']],
    ['sign_event:3-6,sign_event:3|5', ['warning rules[1] authority-unlimited']],
    ['sign_event:3-6,sign_event:3|5[max=5/1d]', []],
    ['@graph', ['warning rules[0] authority-unlimited']],
    ['@graph[shrink<=5%]', []],
    ['sign_event:5,ask:sign_event:5', ['warning rules[0] authority-unlimited', 'error rules[1] shadowed']],
    ['sign_event:1|5,deny:sign_event:5', []],
    ['nip44_get_key', ['warning rules[0] always-asked']],
    ['nip44_decrypt', ['warning rules[0] unlimited-decrypt']],
    ['nip04_decrypt[until=9999-01-01T00:00Z]', ['warning rules[0] unlimited-decrypt']],
    ['@dm.read', ['warning rules[0] unlimited-decrypt']],
    ['sign_event:27235', ['warning rules[0] any-address']],
    ['@auth.http', ['warning rules[0] any-address']],
    ['sign_event:27235[url=https://a.b/*]', ['warning rules[0] any-address']],
    ['sign_event:27235[url=https://a.b/*;http=GET]', []],
    ['@auth.relay', ['warning rules[0] any-address']],
  ])('%s: %j', (grants, expected) => {
    expect(codes(grants)).toEqual(expected)
  })

  it('looks up to the ceilings', () => {
    expect(codes('sign_event:9734', 'ask:@money')).toEqual(['warning rules[0] capped'])
    expect(codes('sign_event:9734,sign_event:1', 'deny:@money')).toEqual(['error rules[0] shadowed'])
    expect(codes('sign_event:9734|1', 'ask:@money')).toEqual([])
    const own = policyOf('sign_event:1', { ceilings: [{ effect: 'ask', category: 'social' }] })
    expect(lint(own, NOW)).toMatchObject([{ code: 'lint/capped', where: 'rules[0]' }])
  })

  it('knows that a policy is over', () => {
    expect(lint(policyOf('sign_event:1', { expiresAt: NOW_SECONDS }), NOW)).toMatchObject([
      { level: 'error', where: 'expiresAt' },
    ])
    expect(lint(policyOf('sign_event:1', { expiresAt: NOW_SECONDS + 1 }), NOW)).toEqual([])
  })

  it('says what is in the way, and what to do', () => {
    expect(find('sign_event:1|7,deny:sign_event:1,deny:sign_event:7')).toEqual([
      {
        code: 'lint/shadowed',
        level: 'error',
        where: 'rules[0]',
        words:
          'sign_event:1|7 never comes up: deny:sign_event:1 with deny:sign_event:7 denies all of it, and a denial always wins.',
        fix: 'Remove one of them, or let the denial name less.',
      },
    ])
  })

  it('is right: without a rule that it calls an error, everything is judged as before', () => {
    const judge = createJudge()
    const asked = fc.array(operation, { minLength: 1, maxLength: 8 })
    let errors = 0
    fc.assert(
      fc.property(rawRules, asked, (rules, operations) => {
        const parsed = parsePolicy({ rules })
        fc.pre(parsed.ok)
        if (!parsed.ok) return
        for (const { level, where } of lint(parsed.value, NOW)) {
          if (level !== 'error') continue
          errors++
          const index = Number(/^rules\[(\d+)\]$/.exec(where)?.[1])
          const less = { ...parsed.value, rules: parsed.value.rules.filter((_, i) => i !== index) }
          for (const one of operations) {
            const before = judge.judge(ask(one, sessionPolicy(parsed.value, NOW)))
            const after = judge.judge(ask(one, sessionPolicy(less, NOW)))
            expect(after.effect).toBe(before.effect)
          }
        }
      }),
      { numRuns: 1_000 },
    )
    expect(errors).toBeGreaterThan(50)
  })

  it('says what a grant that is over still does beside a preset', () => {
    const over = policyOf('sign_event:1[until=2020-01-01T00:00Z]', { preset: 'standard' })
    expect(lint(over, NOW)[0]?.words).toBe(
      'sign_event:1[until=2020-01-01T00:00Z] is over. It still keeps the preset from allowing what it names.',
    )
  })

  it('gets through a policy that is as large as they get', () => {
    const rules = Array.from({ length: limits.RULES }, (_, i) => ({
      method: 'sign_event',
      kinds: Array.from({ length: limits.TERMS }, (_, j) => 40_000 + 2 * (i * limits.TERMS + j)),
      length: i,
    }))
    const parsed = parsePolicy({ rules })
    if (!parsed.ok) throw new Error(parsed.error.message)
    expect(lint(parsed.value, NOW)).toEqual([])
  })
})
