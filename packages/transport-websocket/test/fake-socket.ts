/** A socket whose other end is the test: what was sent, and frames to receive. */

import type { OpenSocket, Socket } from '../src/socket.ts'

export interface FakeSocket {
  readonly url: string
  /** Frames the link sent, parsed. */
  readonly sent: readonly (readonly unknown[])[]
  readonly pings: number
  /** Codes with which the link closed it. */
  readonly closeCodes: readonly (number | undefined)[]
  /** Bytes that have not left yet. */
  backlog: number
  open(): void
  /** Receives a frame. */
  get(...frame: readonly unknown[]): void
  /** Receives a message: a text, or whatever a binary one is. */
  getData(data: unknown): void
  pong(): void
  /** Ends, after an error with that message if there is one. */
  end(message?: string): void
  /** Frames of one verb. */
  frames(verb: string): readonly (readonly unknown[])[]
}

export interface FakeSockets {
  readonly openSocket: OpenSocket
  readonly all: readonly FakeSocket[]
  readonly last: FakeSocket
}

/** `canPing` is whether the sockets have a ping, as on Node. */
export function fakeSockets(canPing = true): FakeSockets {
  const all: FakeSocket[] = []
  const openSocket: OpenSocket = (url, { onPong }) => {
    const sent: (readonly unknown[])[] = []
    const closeCodes: (number | undefined)[] = []
    let pings = 0
    const socket: Socket = {
      binaryType: 'blob',
      get bufferedAmount() {
        return fake.backlog
      },
      onopen: null,
      onmessage: null,
      onclose: null,
      onerror: null,
      send: (text) => {
        sent.push(JSON.parse(text))
      },
      close: (code) => {
        closeCodes.push(code)
      },
    }
    const emit = (type: 'onopen' | 'onmessage' | 'onclose' | 'onerror', event: object): unknown =>
      (socket[type] as ((event: object) => unknown) | null)?.(event)
    const fake: FakeSocket = {
      url,
      sent,
      closeCodes,
      backlog: 0,
      get pings() {
        return pings
      },
      open: () => emit('onopen', {}),
      get: (...frame) => emit('onmessage', { data: JSON.stringify(frame) }),
      getData: (data) => emit('onmessage', { data }),
      pong: () => onPong(undefined),
      end: (message) => {
        emit('onerror', { message })
        emit('onclose', { code: 1006, reason: '' })
      },
      frames: (verb) => sent.filter(([first]) => first === verb),
    }
    all.push(fake)
    if (canPing) {
      socket.ping = () => {
        pings += 1
      }
    }
    return socket
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
