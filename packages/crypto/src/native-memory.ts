/**
 * Memory outside the JavaScript heap: places of one size for keys, and the stack that foreign functions run on.
 * Never hands out a place that was not wiped. Pages are kept for reuse, so there are as many as were ever needed at once.
 */

/** The part of koffi that is used. Addresses are bigints. */
export interface Foreign {
  readonly version: string
  load(path: string | null): ForeignLibrary
  alloc(type: string, length: number): bigint
  view(address: bigint, length: number): ArrayBuffer
  proto(result: string, args: readonly string[]): object
  pointer(type: object): object
  register(callback: (...args: bigint[]) => number, type: object): bigint
}

export interface ForeignLibrary {
  func(name: string, result: string, args: readonly string[]): (...args: (bigint | number)[]) => unknown
}

/** What is used of libsecp256k1, by what it does. Everything is an address; 1 is yes. */
export interface Secp256k1 {
  contextCreate(flags: number): bigint
  contextRandomize(context: bigint, seed32: bigint): number
  keypairCreate(context: bigint, keypair: bigint, secret32: bigint): number
  keypairSecret(context: bigint, secret32: bigint, keypair: bigint): number
  keypairPublic(context: bigint, xOnly: bigint, parity: bigint, keypair: bigint): number
  publicParse(context: bigint, publicKey: bigint, bytes: bigint, length: number): number
  publicToXOnly(context: bigint, xOnly: bigint, parity: bigint, publicKey: bigint): number
  xOnlySerialize(context: bigint, out32: bigint, xOnly: bigint): number
  sign(context: bigint, out64: bigint, message32: bigint, keypair: bigint, aux32: bigint): number
  verify(context: bigint, signature64: bigint, message: bigint, length: number, xOnly: bigint): number
  ecdh(context: bigint, out: bigint, publicKey: bigint, secret32: bigint, hash: bigint, data: bigint): number
}

/** A few bytes of foreign memory, and the same as JavaScript sees them. */
export interface Place {
  readonly address: bigint
  readonly bytes: Uint8Array
}

export interface Places {
  claim(): Place
  /** Overwrites the place with zeros. */
  release(place: Place): void
}

/** Runs a foreign call and overwrites the stack it ran on. */
export type WithWipedStack = <T>(operation: () => T) => T

const PAGE = 4_096
/** Bytes of stack that are wiped; the deepest operation uses less than a third. */
export const STACK_WIPED = 16_384
/** Where glibc's `getcontext` writes the stack pointer, in words of 8 bytes, by processor. */
const STACK_POINTER_AT: Readonly<Record<string, number>> = { x64: 20 }
const CONTEXT_WORDS = 256

/** `size` divides {@link PAGE}. */
export function createPlaces(koffi: Foreign, size: number): Places {
  const free: Place[] = []
  return {
    claim() {
      if (free.length === 0) {
        const page = allocate(koffi, PAGE)
        for (let at = 0; at < PAGE; at += size)
          free.push({ address: page.address + BigInt(at), bytes: page.bytes.subarray(at, at + size) })
      }
      return free.pop() as Place
    },
    release(place) {
      place.bytes.fill(0)
      free.push(place)
    },
  }
}

/** Zeroed, and never freed. */
export function allocate(koffi: Foreign, length: number): Place {
  const address = koffi.alloc('uint8_t', length)
  const bytes = new Uint8Array(koffi.view(address, length))
  return { address, bytes: bytes.fill(0) }
}

/**
 * koffi runs what it calls on a stack of its own, where libsecp256k1 leaves traces of keys. glibc says where that
 * stack is, each time anew, since a call from within a callback of another library begins further down. Undefined where
 * nothing says so: there nothing may be overwritten.
 */
export function findStack(koffi: Foreign): WithWipedStack | undefined {
  const word = process.platform === 'linux' ? STACK_POINTER_AT[process.arch] : undefined
  const getContext = word === undefined ? undefined : findGetContext(koffi)
  if (word === undefined || getContext === undefined) return undefined
  const { address, bytes } = allocate(koffi, 8 * CONTEXT_WORDS)
  const words = new BigUint64Array(bytes.buffer, bytes.byteOffset, CONTEXT_WORDS)
  let top = 0n
  let stack = new Uint8Array(0)
  return (operation) => {
    getContext(address)
    const pointer = words[word] as bigint
    if (pointer !== top) {
      top = pointer
      stack = new Uint8Array(koffi.view(pointer - BigInt(STACK_WIPED), STACK_WIPED))
    }
    const used = stack
    try {
      return operation()
    } finally {
      used.fill(0)
    }
  }
}

/** musl has none. */
function findGetContext(koffi: Foreign): ((context: bigint) => unknown) | undefined {
  const program = koffi.load(null)
  try {
    program.func('gnu_get_libc_version', 'void *', [])
    return program.func('getcontext', 'int', ['void *'])
  } catch (cause) {
    if (cause instanceof Error) return undefined
    throw cause
  }
}
