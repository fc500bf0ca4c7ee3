/**
 * Setup of every test of core: the clock, the dice, the timers and the network throw when core's own code is what calls
 * them, at import time too. Test code, vitest and fast-check keep the real ones.
 */

const CORE_SOURCE = /[/\\]packages[/\\]core[/\\]src[/\\]/

/** What loads core's files reads the clock too, with those files further down on the stack. */
const RUNNER = /[/\\]node_modules[/\\](?:\.pnpm[/\\])?(?:@?vitest|vite)[/\\@]/

/** Whether a file of core's src is on the stack, with nothing of the test runner above it. */
function calledFromCore(): boolean {
  const { stackTraceLimit } = Error
  Error.stackTraceLimit = 64
  const frames = (new Error('stack').stack ?? '').split('\n')
  Error.stackTraceLimit = stackTraceLimit
  const nearest = frames.find((frame) => CORE_SOURCE.test(frame) || RUNNER.test(frame))
  return nearest !== undefined && CORE_SOURCE.test(nearest)
}

function refuse(name: string): void {
  if (calledFromCore()) throw new Error(`core reached for ${name}`)
}

/** Replaces a method or a global function or class by one that refuses core. */
function poison(owner: object, member: string, name: string): void {
  const original: unknown = Reflect.get(owner, member)
  if (typeof original !== 'function') return
  const guarded: object = new Proxy(original, {
    apply(target, self, args) {
      refuse(name)
      return Reflect.apply(target as () => unknown, self, args)
    },
    construct(target, args, newTarget): object {
      // A date made of a given time is a value; only `new Date()` reads the clock.
      if (target !== REAL_DATE || args.length === 0) refuse(name)
      return Reflect.construct(target, args, newTarget === guarded ? target : newTarget) as object
    },
  })
  Object.defineProperty(owner, member, { value: guarded, configurable: true, writable: true })
}

const REAL_DATE = Date

poison(Date, 'now', 'Date.now')
poison(globalThis, 'Date', 'new Date()')
poison(Math, 'random', 'Math.random')
poison(performance, 'now', 'performance.now')
for (const member of ['getRandomValues', 'randomUUID']) poison(crypto, member, `crypto.${member}`)
for (const member of ['nextTick', 'hrtime', 'cwd']) poison(process, member, `process.${member}`)
for (const name of [
  'setTimeout',
  'setInterval',
  'setImmediate',
  'queueMicrotask',
  'fetch',
  'WebSocket',
  'EventSource',
  'MessageChannel',
  'BroadcastChannel',
]) {
  poison(globalThis, name, name)
}
