/**
 * A remote signer for measuring clients: core's envelope and messages, no session, no policy, no store. It answers each request
 * of anybody as it comes, in less time than a client takes to ask: with a whole signer the fastest clients would wait for it.
 * Never a signer for people: it asks nobody.
 */

import { once } from 'node:events'
import {
  encodeEvent,
  encodeResponse,
  type KeyHandle,
  open,
  parseRequest,
  parseTemplate,
  type Request,
  type SignedEvent,
  seal,
} from '@nip46/core'
import { pooledRandom } from '@nip46/crypto'
import { WebSocket } from 'ws'
import { must } from '../../must.ts'
import { serve, usage } from '../../process/serve.ts'
import { loadBackend } from '../../subject/backends.ts'
import { type BunkerArgument, fromHex } from '../parties.ts'

serve({
  async start({ relay, backend, parties }: BunkerArgument) {
    const crypto = await (await loadBackend(backend)).create()
    const random = pooledRandom()
    const key = crypto.importKey(fromHex(parties.signer))
    const user = crypto.importKey(fromHex(parties.user))
    const seconds = (): number => Math.floor(Date.now() / 1_000)

    const sign = (text: string): string => {
      const unsigned = { ...must(parseTemplate(text, user.pubkey)), pubkey: user.pubkey }
      const id = crypto.eventId(unsigned)
      return JSON.stringify({ ...unsigned, id, sig: user.sign(id, random(32)) })
    }

    const answer = ({ id, method, params }: Request): string => {
      const okay = (result: string): string => encodeResponse({ type: 'result', id, result })
      if (method === 'connect') return okay('ack')
      if (method === 'get_public_key') return okay(user.pubkey)
      if (method === 'sign_event') return okay(sign(params[0] ?? ''))
      return encodeResponse({ type: 'error', id, error: `unsupported: ${method}` })
    }

    const hear = (event: SignedEvent): string => {
      const { from, text } = must(
        open(event, {
          crypto,
          key: (pubkey): KeyHandle | undefined => (pubkey === key.pubkey ? key : undefined),
          scheme: () => 'nip44',
          now: seconds(),
        }),
      )
      const message = { text: answer(must(parseRequest(text))), to: from, key, scheme: 'nip44' } as const
      return `["EVENT",${encodeEvent(must(seal({ ...message, createdAt: seconds() }, { crypto, random })))}]`
    }

    const socket = new WebSocket(relay, { perMessageDeflate: false })
    await once(socket, 'open')
    const listening = new Promise<void>((resolve) => {
      socket.on('message', (data) => {
        const frame = String(data)
        if (frame.startsWith('["EOSE"')) resolve()
        if (frame.startsWith('["EVENT"')) socket.send(hear(JSON.parse(frame)[2]))
      })
    })
    socket.send(JSON.stringify(['REQ', 'signer', { kinds: [24_133], '#p': [key.pubkey] }]))
    await listening
  },
  usage,
})
