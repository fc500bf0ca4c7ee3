/** Looks for what is left of secrets in memory that is not JavaScript's. */

/** Any quarter of a secret counts, in either byte order: half a key is already too much. */
function quartersOf(secret: Uint8Array): readonly Buffer[] {
  const forward = Buffer.from(secret)
  const backward = Buffer.from(secret).reverse()
  return [forward, backward].flatMap((all) => [0, 8, 16, 24].map((at) => all.subarray(at, at + 8)))
}

/** How many quarters of these secrets are in this memory, whose address and length are multiples of 8. */
export function countResidue(memory: Uint8Array, secrets: readonly Uint8Array[]): number {
  const used = withoutZeros(memory)
  return secrets.flatMap(quartersOf).filter((quarter) => used.includes(quarter)).length
}

/** Searching zeros takes most of the time, and what was wiped is zeros. */
function withoutZeros({ buffer, byteOffset, byteLength }: Uint8Array): Buffer {
  const words = new BigUint64Array(buffer, byteOffset, byteLength / 8)
  let first = 0
  while (first < words.length && words[first] === 0n) first++
  let last = words.length
  while (last > first && words[last - 1] === 0n) last--
  return Buffer.from(buffer, byteOffset + 8 * first, 8 * (last - first))
}
