/** A standard WebSocket whose other end is the test. */

import type { WebSocketLike } from '../src/index.ts'

export class FakeWebSocket implements WebSocketLike {
  /** Every socket of the test that runs, in order. */
  static all: FakeWebSocket[] = []

  readonly url: string
  binaryType = 'blob'
  bufferedAmount = 0
  sent: (readonly unknown[])[] = []
  closeCodes: (number | undefined)[] = []
  onopen: WebSocketLike['onopen'] = null
  onmessage: WebSocketLike['onmessage'] = null
  onclose: WebSocketLike['onclose'] = null
  onerror: WebSocketLike['onerror'] = null

  constructor(url: string) {
    if (url.includes('refused-by-the-host')) throw new SyntaxError('the host does not like this URL')
    this.url = url
    FakeWebSocket.all.push(this)
  }

  send(data: string): void {
    this.sent.push(JSON.parse(data))
  }

  close(code?: number): void {
    if (code !== undefined && code !== 1000 && (code < 3000 || code > 4999)) {
      throw new Error(`a standard socket may not close with ${code}`)
    }
    this.closeCodes.push(code)
  }

  open(): void {
    ;(this.onopen as (() => void) | null)?.()
  }

  get(...frame: readonly unknown[]): void {
    this.getData(JSON.stringify(frame))
  }

  getData(data: unknown): void {
    ;(this.onmessage as ((event: { data: unknown }) => void) | null)?.({ data })
  }

  end(code = 1006): void {
    ;(this.onerror as ((event: object) => void) | null)?.({})
    ;(this.onclose as ((event: { code: number; reason: string }) => void) | null)?.({ code, reason: '' })
  }

  frames(verb: string): readonly (readonly unknown[])[] {
    return this.sent.filter(([first]) => first === verb)
  }
}
