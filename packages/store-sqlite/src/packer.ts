/**
 * Many byte strings in one buffer, which a message moves instead of copying.
 * Never keeps a plaintext.
 */

import type { Place } from './message.ts'

export class Packer {
  readonly #pieces: Uint8Array[] = []
  #length = 0

  /** Where the bytes will be. They are copied by `write`, not now. */
  add(bytes: Uint8Array): Place {
    const place: Place = [this.#length, bytes.length]
    this.#pieces.push(bytes)
    this.#length += bytes.length
    return place
  }

  get length(): number {
    return this.#length
  }

  /** Everything that was added, from this place on. */
  write(target: Uint8Array, at: number): void {
    for (const piece of this.#pieces) {
      target.set(piece, at)
      at += piece.length
    }
  }

  toBuffer(): ArrayBuffer {
    const buffer = new ArrayBuffer(this.#length)
    this.write(new Uint8Array(buffer), 0)
    return buffer
  }
}

export function bytesAt(buffer: ArrayBuffer, [offset, length]: Place, base = 0): Uint8Array {
  return new Uint8Array(buffer, base + offset, length)
}
