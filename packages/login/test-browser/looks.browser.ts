/** What everybody has to be able to use: checked by axe in each state and both themes, and by measuring. */

import axe from 'axe-core'
import { afterEach, describe, expect, test } from 'vitest'
import { commands, page } from 'vitest/browser'
import { english, type Nip46Login } from '../src/index.ts'
import { clear, isShown, offered, part, paste, place, startSigner, textOf } from './party.ts'

declare module 'vitest/browser' {
  interface BrowserCommands {
    /** What the system says in media queries; without a feature: light, and everything may move. */
    emulateMedia(features: {
      readonly scheme?: 'light' | 'dark'
      readonly motion?: 'reduce' | 'no-preference'
    }): Promise<void>
  }
}

afterEach(async () => {
  await clear()
  await commands.emulateMedia({})
})

const STATES: readonly (readonly [string, (element: Nip46Login) => Promise<void>])[] = [
  ['an offer', async (element) => void (await offered(element))],
  [
    'an error',
    async (element) => {
      await offered(element)
      paste(element, 'hello')
      await expect.poll(() => textOf(element, 'error')).toBe(english.errors.scheme)
    },
  ],
  [
    'a page to visit',
    async (element) => {
      const { signer } = await startSigner({
        decide: (_question, { challenge, signal }) => {
          challenge('https://signer.example/approve')
          return new Promise((resolve) => signal.addEventListener('abort', () => resolve({ allow: false })))
        },
      })
      paste(element, (await signer.offer({ approval: 'ask' })).uri)
      await expect.poll(() => isShown(element, 'auth')).toBe(true)
    },
  ],
  [
    'the end',
    async (element) => {
      const { signer } = await startSigner()
      paste(element, (await signer.offer()).uri)
      await expect.poll(() => element.progress.stage).toBe('done')
    },
  ],
]

const SIGNERS = ['One', 'A signer with quite a long name indeed'].map((name, index) => ({
  name,
  connectTemplate: `https://s${index}.example/<nostrconnect>`,
  domain: `s${index}.example`,
  picture: 'data:image/svg+xml,<svg xmlns="http://www.w3.org/2000/svg"/>',
}))

describe.each(['light', 'dark'] as const)('in a %s theme', (scheme) => {
  test.each(STATES)('axe has nothing against %s', async (_title, reach) => {
    await commands.emulateMedia({ scheme })
    const element = place({ signers: SIGNERS })
    await reach(element)
    const { violations, incomplete } = await axe.run(element, {
      runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],
      // Rules for whole pages.
      rules: { region: { enabled: false } },
    })
    expect(violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`)).toEqual([])
    expect(incomplete.filter(({ id }) => id === 'color-contrast')).toEqual([])
  })

  test('an attribute wins over the system', async () => {
    await commands.emulateMedia({ scheme: scheme === 'light' ? 'dark' : 'light' })
    const element = place()
    const other = surfaceOf(element)
    element.setAttribute('theme', scheme)
    expect(surfaceOf(element)).not.toBe(other)
  })
})

test.each([320, 390, 1280])('nothing sticks out at %i px', async (width) => {
  await page.viewport(width, 900)
  const element = place({ signers: SIGNERS })
  await offered(element)
  expect(document.documentElement.scrollWidth).toBeLessThanOrEqual(width)
  const card = part(element, 'card').getBoundingClientRect()
  for (const inner of element.shadowRoot?.querySelectorAll('[part]') ?? []) {
    if (!inner.checkVisibility()) continue
    const { left, right } = inner.getBoundingClientRect()
    expect(left, inner.outerHTML).toBeGreaterThanOrEqual(card.left)
    expect(right, inner.outerHTML).toBeLessThanOrEqual(card.right + 0.5)
  }
  await page.viewport(1280, 900)
})

test('what is pressed is large enough for a thumb', async () => {
  const element = place({ signers: SIGNERS })
  await offered(element)
  for (const target of element.shadowRoot?.querySelectorAll('a, button, input') ?? []) {
    if (target.checkVisibility())
      expect(target.getBoundingClientRect().height, target.outerHTML).toBeGreaterThanOrEqual(44)
  }
})

test('the keyboard goes through it in the order in which it is seen', async () => {
  const element = place({ signers: SIGNERS })
  await offered(element)
  await expect.poll(() => part(element, 'signer-list').childElementCount).toBe(SIGNERS.length)
  const stops = [...(element.shadowRoot?.querySelectorAll('a, button, input') ?? [])]
    .filter((stop) => stop.checkVisibility())
    .map((stop) => stop.getBoundingClientRect())
  expect(stops.length).toBeGreaterThan(5)
  for (const [index, { top, left }] of stops.entries()) {
    const before = stops[index - 1]
    if (before === undefined) continue
    expect(top > before.top || (top === before.top && left > before.left)).toBe(true)
  }
})

test('the focus is seen', async () => {
  const element = place()
  await offered(element)
  const input = part(element, 'paste-input')
  input.focus()
  const { outlineStyle, outlineWidth } = getComputedStyle(input)
  expect([outlineStyle, outlineWidth]).toEqual(['solid', '3px'])
})

test('nothing moves for those who do not want it', async () => {
  await commands.emulateMedia({ motion: 'reduce' })
  const element = place()
  expect(getComputedStyle(part(element, 'spinner')).animationName).toBe('none')
  await commands.emulateMedia({})
  expect(getComputedStyle(part(element, 'spinner')).animationName).toBe('turn')
})

test('a page changes colours by variables and parts by their names', async () => {
  const style = document.createElement('style')
  style.textContent = 'nip46-login{--nip46-surface:rgb(1,2,3)} nip46-login::part(connect){border-radius:0}'
  document.head.append(style)
  const element = place()
  expect(surfaceOf(element)).toBe('rgb(1, 2, 3)')
  expect(getComputedStyle(part(element, 'connect')).borderRadius).toBe('0px')
  style.remove()
})

test('progress is said politely, an error at once', () => {
  const element = place()
  expect(part(element, 'status').getAttribute('aria-live')).toBe('polite')
  expect(part(element, 'error').getAttribute('role')).toBe('alert')
})

function surfaceOf(element: Nip46Login): string {
  return getComputedStyle(part(element, 'card')).backgroundColor
}
