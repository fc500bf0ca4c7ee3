/** Logging in with the element, in every way, against real remote signers over a real relay. */

import type { SessionEvent } from '@nip46/client'
import { discoverSigners } from '@nip46/client/discovery'
import type { Approver, Transport, Verdict } from '@nip46/core'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { userEvent } from 'vitest/browser'
import { german } from '../src/german.ts'
import { english, Nip46Login } from '../src/index.ts'
import {
  clear,
  crypto,
  GRANTED,
  isShown,
  next,
  offered,
  part,
  paste,
  place,
  pool,
  relayUrl,
  startSigner,
  textOf,
} from './party.ts'

afterEach(clear)

const until = (text: string, element: Nip46Login, name = 'status'): Promise<void> =>
  expect.poll(() => textOf(element, name)).toBe(text)

describe('a login', () => {
  test('with the shown offer ends in a session that signs', async () => {
    const { signer, userPubkey } = await startSigner()
    const element = place()
    const stages: string[] = []
    element.addEventListener('nip46-progress', ({ detail }) => void stages.push(detail.stage))
    const session = next(element, 'nip46-session')
    await until(english.scan, element)
    expect(part(element, 'qr').querySelector('path')?.getAttribute('d')).toMatch(/^M/)

    await signer.accept(await offered(element), { granted: GRANTED, approved: true })
    const { detail } = await session
    expect(detail.userPubkey).toBe(userPubkey)
    expect(crypto.verify(await detail.signEvent({ kind: 1, content: 'hello' }))).toBe(true)
    expect(textOf(element, 'status')).toMatch(/^You are logged in as npub1\w{7}…\w{6}\.$/)
    expect([...new Set(stages)]).toEqual(['offering', 'connecting', 'done'])
    expect(isShown(element, 'offer') || isShown(element, 'paste')).toBe(false)
    detail.close()
  })

  test('with a pasted link says when to approve, and ends in a session', async () => {
    const question = askable()
    const { signer, userPubkey } = await startSigner(question.approver)
    const { uri } = await signer.offer({ approval: 'ask' })
    const element = place()
    const session = next(element, 'nip46-session')
    paste(element, ` ${uri}\n`)
    await until(english.approve, element)
    expect(isShown(element, 'spinner')).toBe(true)
    question.answer({ allow: true, grant: GRANTED })
    const { detail } = await session
    expect(detail.userPubkey).toBe(userPubkey)
    detail.close()
  })

  test('says so again when the signer asks about the name of the user, too', async () => {
    const transport = pool()
    let answers = 0
    let release: () => void = () => undefined
    const released = new Promise<void>((resolve) => {
      release = resolve
    })
    const { signer, userPubkey } = await startSigner(undefined, {
      ...transport,
      async publish(...event) {
        answers += 1
        if (answers > 1) await released
        return transport.publish(...event)
      },
    })
    const { uri } = await signer.offer({ granted: GRANTED })
    const element = place()
    const steps: unknown[] = []
    element.addEventListener('nip46-progress', ({ detail }) => void steps.push(detail.step))
    const session = next(element, 'nip46-session')
    paste(element, uri)
    await expect.poll(() => element.progress.step, { timeout: 30_000 }).toBe('confirm')
    expect(textOf(element, 'status')).toBe(english.approve)
    release()
    const { detail } = await session
    expect(detail.userPubkey).toBe(userPubkey)
    expect(steps.indexOf('sent')).toBeLessThan(steps.indexOf('identify'))
    detail.close()
  })

  test('can be done with the keyboard alone', async () => {
    const { signer } = await startSigner()
    const { uri } = await signer.offer({ granted: GRANTED })
    const element = place()
    await offered(element)
    const session = next(element, 'nip46-session')
    for (let presses = 0; element.shadowRoot?.activeElement !== part(element, 'paste-input'); presses += 1) {
      if (presses > 20) throw new Error('the field is not reached with Tab')
      await userEvent.keyboard('{Tab}')
    }
    await userEvent.keyboard(`${uri}{Enter}`)
    const { detail } = await session
    // The field is gone: the focus goes to the word that it worked.
    expect(element.shadowRoot?.activeElement).toBe(part(element, 'status'))
    detail.close()
  })

  test('ends when the element is taken away, and leaves no subscription', async () => {
    const transport = counted(pool())
    const element = place({ transport, crypto })
    await until(english.scan, element)
    const uri = await offered(element)
    expect(transport.open()).toBeGreaterThan(0)
    element.remove()
    expect(element.progress).toEqual({ stage: 'idle', step: null })
    await expect.poll(() => transport.open()).toBe(0)
    // Put back, it starts anew, with another offer.
    document.body.append(element)
    expect(await offered(element)).not.toBe(uri)
  })

  test('does not begin before the element is seen', async () => {
    const element = document.createElement('nip46-login')
    element.relays = [relayUrl()]
    element.style.display = 'none'
    document.body.append(element)
    await new Promise((resolve) => setTimeout(resolve, 300))
    expect(element.progress.stage).toBe('idle')
    element.style.display = ''
    await offered(element)
    element.remove()
  })
})

describe('what goes wrong is said, and what to do:', () => {
  test.each([
    ['nothing pasted', '', english.errors.empty],
    ['another text', 'hello', english.errors.scheme],
    ['the link for the other side', 'nostrconnect://abc', english.errors.nostrconnect],
    ['half a link', 'bunker://1a311e267ca0a80e68e2', english.errors.uri],
  ])('%s', async (_title, link, text) => {
    const element = place()
    await offered(element)
    part<HTMLInputElement>(element, 'paste-input').focus()
    paste(element, link)
    await until(text, element, 'error')
    // To be replaced at once.
    const input = part<HTMLInputElement>(element, 'paste-input')
    expect(element.shadowRoot?.activeElement).toBe(input)
    expect(input.value.slice(input.selectionStart ?? 0, input.selectionEnd ?? 0)).toBe(link)
    expect(input.ariaInvalid).toBe('true')
    // The same link again cannot work.
    expect(isShown(element, 'qr') || isShown(element, 'retry')).toBe(false)
    const back = part(element, 'cancel')
    expect(back.textContent).toBe(english.back)
    back.click()
    await until(english.scan, element)
    expect(isShown(element, 'error')).toBe(false)
    expect(element.shadowRoot?.activeElement).toBe(part(element, 'heading'))
  })

  test('a link that was used', async () => {
    const { signer } = await startSigner()
    const { uri } = await signer.offer({ granted: GRANTED })
    const first = place()
    const session = next(first, 'nip46-session')
    paste(first, uri)
    ;(await session).detail.close()
    const element = place()
    const failed = next(element, 'nip46-error')
    paste(element, uri)
    await until(english.errors.secret, element, 'error')
    expect((await failed).detail).toMatchObject({ code: 'remote/error', reason: 'bad-secret' })
  })

  test('an offer that nobody took in time', async () => {
    const element = place({ options: { timeouts: { offer: 300 } } })
    await until(english.errors.notTaken, element, 'error')
  })

  test('no relay that can be reached, and then one that can', async () => {
    const element = place({ relays: ['ws://127.0.0.1:9/'] })
    await until(english.unreachable, element)
    element.relays = [relayUrl()]
    await until(english.scan, element)
  })

  test('a relay address that is none is told to the page', async () => {
    const reported = new Promise<ErrorEvent>((resolve) =>
      window.addEventListener('error', resolve, { once: true }),
    )
    const element = place({ relays: ['https://relay.example'] })
    expect((await reported).error).toMatchObject({ name: 'UsageError' })
    expect(textOf(element, 'error')).toMatch(/^The login did not work/)
  })
})

describe('cancelling', () => {
  test('a login that waits leads back to a new offer', async () => {
    const { signer } = await startSigner()
    const { uri } = await signer.offer({ granted: GRANTED })
    await signer.close()
    const element = place()
    const before = await offered(element)
    const cancelled = next(element, 'nip46-cancel')
    part<HTMLInputElement>(element, 'paste-input').focus()
    paste(element, uri)
    await until(english.approve, element)
    expect(element.shadowRoot?.activeElement).toBe(part(element, 'cancel'))
    part(element, 'cancel').click()
    await cancelled
    await until(english.scan, element)
    expect(await offered(element)).not.toBe(before)
    expect(element.shadowRoot?.activeElement).toBe(part(element, 'heading'))
  })
})

describe('a page of the signer', () => {
  test('is offered as a link with its origin, never opened, and the login goes on', async () => {
    const opened = vi.spyOn(window, 'open')
    const question = askable('https://signer.example/approve/1')
    const { signer } = await startSigner(question.approver)
    const { uri } = await signer.offer({ approval: 'ask' })
    const element = place()
    const told = next(element, 'nip46-auth-url')
    const session = next(element, 'nip46-session')
    paste(element, uri)
    expect((await told).detail).toMatchObject({ origin: 'https://signer.example' })
    const link = part<HTMLAnchorElement>(element, 'auth-link')
    expect(link.checkVisibility()).toBe(true)
    // In the words that screen readers say by themselves.
    expect(textOf(element, 'status')).toBe('Your signer asks you to continue at https://signer.example.')
    expect(link.textContent).toBe('Continue at https://signer.example (opens a new tab)')
    expect([link.href, link.target, link.rel]).toEqual([
      'https://signer.example/approve/1',
      '_blank',
      'noopener noreferrer',
    ])
    question.answer({ allow: true, grant: GRANTED })
    const { detail } = await session
    expect(isShown(element, 'auth')).toBe(false)
    expect(opened).not.toHaveBeenCalled()
    detail.close()
  })

  test('is shown for a later request too, until that is settled', async () => {
    const question = askable('https://signer.example/approve/2')
    const { signer } = await startSigner(question.approver)
    const { uri } = await signer.offer()
    const element = place()
    const session = next(element, 'nip46-session')
    paste(element, uri)
    const { detail } = await session
    const signed = detail.signEvent({ kind: 1, content: 'hello' })
    await expect.poll(() => isShown(element, 'auth')).toBe(true)
    question.answer({ allow: true })
    await signed
    expect(isShown(element, 'auth')).toBe(false)
    detail.close()
  })
})

describe('the login is declined', () => {
  test('in the signer, the person is told so, and can try the same link again', async () => {
    const verdicts = [{ allow: false }, { allow: true, grant: GRANTED }]
    const { signer, userPubkey } = await startSigner({
      decide: async () => verdicts.shift() ?? { allow: false },
    })
    const { uri } = await signer.offer({ approval: 'ask' })
    const element = place()
    const input = part<HTMLInputElement>(element, 'paste-input')
    await offered(element)
    input.focus()
    paste(element, uri)
    await until(english.errors.rejected, element, 'error')
    expect(element.shadowRoot?.activeElement).toBe(part(element, 'error'))
    expect(input.ariaInvalid).toBe('false')
    const session = next(element, 'nip46-session')
    part(element, 'retry').click()
    const { detail } = await session
    expect(detail.userPubkey).toBe(userPubkey)
    detail.close()
  })
})

describe('what comes from elsewhere', () => {
  test('is shown as text, and makes no link but to a page', async () => {
    const element = place({
      signers: [
        { name: '<img src=x onerror=alert(1)>', connectTemplate: 'https://signer.example/<nostrconnect>' },
        { name: 'Script', connectTemplate: 'javascript:alert(1)//<nostrconnect>' },
      ],
    })
    const uri = await offered(element)
    const links = [...part(element, 'signer-list').querySelectorAll('a')]
    expect(links.map(({ textContent, href }) => [textContent, href])).toEqual([
      ['<img src=x onerror=alert(1)> (opens a new tab)', `https://signer.example/${uri}`],
    ])
    expect(links[0]?.querySelector('img')).toBeNull()
  })

  test('joins the list when it was discovered', async () => {
    const { userPubkey } = await startSigner()
    const nip46 = { relays: [], nostrconnect_url: 'https://found.example/?uri=<nostrconnect>' }
    const fetch = async (): Promise<Response> => Response.json({ names: { _: userPubkey }, nip46 })
    const element = place({
      signers: [{ name: 'Given', connectTemplate: 'https://given.example/<nostrconnect>' }],
      discover: () =>
        discoverSigners({ crypto, transport: pool(), fetch, relays: [], domains: ['found.example'] }),
    })
    await expect
      .poll(() => textOf(element, 'signer-list'))
      .toBe('Given (opens a new tab)found.example (opens a new tab)')
  })
})

describe('onEvent', () => {
  test('hears the login that goes on and the end of its session, and of nothing else the end', async () => {
    const { signer } = await startSigner()
    const heard: SessionEvent['type'][] = []
    const element = place({ options: { onEvent: ({ type }) => void heard.push(type) } })
    const first = await offered(element)
    // Replaced, cancelled, failed.
    element.start()
    await expect.poll(() => part<HTMLAnchorElement>(element, 'open').href).not.toBe(first)
    element.cancel()
    const failed = next(element, 'nip46-error')
    const spent = await signer.offer({ granted: GRANTED })
    element.connect(spent.uri.replace(/secret=[0-9a-f]+/, 'secret=wrong'))
    await failed
    expect(heard).not.toContain('ended')

    const session = next(element, 'nip46-session')
    element.connect((await signer.offer({ granted: GRANTED })).uri)
    const { detail } = await session
    expect(heard).toEqual(expect.arrayContaining(['relay', 'connected', 'ready']))
    // The next login leaves the session and its events alone.
    element.start()
    await offered(element)
    heard.length = 0
    await detail.signEvent({ kind: 1, content: 'hello' })
    expect(heard).toContain('request')
    element.cancel()
    expect(heard).not.toContain('ended')
    detail.close()
    expect(heard.filter((type) => type === 'ended')).toEqual(['ended'])
  })
})

describe('settings', () => {
  test('can stand in attributes', async () => {
    const element = document.createElement('nip46-login')
    const signers = [{ name: 'Listed', connectTemplate: 'https://listed.example/<nostrconnect>' }]
    element.setAttribute('relays', `${relayUrl()} `)
    element.setAttribute('app-name', 'By attribute')
    element.setAttribute('perms', 'sign_event:1, nip44_encrypt')
    element.setAttribute('signers', JSON.stringify(signers))
    document.body.append(element)
    const { searchParams } = new URL(await offered(element))
    expect(searchParams.get('name')).toBe('By attribute')
    expect(searchParams.get('perms')).toBe('sign_event:1,nip44_encrypt')
    expect(textOf(element, 'signer-list')).toBe('Listed (opens a new tab)')
    element.removeAttribute('signers')
    expect(isShown(element, 'signers')).toBe(false)
    element.remove()
  })

  test('that change make a new offer', async () => {
    const element = place()
    const before = await offered(element)
    element.perms = ['nip44_decrypt']
    element.metadata = { name: 'Renamed' }
    await expect.poll(async () => await offered(element)).not.toBe(before)
    const { searchParams } = new URL(await offered(element))
    expect([searchParams.get('perms'), searchParams.get('name')]).toEqual(['nip44_decrypt', 'Renamed'])
  })

  test('made before the element was defined are kept', () => {
    const early = document.createElement('early-login') as Nip46Login
    Object.assign(early, { relays: [relayUrl()], messages: { heading: 'Early' } })
    document.body.append(early)
    customElements.define('early-login', class extends Nip46Login {})
    expect(early.relays).toEqual([relayUrl()])
    expect(Object.hasOwn(early, 'relays')).toBe(false)
    expect(textOf(early, 'heading')).toBe('Early')
    early.remove()
  })

  test('without a relay leave the field for a link', async () => {
    const element = place({ relays: [] })
    await expect.poll(() => element.progress.stage).toBe('offering')
    expect(isShown(element, 'offer')).toBe(false)
    expect(isShown(element, 'paste-input')).toBe(true)
  })

  test('can put it into another language, now and later', async () => {
    const element = place({ messages: german })
    await until(german.scan, element)
    expect(textOf(element, 'heading')).toBe(german.heading)
    element.messages = english
    expect(textOf(element, 'heading')).toBe(english.heading)
    expect(textOf(element, 'status')).toBe(english.scan)
  })
})

describe('the link of the offer', () => {
  test('is copied by a click, or shown to be copied by hand', async () => {
    const element = place()
    const uri = await offered(element)
    const write = vi.spyOn(navigator.clipboard, 'writeText').mockResolvedValueOnce()
    part(element, 'copy').click()
    await until(english.copied, element)
    expect(write).toHaveBeenCalledWith(uri)
    write.mockRejectedValueOnce(new Error('not allowed'))
    part(element, 'copy').click()
    await until(english.copyByHand, element)
    const link = part<HTMLInputElement>(element, 'link')
    expect(element.shadowRoot?.activeElement).toBe(link)
    expect(link.value.slice(link.selectionStart ?? 0, link.selectionEnd ?? 0)).toBe(uri)
    write.mockRestore()
  })
})

/** Debian's Chromium has no reader of codes, so that part is a stand-in; the camera is Chromium's own, with a test picture. */
describe('the camera', () => {
  const detected: string[] = []
  const tracks = (element: Nip46Login): readonly MediaStreamTrack[] => {
    const { srcObject } = part<HTMLVideoElement>(element, 'camera')
    return srcObject instanceof MediaStream ? srcObject.getTracks() : []
  }
  const withReader = (): void => {
    class StandIn {
      async detect(): Promise<{ rawValue: string }[]> {
        return detected.splice(0).map((rawValue) => ({ rawValue }))
      }
    }
    vi.stubGlobal('BarcodeDetector', StandIn)
  }

  afterEach(() => {
    detected.length = 0
    vi.unstubAllGlobals()
  })

  test('is not offered where the browser cannot read codes', async () => {
    vi.stubGlobal('BarcodeDetector', undefined)
    const element = place()
    await offered(element)
    expect(isShown(element, 'scan')).toBe(false)
  })

  test('starts with a click, passes over other codes, logs in with a link, and is off afterwards', async () => {
    withReader()
    const ask = vi.spyOn(navigator.mediaDevices, 'getUserMedia')
    const { signer, userPubkey } = await startSigner()
    const { uri } = await signer.offer({ granted: GRANTED })
    const element = place()
    await offered(element)
    expect(ask).not.toHaveBeenCalled()
    part(element, 'scan').click()
    await expect.poll(() => tracks(element).length).toBe(1)
    const [track] = tracks(element)
    expect(isShown(element, 'camera')).toBe(true)
    detected.push('https://example.com')
    await until(english.notBunker, element)
    const session = next(element, 'nip46-session')
    detected.push(uri)
    const { detail } = await session
    expect(detail.userPubkey).toBe(userPubkey)
    expect(track?.readyState).toBe('ended')
    expect(isShown(element, 'camera')).toBe(false)
    detail.close()
    ask.mockRestore()
  })

  test('is off after Stop, and after the element is taken away', async () => {
    withReader()
    const element = place()
    await offered(element)
    for (const end of [() => part(element, 'stop').click(), () => element.remove()]) {
      part(element, 'scan').click()
      await expect.poll(() => tracks(element).length).toBe(1)
      const [track] = tracks(element)
      end()
      await expect.poll(() => track?.readyState).toBe('ended')
      await expect.poll(() => part(element, 'camera').hidden).toBe(true)
    }
  })

  test('that may not be used is said', async () => {
    withReader()
    const refuse = vi.spyOn(navigator.mediaDevices, 'getUserMedia').mockRejectedValueOnce(new Error('no'))
    const element = place()
    await offered(element)
    part(element, 'scan').click()
    await until(english.cameraRefused, element)
    refuse.mockRestore()
  })
})

/** An approver that answers when the test says so, after sending the client to a page if there is one. */
function askable(page?: string): { approver: Approver; answer: (verdict: Verdict) => void } {
  let answer: (verdict: Verdict) => void = () => undefined
  const verdict = new Promise<Verdict>((resolve) => {
    answer = resolve
  })
  const approver: Approver = {
    decide: (_question, { challenge }) => {
      if (page !== undefined) challenge(page)
      return verdict
    },
  }
  return { approver, answer }
}

/** The same transport, which tells how many subscriptions are open. */
function counted(transport: Transport): Transport & { open(): number } {
  let open = 0
  return {
    ...transport,
    open: () => open,
    subscribe(request) {
      const subscription = transport.subscribe(request)
      open += 1
      return {
        close() {
          open -= 1
          subscription.close()
        },
      }
    },
  }
}
