/** A socket whose other end is the test: what was sent, and frames to receive. */

import { CLOSE_NORMAL, type OpenSocket, type SocketListener } from '../src/socket.ts'

export interface FakeSocket {
  readonly url: string
  /** Frames the link sent, parsed. */
  readonly sent: readonly (readonly unknown[])[]
  readonly pings: number
  readonly closeCodes: readonly number[]
  readonly terminated: boolean
  /** What `buffered()` says. */
  backlog: number
  open(): void
  /** Receives a frame. */
  get(...frame: readonly unknown[]): void
  getText(text: string | undefined): void
  pong(): void
  end(reason?: string): void
  /** Frames of one verb. */
  frames(verb: string): readonly (readonly unknown[])[]
  allows(host: string, ip: string): boolean
}

export interface FakeSockets {
  readonly openSocket: OpenSocket
  readonly all: readonly FakeSocket[]
  readonly last: FakeSocket
}

/** `canPing` is whether the sockets have a ping, as on Node. */
export function fakeSockets(canPing = true): FakeSockets {
  const all: FakeSocket[] = []
  const openSocket: OpenSocket = (url, listener: SocketListener, { allowAddress }) => {
    const sent: (readonly unknown[])[] = []
    const closeCodes: number[] = []
    let pings = 0
    let terminated = false
    const fake: FakeSocket = {
      url,
      sent,
      closeCodes,
      backlog: 0,
      get pings() {
        return pings
      },
      get terminated() {
        return terminated
      },
      open: () => listener.onOpen(),
      get: (...frame) => listener.onMessage(JSON.stringify(frame)),
      getText: (text) => listener.onMessage(text),
      pong: () => listener.onPong(),
      end: (reason = 'closed (1006)') => listener.onEnd(reason),
      frames: (verb) => sent.filter(([first]) => first === verb),
      allows: allowAddress,
    }
    all.push(fake)
    const socket = {
      send: (text: string) => {
        sent.push(JSON.parse(text))
      },
      buffered: () => fake.backlog,
      close: () => {
        closeCodes.push(CLOSE_NORMAL)
      },
      terminate: () => {
        terminated = true
      },
    }
    if (!canPing) return socket
    return {
      ...socket,
      ping: () => {
        pings += 1
      },
    }
  }
  return {
    openSocket,
    all,
    get last() {
      const socket = all.at(-1)
      if (socket === undefined) throw new Error('nobody dialled')
      return socket
    },
  }
}
