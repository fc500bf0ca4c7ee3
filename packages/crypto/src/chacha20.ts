/**
 * ChaCha20 (RFC 8439) in plain JavaScript, for few bytes of code.
 * Never branches or indexes on a key or a text, and overwrites its key stream.
 */

const BLOCK = 64
/** "expand 32-byte k" */
const START = [0x61707865, 0x3320646e, 0x79622d32, 0x6b206574]
const DOUBLE_ROUNDS = 10

/** XORs the key stream onto the data, counter from 0. */
export function chacha20(key32: Uint8Array, nonce12: Uint8Array, data: Uint8Array): void {
  const start = new Int32Array(16)
  start.set(START)
  readWords(key32, start, 4)
  readWords(nonce12, start, 13)
  const words = new Int32Array(16)
  const stream = new Uint8Array(BLOCK)
  const view = new DataView(stream.buffer)
  for (let at = 0; at < data.length; at += BLOCK) {
    words.set(start)
    for (let i = 0; i < DOUBLE_ROUNDS; i++) {
      for (let column = 0; column < 4; column++) quarterRound(words, column, column)
      for (let column = 0; column < 4; column++) quarterRound(words, column, column + 1)
    }
    for (let i = 0; i < 16; i++) view.setInt32(4 * i, (words[i] as number) + (start[i] as number), true)
    const end = Math.min(BLOCK, data.length - at)
    for (let i = 0; i < end; i++) data[at + i] = (data[at + i] as number) ^ (stream[i] as number)
    start[12] = (start[12] as number) + 1
  }
  for (const secret of [start, words, stream]) secret.fill(0)
}

/** Down a column of the four rows; or, with each row shifted by one more, down a diagonal. */
function quarterRound(words: Int32Array, a: number, shifted: number): void {
  const step = shifted - a
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

function readWords(bytes: Uint8Array, into: Int32Array, at: number): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  for (let i = 0; i < bytes.length; i += 4) into[at + i / 4] = view.getInt32(i, true)
}
