import { describe, expect, it } from 'vitest'
import { addOffer } from '../src/admission.ts'
import type { SignerOutput } from '../src/remote-signer.ts'
import { templateId } from '../src/template.ts'
import type { Pubkey } from '../src/value.ts'
import { START } from './cast.ts'
import { type CorpusRow, corpusKeys, corpusRows, hasShared } from './shared.ts'
import { answerText, benchSigner, offerOf, type SignerBench } from './signer-bench.ts'

const SUITE = 'request texts of the corpus (areas F and G) at the remote signer’s machines'
const here = hasShared(SUITE)
const keys = here ? corpusKeys() : {}
/** The secret of the corpus' token. */
const TOKEN = 's3cret'
/** Rows that only a key can answer. */
const NEED_A_KEY = ['G94', 'G96']

function key(name: string): Pubkey {
  return (keys[name]?.pk ?? '') as Pubkey
}

/** A connected session that may sign any kind and encrypt; for rows about connect, or strangers, one token and no session. */
function benchFor(row: CorpusRow): SignerBench {
  const bench = benchSigner()
  const methods = ['sign_event', 'nip44_encrypt', 'nip44_decrypt', 'nip04_encrypt', 'nip04_decrypt']
  const granted = methods.map((method) => ({ method }))
  const facts = { signerPubkey: key('signer'), userPubkey: key('user'), granted }
  bench.admission = addOffer(bench.admission, TOKEN, offerOf(facts))
  if (row.name.startsWith('connect') || row.expect.given === 'unknown client') return bench
  bench.request('c', 'connect', [key('signer'), TOKEN], carrier)
  return bench
}

const carrier = { from: key('client'), to: key('signer') }

/** The answer as text, or what was handed out instead; a question is answered with no. */
function play(row: CorpusRow): {
  readonly said: string
  readonly output: SignerOutput | undefined
  readonly bench: SignerBench
} {
  const bench = benchFor(row)
  const client = key('client')
  const [first] = bench.hear(row.text, carrier)
  const output = first?.type === 'ask' ? bench.decide(first.id, { allow: false }, client)[0] : first
  const { last } = bench
  if (output?.type === 'send') return { said: answerText(output.text), output, bench }
  if (output?.type === 'ignored') return { said: `drop ${output.reason}`, output, bench }
  if (last?.reply !== undefined) return { said: answerText(last.reply), output, bench }
  return {
    said: last?.dropped === undefined ? (output?.type ?? 'nothing') : `drop ${last.dropped}`,
    output,
    bench,
  }
}

describe.skipIf(!here)(SUITE, () => {
  const rows = here ? [...corpusRows('F'), ...corpusRows('G')] : []
  const known = rows.filter(({ id }) => !NEED_A_KEY.includes(id))

  it(`has all rows but ${NEED_A_KEY.join(' and ')}, which need a key`, () => {
    expect(known.length).toBe(rows.length - NEED_A_KEY.length)
    expect(known.length).toBeGreaterThan(90)
  })

  it.each(known.map((row) => [row.id, row.name, row] as const))('%s %s', (_, __, row) => {
    const { said, output, bench } = play(row)
    const { drop, reply_error, ok, any, policy_sees } = row.expect
    if (drop !== undefined) return expect(said).toBe(`drop ${drop}`)
    if (reply_error !== undefined) return expect(said.replace(/^.*?! /s, '')).toBe(reply_error)
    if (any !== undefined) {
      const allowed = any.map((words) => words.replace(/^reply /, ''))
      return expect(
        allowed.some((words) => said.includes(words)),
        said,
      ).toBe(true)
    }
    if (policy_sees !== undefined) {
      return expect(output).toMatchObject({ operation: { template: { kind: policy_sees } } })
    }
    if (output?.type === 'perform') {
      const { operation } = output
      if (operation.method === 'sign_event') {
        const id = templateId(operation.template, key('user'))
        expect({ id, ...ok }).toMatchObject({ id: ok?.['id'] ?? id })
        expect(Object.keys(operation.template).sort()).toEqual(['content', 'created_at', 'kind', 'tags'])
      }
      return expect(reply_error).toBeUndefined()
    }
    expect(ok, `a row that expects ${JSON.stringify(row.expect)}`).toBeDefined()
    if (ok?.['result'] !== undefined) expect(said.replace(/^.*?: /s, '')).toBe(ok['result'])
    if (ok?.['id'] !== undefined) expect(said.startsWith(`${ok['id']}: `)).toBe(true)
    if ('metadata' in (ok ?? {})) expect(bench.session(key('client')).metadata).toEqual(ok?.['metadata'])
    expect(({} as { readonly admin?: boolean }).admin).toBeUndefined()
    expect(bench.now).toBe(START)
  })
})
