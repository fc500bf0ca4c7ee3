/**
 * The fixed part of what is signed in every case.
 * Never depends on the clock: all subjects sign the same bytes.
 */

export const NOTE: { readonly kind: number; readonly tags: string[][]; readonly created_at: number } = {
  kind: 1,
  tags: [],
  created_at: 1_767_225_600,
}
