/**
 * A table of things behind numbers, for backends that keep secrets and points in JavaScript.
 * Never hands out a number twice, and never holds more than its users import.
 */

import { UsageError } from '@nip46/core'

export interface Slots<Slot extends number, T> {
  add(value: T): Slot
  /** Throws `UsageError` for a slot that was removed or never was. */
  get(slot: Slot): T
  /** The removed value, or undefined if there was none. */
  remove(slot: Slot): T | undefined
  readonly size: number
}

/** `noun` names the thing in error messages. */
export function createSlots<Slot extends number, T>(noun: string): Slots<Slot, T> {
  const values = new Map<number, T>()
  let next = 1
  return {
    add(value) {
      const slot = next++
      values.set(slot, value)
      return slot as Slot
    },
    get(slot) {
      const value = values.get(slot)
      if (value === undefined) throw new UsageError(`this ${noun} was destroyed: import it again`)
      return value
    },
    remove(slot) {
      const value = values.get(slot)
      values.delete(slot)
      return value
    },
    get size() {
      return values.size
    },
  }
}
