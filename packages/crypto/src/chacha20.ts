/**
 * ChaCha20 (RFC 8439) in plain JavaScript, for few bytes of code.
 * Never branches or indexes on a key or a text, and overwrites its key stream.
 */

const BLOCK = 64
const CONSTANT = new TextEncoder().encode('expand 32-byte k')
const KEY_AT = 16
const COUNTER = 12
const NONCE_AT = 52
const QUARTER_ROUNDS = 80

/** XORs the key stream onto the data, counter from 0. */
export function chacha20(key32: Uint8Array, nonce12: Uint8Array, data: Uint8Array): void {
  const block = new Uint8Array(BLOCK)
  const view = new DataView(block.buffer)
  block.set(CONSTANT)
  block.set(key32, KEY_AT)
  block.set(nonce12, NONCE_AT)
  const start = new Int32Array(16).map((_, i) => view.getInt32(4 * i, true))
  const words = new Int32Array(16)
  for (let at = 0; at < data.length; at += BLOCK) {
    words.set(start)
    // Ten times down the four columns, and down the four diagonals.
    for (let i = 0; i < QUARTER_ROUNDS; i++) quarterRound(words, i & 3, (i >> 2) & 1)
    for (let i = 0; i < 16; i++) view.setInt32(4 * i, (words[i] as number) + (start[i] as number), true)
    for (let i = 0; i < BLOCK && at + i < data.length; i++)
      data[at + i] = (data[at + i] as number) ^ (block[i] as number)
    start[COUNTER] = (start[COUNTER] as number) + 1
  }
  for (const secret of [start, words, block]) secret.fill(0)
}

/** Down a column of the four rows; or, with a step of 1 to the side from each row to the next, down a diagonal. */
function quarterRound(words: Int32Array, a: number, step: number): void {
  const b = 4 + ((a + step) & 3)
  const c = 8 + ((a + 2 * step) & 3)
  const d = 12 + ((a + 3 * step) & 3)
  mix(words, a, b, d, 16)
  mix(words, c, d, b, 12)
  mix(words, a, b, d, 8)
  mix(words, c, d, b, 7)
}

function mix(words: Int32Array, sum: number, added: number, turned: number, by: number): void {
  words[sum] = (words[sum] as number) + (words[added] as number)
  const mixed = (words[turned] as number) ^ (words[sum] as number)
  words[turned] = (mixed << by) | (mixed >>> (32 - by))
}
