/** The QR code, read back by another project's reader. */

import { encodeNostrConnectUri, type Pubkey, type RelayUrl } from '@nip46/core'
import jsqr from 'jsqr'
import { expect, test } from 'vitest'
import { QR_CHARS } from '../src/limits.ts'
import { encodeQrCode } from '../src/qr-code.ts'

/** The package's types describe its CommonJS form; what is imported is the function itself. */
const readCode = jsqr as unknown as typeof jsqr.default

test.each(['short', 'long'])('a %s offer is read back from the drawn path', (length) => {
  const uri = encodeNostrConnectUri({
    clientPubkey: '1a311e267ca0a80e68e214832bd3e329272c2e97665658ef9f441b4f844fe5ed' as Pubkey,
    relays: ['wss://relay.example.com/', ...(length === 'long' ? manyRelays() : [])] as RelayUrl[],
    secret: '0123456789abcdef0123456789abcdef',
    perms: 'sign_event:1,nip44_encrypt',
    metadata: { name: 'Größe & Co', url: 'https://app.example' },
  })
  const code = encodeQrCode(uri)
  if (code === null) throw new Error('no code')
  const side = code.size * PIXELS
  expect(readCode(draw(code.path, side), side, side)?.data).toBe(uri)
})

test(`a text of ${QR_CHARS} characters makes a code, a longer one none`, () => {
  expect(encodeQrCode('x'.repeat(QR_CHARS))?.path).toMatch(/^M/)
  expect(encodeQrCode('x'.repeat(QR_CHARS + 1))).toBeNull()
})

const PIXELS = 4

function manyRelays(): string[] {
  return Array.from({ length: 9 }, (_, index) => `wss://relay-${index}.example.com/`)
}

/** Fills the path's rectangles, black on white. */
function draw(path: string, side: number): Uint8ClampedArray {
  const pixels = new Uint8ClampedArray(side * side * 4).fill(255)
  for (const [, x, y, width] of path.matchAll(/M(\d+) (\d+)h(\d+)v1h-\d+z/g)) {
    for (let row = Number(y) * PIXELS; row < (Number(y) + 1) * PIXELS; row += 1) {
      for (let column = Number(x) * PIXELS; column < (Number(x) + Number(width)) * PIXELS; column += 1) {
        pixels.set([0, 0, 0], (row * side + column) * 4)
      }
    }
  }
  return pixels
}
