import { describe, expect, it } from 'vitest'
import { fromPairing } from '../src/client.ts'
import { ONE, SIGNER, START, USER } from './cast.ts'
import { benchClient, type ClientBench, clientFacts, kinds, sentOne } from './client-bench.ts'

function pairedBench(): ClientBench {
  const { secret: _, ...facts } = clientFacts()
  return benchClient(fromPairing({ ...facts, remoteSigner: SIGNER }, START))
}

describe('A connection that was made elsewhere', () => {
  it('asks who the user is, without connecting again, and is ready', () => {
    const bench = pairedBench()
    const out = bench.live(ONE)
    const { id, to } = sentOne(out, 'get_public_key')
    expect(to).toBe(SIGNER)
    expect(kinds(out)).toEqual(['send get_public_key'])
    expect(kinds(bench.answer(id, USER))).toEqual(['ready', 'send switch_relays'])
    expect(bench.state).toMatchObject({ phase: 'ready', userPubkey: USER, secret: null })
  })

  it('fails if the remote signer does not know it', () => {
    const bench = pairedBench()
    const { id } = sentOne(bench.live(ONE), 'get_public_key')
    const out = bench.fail(id, 'unauthorized: not connected')
    expect(out).toMatchObject([
      { type: 'ended', failure: { code: 'remote/error', reason: 'session-invalid' } },
    ])
  })

  it('gives up when nobody answers', () => {
    const bench = pairedBench()
    bench.live(ONE)
    expect(kinds(bench.wait(65_000))).toContain('ended timeout/no-answer')
    expect(bench.state.phase).toBe('closed')
  })

  it('needs a seed', () => {
    const { secret: _, ...facts } = clientFacts({ seed: '' })
    expect(() => fromPairing({ ...facts, remoteSigner: SIGNER }, START)).toThrow(/32 random hex/)
  })
})
