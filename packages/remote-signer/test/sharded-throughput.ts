/**
 * Requests in a second with one worker and with several, in turns:
 * `node --conditions=@nip46/source test/sharded-throughput.ts [backend] [workers] [rounds] [in flight]`.
 * Requests are signed before the clock starts and answers are only counted. Not part of the tests.
 */

import { availableParallelism, loadavg } from 'node:os'
import { Worker } from 'node:worker_threads'
import { autoCrypto, type BackendName } from '@nip46/crypto/auto'
import { createShardedSigner, type ShardedSigner } from '../src/sharded.ts'
import type { ShardData } from './shard-entry.ts'
import { type Client, createPipe, drive, RELAY, random, sealRequest, sealRequests } from './throughput.ts'

const [, , backend = 'tiny', workers = '2', rounds = '7', inFlight = '128'] = process.argv
const CLIENTS = 40
const COUNT = 1_000

const { crypto } = await autoCrypto()
const secret = random(32)

interface Rig {
  readonly signer: ShardedSigner
  run(round: number): Promise<Run>
}

interface Run {
  readonly rate: number
  /** How many cores this process got. */
  readonly cores: number
  /** Microseconds of CPU time for one request: the main thread's, and all of it. */
  readonly mainCpu: number
  readonly cpu: number
}

async function createRig(shards: number): Promise<Rig> {
  let listener = (): void => undefined
  const pipe = createPipe(() => listener())
  const workerData: ShardData = { backend: backend as BackendName, relays: [RELAY], userSecret: secret }
  const signer = createShardedSigner({
    shards,
    transport: pipe.transport,
    createWorker: () => new Worker(new URL('./shard-entry.ts', import.meta.url), { workerData }),
  })
  await signer.start()
  const listen = (each: () => void): void => {
    listener = each
  }
  const clients: Client[] = []
  for (let i = 0; i < CLIENTS; i++) {
    const { uri, remoteSigner } = await signer.offer({ granted: [{ method: 'sign_event' }] })
    const token = new URLSearchParams(uri.split('?')[1]).get('secret') ?? ''
    clients.push({ key: crypto.importKey(random(32)), to: remoteSigner, secret: token })
  }
  const connects = clients.map((client) =>
    sealRequest(crypto, client, 'connect', 'connect', [client.to, client.secret]),
  )
  await drive(connects, 20, pipe.push, listen)
  return {
    signer,
    async run(round) {
      const events = sealRequests(crypto, clients, COUNT, round)
      const before = process.cpuUsage()
      const main = process.threadCpuUsage()
      const took = await drive(events, Number(inFlight), pipe.push, listen)
      const { user, system } = process.cpuUsage(before)
      const own = process.threadCpuUsage(main)
      return {
        rate: (COUNT / took) * 1_000,
        cores: (user + system) / took / 1_000,
        mainCpu: (own.user + own.system) / COUNT,
        cpu: (user + system) / COUNT,
      }
    },
  }
}

const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[values.length >> 1] ?? 0
const rigs = [await createRig(1), await createRig(Number(workers))]
const runs: Run[][] = rigs.map(() => [])
for (let round = -1; round < Number(rounds); round++) {
  for (const [i, rig] of rigs.entries()) {
    const run = await rig.run(round)
    if (round >= 0) runs[i]?.push(run)
  }
}
const [one = [], many = []] = runs
const line = (name: string, of: readonly Run[]): string =>
  `${name}: ${median(of.map(({ rate }) => rate)).toFixed(0)} requests a second on ` +
  `${median(of.map(({ cores }) => cores)).toFixed(2)} cores, ${median(of.map(({ cpu }) => cpu)).toFixed(0)} us of CPU each, ` +
  `${median(of.map(({ mainCpu }) => mainCpu)).toFixed(0)} of them in the main thread\n`
const pairs = many.map(({ rate }, i) => rate / (one[i]?.rate ?? 1))
process.stdout.write(
  `${backend}, ${inFlight} in flight, ${rounds} rounds of ${COUNT} each, in turns, ${availableParallelism()} cores, ` +
    `load ${loadavg()[0]?.toFixed(1)}\n${line('1 worker', one)}${line(`${workers} workers`, many)}` +
    `ratio of pairs: median ${median(pairs).toFixed(2)}, ${Math.min(...pairs).toFixed(2)} to ${Math.max(...pairs).toFixed(2)}\n`,
)
for (const { signer } of rigs) await signer.close()
