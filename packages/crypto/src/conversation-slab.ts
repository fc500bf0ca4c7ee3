/**
 * The conversations that one key remembers, as bytes in one array behind an open-addressing table.
 * Never grows past its limit: the least recently used conversation is overwritten first. Never leaves a copy of a
 * secret behind, not even when it grows.
 */

import { expectBytes } from './bytes.ts'
import { hexDigit } from './hex.ts'

/** Bounded: the least recently used conversation is overwritten first. */
export interface ConversationSlab {
  /** The slot of a peer (64 lowercase hex characters), marked as just used, or undefined. Holds until the next `add`. */
  find(peer: string): number | undefined
  /** Copies both secrets in. The peer is not there yet. */
  add(peer: string, sharedX: Uint8Array, prepared: Uint8Array): number
  /** The unhashed x coordinate of the shared point: a view. */
  sharedX(slot: number): Uint8Array
  /** What NIP-44 keeps of the conversation key: a view. */
  prepared(slot: number): Uint8Array
  /** Overwrites everything and forgets it. */
  clear(): void
  readonly size: number
  /** Bytes held, used or not. */
  readonly heldBytes: number
}

/** Public key, shared x, and the rest. */
const PEER_BYTES = 32
const SHARED_BYTES = 32
const PEER_WORDS = PEER_BYTES / 4
const FIRST_CAPACITY = 8
const GROWTH = 1.5
const NONE = -1

/**
 * `limit` is from 1, `preparedBytes` a multiple of 4. `seed` gives 8 random bytes, and is asked once something is added:
 * who picks public keys cannot know where they fall in the table, so cannot make it slow. `onArray` is shown every array
 * that will hold secrets, for tests that look for what was left behind.
 */
export function createConversationSlab(
  limit: number,
  preparedBytes: number,
  seed: () => Uint8Array,
  onArray: (bytes: Uint8Array) => void = () => undefined,
): ConversationSlab {
  let [seed0, seed1] = [0, 0]
  const stride = PEER_BYTES + SHARED_BYTES + preparedBytes
  const strideWords = stride / 4

  let bytes = new Uint8Array(0)
  let words = new Int32Array(0)
  /** Neighbours in the order of use: towards the newest at 2·slot, towards the oldest behind it. */
  let links = new Int32Array(0)
  /** Slots plus one; 0 is free. At most half full. */
  let table = new Int32Array(2)
  let size = 0
  let newest = NONE
  let oldest = NONE
  const asked = new Int32Array(PEER_WORDS)

  const hash = (first: number, second: number): number => {
    const once = Math.imul(first ^ seed0, 0x9e3779b1)
    const twice = Math.imul(once ^ (once >>> 15) ^ second ^ seed1, 0x85ebca6b)
    return Math.imul(twice ^ (twice >>> 13), 0xc2b2ae35) >>> 7
  }
  const home = (slot: number): number =>
    hash(words[slot * strideWords] as number, words[slot * strideWords + 1] as number) & (table.length - 1)

  function isAsked(slot: number): boolean {
    const at = slot * strideWords
    for (let i = 0; i < PEER_WORDS; i++) if (words[at + i] !== asked[i]) return false
    return true
  }

  function insert(slot: number): void {
    let at = home(slot)
    while (table[at] !== 0) at = (at + 1) & (table.length - 1)
    table[at] = slot + 1
  }

  /** Takes a slot out of the table and moves up those that had to step aside for it. */
  function remove(slot: number): void {
    const mask = table.length - 1
    let hole = home(slot)
    while (table[hole] !== slot + 1) hole = (hole + 1) & mask
    for (let at = (hole + 1) & mask; table[at] !== 0; at = (at + 1) & mask) {
      const moved = (table[at] as number) - 1
      if (((at - home(moved)) & mask) < ((at - hole) & mask)) continue
      table[hole] = moved + 1
      hole = at
    }
    table[hole] = 0
  }

  function unlink(slot: number): void {
    const [newer, older] = [links[2 * slot] as number, links[2 * slot + 1] as number]
    if (newer === NONE) newest = older
    else links[2 * newer + 1] = older
    if (older === NONE) oldest = newer
    else links[2 * older] = newer
  }

  function linkNewest(slot: number): void {
    links[2 * slot] = NONE
    links[2 * slot + 1] = newest
    if (newest !== NONE) links[2 * newest] = slot
    newest = slot
    if (oldest === NONE) oldest = slot
  }

  function readSeed(): void {
    const drawn = seed()
    expectBytes('a seed', drawn, 8)
    const view = new DataView(drawn.buffer, drawn.byteOffset, 8)
    seed0 = view.getInt32(0)
    seed1 = view.getInt32(4)
  }

  function grow(): void {
    if (size === 0) readSeed()
    const capacity = Math.min(limit, Math.max(FIRST_CAPACITY, Math.ceil((bytes.length / stride) * GROWTH)))
    const [grown, grownLinks] = [new Uint8Array(capacity * stride), new Int32Array(2 * capacity)]
    grown.set(bytes)
    grownLinks.set(links)
    bytes.fill(0)
    bytes = grown
    onArray(bytes)
    words = new Int32Array(bytes.buffer)
    links = grownLinks
    if (table.length >= 2 * capacity) return
    table = new Int32Array(2 ** Math.ceil(Math.log2(2 * capacity)))
    for (let slot = 0; slot < size; slot++) insert(slot)
  }

  function evictOldest(): number {
    const slot = oldest
    remove(slot)
    unlink(slot)
    bytes.fill(0, slot * stride, (slot + 1) * stride)
    return slot
  }

  return {
    find(peer) {
      if (!readPeer(peer, asked)) return undefined
      const mask = table.length - 1
      for (let at = hash(asked[0] as number, asked[1] as number) & mask; ; at = (at + 1) & mask) {
        const slot = (table[at] as number) - 1
        if (slot === NONE) return undefined
        if (!isAsked(slot)) continue
        if (slot !== newest) {
          unlink(slot)
          linkNewest(slot)
        }
        return slot
      }
    },
    add(peer, sharedX, prepared) {
      expectBytes('a shared x', sharedX, SHARED_BYTES)
      expectBytes('a prepared key', prepared, preparedBytes)
      if (!readPeer(peer, asked)) throw new Error('a peer to remember is 64 lowercase hex characters')
      if (size < limit && size * stride === bytes.length) grow()
      const slot = size < limit ? size++ : evictOldest()
      words.set(asked, slot * strideWords)
      bytes.set(sharedX, slot * stride + PEER_BYTES)
      bytes.set(prepared, slot * stride + PEER_BYTES + SHARED_BYTES)
      insert(slot)
      linkNewest(slot)
      return slot
    },
    sharedX: (slot) => bytes.subarray(slot * stride + PEER_BYTES, slot * stride + PEER_BYTES + SHARED_BYTES),
    prepared: (slot) => bytes.subarray(slot * stride + PEER_BYTES + SHARED_BYTES, (slot + 1) * stride),
    clear() {
      bytes.fill(0)
      bytes = new Uint8Array(0)
      words = new Int32Array(0)
      links = new Int32Array(0)
      table = new Int32Array(2)
      size = 0
      newest = NONE
      oldest = NONE
    },
    get size() {
      return size
    },
    get heldBytes() {
      return bytes.length + links.byteLength + table.byteLength
    },
  }
}

/** False unless the text is 64 lowercase hex characters. */
function readPeer(hex: string, into: Int32Array): boolean {
  if (hex.length !== 8 * PEER_WORDS) return false
  let bad = 0
  for (let word = 0; word < PEER_WORDS; word++) {
    let value = 0
    for (let i = 0; i < 8; i++) {
      const digit = hexDigit(hex, 8 * word + i)
      bad |= digit
      value = (value << 4) | digit
    }
    into[word] = value
  }
  return bad >= 0
}
