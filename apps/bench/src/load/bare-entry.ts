/**
 * A thread that answers one request over and over, alone: no transport, no session, no store.
 * Never shares anything with another: what two of them do together is what the machine can do.
 */

import { parentPort, workerData } from 'node:worker_threads'
import { pooledRandom } from '@nip46/crypto'
import { createFixture } from '../scenario/fixture.ts'
import { loadBackend } from '../subject/backends.ts'
import { ownSubject } from '../subject/own.ts'

const { backend } = workerData as { readonly backend: string }
const random = pooledRandom()
const loaded = await loadBackend(backend)
const { keys, request, client, note } = await createFixture(loaded, random, 1)
const subject = await ownSubject(loaded, keys, random)
if (!client.accepts(subject.answer(request), note)) throw new Error('the bare request is not answered')

/** Told for how many milliseconds; says how many requests it answered. */
parentPort?.on('message', (ms: number) => {
  const began = performance.now()
  let answered = 0
  while (performance.now() - began < ms) {
    for (let i = 0; i < 8; i++) subject.answer(request)
    answered += 8
  }
  parentPort?.postMessage((answered * 1_000) / (performance.now() - began))
})
parentPort?.postMessage('ready')
