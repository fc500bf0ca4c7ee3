/**
 * Between the text that the engine has and the bytes that the tables have.
 * Never looks at what the bytes mean.
 */

import { corruptError } from './error.ts'

export function toBlob(hex: string): Uint8Array {
  return Buffer.from(hex, 'hex')
}

export function toHex(blob: unknown): string {
  if (!(blob instanceof Uint8Array)) throw corruptError('a row')
  return Buffer.from(blob.buffer, blob.byteOffset, blob.byteLength).toString('hex')
}

export type Row = Record<string, unknown>

export function blobOf(row: Row, column: string): Uint8Array {
  const value = row[column]
  if (!(value instanceof Uint8Array)) throw corruptError('a row')
  return value
}

export function numberOf(row: Row, column: string): number {
  const value = row[column]
  if (typeof value !== 'number') throw corruptError('a row')
  return value
}

export function textOf(row: Row, column: string): string {
  const value = row[column]
  if (typeof value !== 'string') throw corruptError('a row')
  return value
}
