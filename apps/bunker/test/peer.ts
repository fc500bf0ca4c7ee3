/**
 * A peer program in a process of its own, spoken to in lines of JSON.
 * Never outlives its test: `stop` ends it, however it feels.
 */

import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

export interface PeerMessage {
  readonly type: string
  readonly [member: string]: unknown
}

export interface Peer {
  /** The next message; rejects after `ms`, or with the peer's words if it failed. */
  next(ms?: number): Promise<PeerMessage>
  send(message: unknown): void
  stop(): void
}

export function startPeer(file: string, ...args: readonly string[]): Peer {
  const path = fileURLToPath(new URL(`./peer/${file}`, import.meta.url))
  const child = spawn(process.execPath, [path, ...args], { stdio: ['pipe', 'pipe', 'pipe'] })
  let errors = ''
  child.stderr.on('data', (chunk) => {
    errors = `${errors}${chunk}`.slice(-4_000)
  })
  const queue: PeerMessage[] = []
  const waiting: ((message: PeerMessage) => void)[] = []
  const push = (message: PeerMessage): void => {
    const take = waiting.shift()
    if (take === undefined) queue.push(message)
    else take(message)
  }
  createInterface({ input: child.stdout }).on('line', (line) => push(JSON.parse(line)))
  child.on('exit', (code) => push({ type: 'exit', code, errors }))
  return {
    next: async (ms = 60_000) => {
      const message =
        queue.shift() ??
        (await new Promise<PeerMessage>((resolve, reject) => {
          const timer = setTimeout(
            () => reject(new Error(`${file} said nothing for ${ms} ms\n${errors}`)),
            ms,
          )
          waiting.push((heard) => {
            clearTimeout(timer)
            resolve(heard)
          })
        }))
      if (message.type === 'failed') throw new Error(`${file}: ${String(message['message'])}\n${errors}`)
      return message
    },
    send: (message) => void child.stdin.write(`${JSON.stringify(message)}\n`),
    stop: () => void child.kill('SIGKILL'),
  }
}
