import { afterEach, describe, expect, test, vi } from 'vitest'
import { hostPrimitives } from '../src/host-node.ts'
import { hostSymmetric } from '../src/symmetric.ts'

interface WebAssemblyLike {
  readonly Module: new (bytes: Uint8Array) => object
  readonly Instance: new (module: object, imports: object) => { readonly exports: object }
}

const real = (globalThis as unknown as { readonly WebAssembly: WebAssemblyLike }).WebAssembly

/** The name of what is chosen by a fresh copy of the code on such a host. */
async function chosenOn(webAssembly: Partial<WebAssemblyLike> | undefined): Promise<string> {
  vi.resetModules()
  vi.stubGlobal('WebAssembly', webAssembly)
  const fresh = await import('../src/symmetric.ts')
  return fresh.hostSymmetric().name
}

describe('the symmetric code of this host', () => {
  afterEach(() => {
    vi.unstubAllGlobals()
  })

  test('is our WebAssembly where that runs', () => {
    expect(hostSymmetric().name).toMatch(/^wasm/)
    expect(hostSymmetric()).toBe(hostSymmetric())
  })

  test('is noble where there is no WebAssembly', async () => {
    expect(await chosenOn(undefined)).toMatch(/^noble/)
  })

  test('is noble where WebAssembly is forbidden', async () => {
    class Module {
      constructor() {
        throw new EvalError('forbidden by policy')
      }
    }
    expect(await chosenOn({ ...real, Module, Instance: real.Instance })).toMatch(/^noble/)
  })

  test('is noble where WebAssembly computes something else', async () => {
    class Instance extends real.Instance {
      constructor(module: object, imports: object) {
        super(module, imports)
        Object.defineProperty(this, 'exports', {
          value: { ...this.exports, chacha: () => undefined },
        })
      }
    }
    expect(await chosenOn({ Module: real.Module, Instance })).toMatch(/^noble/)
    expect(await chosenOn({ Module: real.Module, Instance: real.Instance })).toMatch(/^wasm/)
  })

  test('uses what Node has, each of it tried once', () => {
    const { name, hashText, hashBytes, large, cbc } = hostPrimitives()
    expect(name).toBe('node')
    for (const primitive of [hashText, hashBytes, large, cbc]) expect(primitive).toBeDefined()
  })
})
