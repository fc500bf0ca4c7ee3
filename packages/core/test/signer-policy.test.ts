import { describe, expect, it } from 'vitest'
import { acceptOffer, addOffer } from '../src/admission.ts'
import { SESSION_PENDING } from '../src/limits.ts'
import type { JsonValue, Judge, JudgedRequest } from '../src/port.ts'
import type { SignerContext } from '../src/remote-signer.ts'
import { CLIENT, FRIEND, hexId, ONE, SECRET, SIGNER, START, STRANGER, templateText, USER } from './cast.ts'
import { countingJudge, isNote, NOTES_AT_FIRST, ONE_MORE } from './counting-judge.ts'
import { answers, offeringBench, offerOf, openBench, type SignerBench, signerKinds } from './signer-bench.ts'

const note = (bench: SignerBench, id: string) =>
  signerKinds(bench.request(id, 'sign_event', [templateText(1, id)]))

/** A judge, and what it was asked. */
function watched(judge: Judge = countingJudge()) {
  const judged: JudgedRequest[] = []
  const approved: { readonly request: JudgedRequest; readonly remember: JsonValue | null }[] = []
  const watching: Judge = {
    judge: (request) => {
      judged.push(request)
      return judge.judge(request)
    },
    approve: (request, remember) => {
      approved.push({ request, remember })
      return judge.approve(request, remember)
    },
    facts: judge.facts,
  }
  return { judge: watching, judged, approved }
}

const withJudge = (context: Partial<SignerContext> = {}) => {
  const { judge, ...seen } = watched()
  return { bench: openBench([], { judge, ...context }), ...seen }
}

describe('A session with a judge', () => {
  it('does what the judge allows, counts it in the same step, and says by which rule', () => {
    const { bench, judged } = withJudge()
    for (let use = 1; use <= NOTES_AT_FIRST; use++) {
      expect(note(bench, `n${use}`)).toEqual(['perform sign_event'])
      expect(bench.session().policy).toEqual({ left: NOTES_AT_FIRST - use })
      expect(bench.session().pending[`n${use}`]?.rule).toBe('notes')
    }
    expect(note(bench, 'over')).toEqual(['ask operation'])
    expect(bench.session().pending['over']).toMatchObject({ rule: null, denial: 'denied: ask first' })
    expect(judged[0]).toEqual({
      ...{ clientPubkey: CLIENT, userPubkey: USER, granted: [], policy: null, relay: ONE, now: START },
      operation: { method: 'sign_event', template: JSON.parse(templateText(1, 'n1')) },
    })
  })

  it('asks the judge instead of the grants, and shows it the grants', () => {
    const { judge, judged } = watched()
    const granted = [{ method: 'nip44_encrypt' }, { method: 'nip44_decrypt' }]
    const bench = openBench(granted, { judge })
    expect(signerKinds(bench.request('e', 'nip44_encrypt', [FRIEND, 'x']))).toEqual(['ask operation'])
    expect(signerKinds(bench.request('d', 'nip44_decrypt', [FRIEND, 'x']))).toEqual([
      'd! denied: this policy lets nobody read',
      'refused nip44_decrypt',
    ])
    expect(judged.map((request) => request.granted)).toEqual([granted, granted])
  })

  it('answers a no of the judge with its error, and says which rule it was', () => {
    const { bench } = withJudge()
    const outputs = bench.request('d', 'nip04_decrypt', [FRIEND, 'x'])
    expect(outputs[1]).toEqual({
      ...{ type: 'refused', id: 'd', error: 'denied: this policy lets nobody read', rule: 'no reading' },
      operation: { method: 'nip04_decrypt', peer: FRIEND, ciphertext: 'x' },
    })
    expect(bench.session().policy).toBeNull()
  })

  it('never shows the judge what is never allowed', () => {
    const { bench, judged } = withJudge({ isClientPubkey: (pubkey) => pubkey === STRANGER })
    const year = START / 1_000 + 366 * 86_400
    expect(signerKinds(bench.request('p', 'nip44_encrypt', [STRANGER, 'x']))[1]).toBe('refused nip44_encrypt')
    for (const [kind, at] of [
      [24_133, START / 1_000],
      [14, START / 1_000],
      [1, year + 1],
    ] as const) {
      const outputs = bench.request(`k${kind}`, 'sign_event', [templateText(kind, 'x', at)])
      expect(outputs[1]).toMatchObject({ type: 'refused', rule: null })
    }
    expect(judged).toEqual([])
    expect(signerKinds(bench.request('y', 'sign_event', [templateText(1, 'x', year)]))).toEqual([
      'perform sign_event',
    ])
  })

  it('asks about nip44_get_key each time, whatever the judge allows and is told to remember', () => {
    const { bench, approved } = withJudge({ nip44GetKey: true })
    for (const id of ['one', 'two']) {
      expect(signerKinds(bench.request(id, 'nip44_get_key', [FRIEND]))).toEqual(['ask operation'])
      bench.decide(id, { allow: true, remember: ONE_MORE })
    }
    expect(approved.map(({ remember }) => remember)).toEqual([null, null])
  })

  it('lets the judge remember a yes, and a no if there is something to remember', () => {
    const { bench, approved } = withJudge()
    const ask = (id: string) => bench.request(id, 'nip44_encrypt', [FRIEND, id])
    ask('yes')
    expect(signerKinds(bench.decide('yes', { allow: true, remember: ONE_MORE }))).toEqual([
      'perform nip44_encrypt',
    ])
    expect(bench.session().policy).toEqual({ left: NOTES_AT_FIRST + 1 })
    ask('plain yes')
    bench.decide('plain yes', { allow: true })
    ask('no')
    expect(answers(bench.decide('no', { allow: false }))).toEqual(['no! denied: ask first'])
    expect(bench.session().policy).toEqual({ left: NOTES_AT_FIRST + 1 })
    ask('never')
    bench.decide('never', { allow: false, remember: ONE_MORE })
    expect(bench.session().policy).toEqual({ left: NOTES_AT_FIRST + 2 })
    expect(approved.map(({ request, remember }) => [request.operation, remember])).toEqual(
      [
        ['yes', ONE_MORE],
        ['plain yes', null],
        ['never', ONE_MORE],
      ].map(([plaintext, remember]) => [{ method: 'nip44_encrypt', peer: FRIEND, plaintext }, remember]),
    )
  })

  it('judges a repeated request once', () => {
    const { bench, judged } = withJudge()
    note(bench, 'n')
    note(bench, 'n')
    bench.complete('n', 'signed')
    note(bench, 'n')
    expect(judged).toHaveLength(1)
    expect(bench.session().policy).toEqual({ left: NOTES_AT_FIRST - 1 })
  })

  it('counts nothing for a request that there is no room for', () => {
    const counting = countingJudge()
    const judge: Judge = {
      ...counting,
      judge: (request) =>
        isNote(request)
          ? counting.judge(request)
          : { effect: 'allow', rule: 'anything', policy: request.policy },
    }
    const { bench } = withJudge({ judge })
    for (let i = 0; i < SESSION_PENDING; i++) bench.request(`a${i}`, 'nip44_encrypt', [FRIEND, 'x'])
    expect(note(bench, 'n')).toEqual(['n! rate-limited: too many pending requests'])
    expect(bench.session().policy).toBeNull()
  })

  it('forgets nothing in a restart: counters and rules are part of the session', () => {
    const { bench } = withJudge()
    note(bench, 'one')
    bench.restart()
    note(bench, 'two')
    expect(bench.session().policy).toEqual({ left: NOTES_AT_FIRST - 2 })
    expect(bench.session().pending['one']?.rule).toBe('notes')
  })
})

describe('The policy of a session', () => {
  const policy = { left: 1 }

  it('comes from its token', () => {
    const bench = openPolicyBench(policy)
    expect(note(bench, 'one')).toEqual(['perform sign_event'])
    expect(note(bench, 'two')).toEqual(['ask operation'])
  })

  it('comes from the yes to its pairing, if that names one', () => {
    for (const [verdict, expected] of [
      [{ allow: true, policy: { left: 9 } }, { left: 9 }],
      [{ allow: true, policy: null }, null],
      [{ allow: true }, policy],
    ] as const) {
      const bench = offeringBench({ approval: 'ask', policy }, { judge: countingJudge() })
      bench.request('c', 'connect', [SIGNER, SECRET])
      bench.pair(verdict)
      expect(bench.session().policy).toEqual(expected)
    }
  })

  it('comes from the acceptance of a nostrconnect:// offer', () => {
    const offer = {
      ...{ clientPubkey: CLIENT, relays: [ONE], secret: SECRET, permissions: [], rejectedPerms: [] },
      ...{ wildcard: false, metadata: {}, extras: [] },
    }
    const request = {
      ...{ offer, signerPubkey: SIGNER, userPubkey: USER, relays: [], granted: [], id: hexId(1) },
    }
    expect(acceptOffer(request, START).policy).toBeNull()
    expect(acceptOffer({ ...request, policy }, START).policy).toEqual(policy)
  })

  it('stays when the client connects with one more token, so that nothing that was counted is lost', () => {
    const bench = openPolicyBench(policy)
    note(bench, 'one')
    bench.admission = addOffer(bench.admission, 'other', offerOf({ policy: { left: 100 } }))
    expect(answers(bench.request('again', 'connect', [SIGNER, 'other']))).toEqual(['again: ack'])
    expect(bench.session().policy).toEqual({ left: 0 })
    const bare = openBench([], { judge: countingJudge() })
    bare.admission = addOffer(bare.admission, 'other', offerOf({ policy }))
    bare.request('again', 'connect', [SIGNER, 'other'])
    expect(bare.session().policy).toEqual(policy)
  })

  it('can be set while it stands, and not after its end', () => {
    const bench = openPolicyBench(policy)
    expect(bench.feed({ type: 'set-policy', policy: { left: 2 } })).toEqual([])
    expect(bench.session().policy).toEqual({ left: 2 })
    bench.feed({ type: 'revoke' })
    expect(signerKinds(bench.feed({ type: 'set-policy', policy }))).toEqual(['ignored session/ended'])
    expect(bench.session().policy).toEqual({ left: 2 })
  })

  it('changes nothing for a session without a judge', () => {
    const bench = openBench([{ method: 'sign_event', kind: 1 }])
    bench.feed({ type: 'set-policy', policy: { left: 0 } })
    expect(note(bench, 'n')).toEqual(['perform sign_event'])
    expect(bench.session().pending['n']?.rule).toBeNull()
    expect(bench.session().policy).toEqual({ left: 0 })
  })

  function openPolicyBench(given: JsonValue): SignerBench {
    const bench = offeringBench({ policy: given }, { judge: countingJudge() })
    expect(answers(bench.request('c', 'connect', [SIGNER, SECRET]))).toEqual(['c: ack'])
    return bench
  }
})
