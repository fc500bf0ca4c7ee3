/**
 * Who may hold how many connections: counted in all and for each address.
 * Never keeps an address longer than its last connection.
 */

export type AdmissionRefusal = 'connections' | 'connections-per-address'

export interface Admission {
  /** The way out for one more connection, or why there is none. Calling the way out again does nothing. */
  enter(address: string | undefined): (() => void) | AdmissionRefusal
  readonly size: number
}

export function createAdmission(most: number, mostPerAddress: number): Admission {
  const byAddress = new Map<string, number>()
  let size = 0
  return {
    enter(address) {
      if (size >= most) return 'connections'
      const group = address === undefined ? undefined : addressGroup(address)
      const count = group === undefined ? 0 : (byAddress.get(group) ?? 0)
      if (count >= mostPerAddress) return 'connections-per-address'
      size += 1
      if (group !== undefined) byAddress.set(group, count + 1)
      let inside = true
      return () => {
        if (!inside) return
        inside = false
        size -= 1
        if (group === undefined) return
        const left = (byAddress.get(group) ?? 1) - 1
        if (left === 0) byAddress.delete(group)
        else byAddress.set(group, left)
      }
    },
    get size() {
      return size
    },
  }
}

/** IPv4 as it is (also when mapped into IPv6); of IPv6 the /64, since one host commonly holds all of it. */
export function addressGroup(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1]
  if (mapped !== undefined) return mapped
  if (!address.includes(':')) return address
  const [head = '', tail = ''] = (address.split('%')[0] ?? '').toLowerCase().split('::')
  const front = head === '' ? [] : head.split(':')
  const back = tail === '' ? [] : tail.split(':')
  const zeros = new Array<string>(Math.max(0, 8 - front.length - back.length)).fill('0')
  return [...front, ...zeros, ...back]
    .slice(0, 4)
    .map((part) => part.replace(/^0+(?=.)/, ''))
    .join(':')
}
