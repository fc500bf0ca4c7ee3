/**
 * secp256k1 as plain functions over bytes: what a library has to offer for `slot-backend.ts` to make a backend of it.
 * Only types. Every array has the length its name says, secrets are valid scalars and `x32` was checked by `isPoint`.
 */

export interface Curve {
  /** Whether 32 bytes are the x coordinate of a curve point. */
  isPoint(x32: Uint8Array): boolean
  /** May replace the secret by its negative, in place: x-only, both have the same key, signatures and shared points. */
  publicKey(secret32: Uint8Array, out32: Uint8Array): void
  /** `secret32` and `public32` as {@link publicKey} left them. */
  sign(
    secret32: Uint8Array,
    message32: Uint8Array,
    aux32: Uint8Array,
    out64: Uint8Array,
    public32: Uint8Array,
  ): void
  verify(x32: Uint8Array, message32: Uint8Array, signature64: Uint8Array): boolean
  /** The x coordinate of `secret · point`. False, with nothing written, if the blinding equals the secret. */
  ecdhX(secret32: Uint8Array, x32: Uint8Array, blinding32: Uint8Array, out32: Uint8Array): boolean
}
