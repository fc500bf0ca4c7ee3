/**
 * @nip46/remote-signer/sharded: connections spread over the workers of a Node program.
 * Never loads node:worker_threads: the host makes the workers and passes them in.
 */

export type { ShardEvent, ShardState, ShardWorker } from './shard.ts'
export type { ShardPort } from './shard-message.ts'
export { serveShard } from './shard-server.ts'
export {
  createShardedSigner,
  type ShardedSigner,
  type ShardedSignerOptions,
  type ShardStats,
} from './sharded-signer.ts'
