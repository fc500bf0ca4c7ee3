/**
 * What the component shows: built once from elements, brought up to date from a state.
 * Never sets markup or inline style: foreign words become text, and addresses are checked before they become links.
 */

import { connectLink } from '@nip46/client/discovery'
import { encodeNpub, type Pubkey } from '@nip46/core'
import { describeError, needsOtherLink } from './error-text.ts'
import type { LoginState } from './login-flow.ts'
import { fill, type Messages } from './messages.ts'
import { encodeQrCode } from './qr-code.ts'
import { isPage, type ListedSigner } from './signer-choice.ts'

/** A word on what the user just did, in place of the state's, until the state changes. */
export type Note = 'copied' | 'copyByHand' | 'cameraRefused' | 'notBunker'

export interface Shown {
  readonly state: LoginState
  readonly messages: Messages
  readonly signers: readonly ListedSigner[]
  readonly canScan: boolean
  readonly scanning: boolean
  readonly note: Note | null
  /** The last link that was tried. */
  readonly pasted: string
}

export interface Actions {
  readonly onConnect: (link: string) => void
  readonly onScan: (video: HTMLVideoElement) => void
  readonly onStopScan: () => void
  readonly onCopy: (uri: string) => void
  readonly onCancel: () => void
  readonly onRetry: () => void
}

export interface View {
  readonly show: (shown: Shown) => void
}

export function createView(root: ShadowRoot, actions: Actions): View {
  const heading = make('h2', 'heading', { id: 'heading', tabindex: '-1' })
  const spinner = make('span', 'spinner', { 'aria-hidden': 'true' })
  const statusText = make('span', 'status-text')
  const status = make(
    'p',
    'status',
    { role: 'status', 'aria-live': 'polite', tabindex: '-1' },
    spinner,
    statusText,
  )
  const error = make('div', 'error', { id: 'error', role: 'alert', tabindex: '-1' })
  const retry = button('retry', 'primary', actions.onRetry)

  const authLink = make('a', 'auth-link', NEW_TAB)
  authLink.classList.add('primary')
  const auth = make('div', 'auth', {}, authLink)

  const openLink = make('a', 'open')
  const copy = button('copy', '', () => actions.onCopy(openLink.getAttribute('href') ?? ''))
  const summary = make('summary', 'qr-summary')
  const path = document.createElementNS(SVG, 'path')
  const qr = document.createElementNS(SVG, 'svg')
  setAll(qr, { part: 'qr', role: 'img', 'shape-rendering': 'crispEdges' })
  qr.append(path)
  const qrSection = make('details', 'qr-section', {}, summary, qr)
  // On a phone the signer is most often on the same device: the code comes second there. The order is that of Tab and of speech.
  const isPhone = matchMedia('(pointer:coarse)').matches
  qrSection.open = !isPhone
  openLink.classList.toggle('primary', isPhone)
  const link = make('input', 'link', { readonly: '' })
  link.addEventListener('focus', () => link.select())
  const signersHeading = make('h3', 'signers-heading')
  const list = make('ul', 'signer-list', { role: 'list' })
  const signers = make('div', 'signers', {}, signersHeading, list)
  const ways = isPhone ? [openLink, qrSection, copy] : [qrSection, make('div', 'row', {}, openLink, copy)]
  const offer = make('div', 'offer', {}, ...ways, link, signers)

  const label = make('label', 'paste-label', { for: 'paste' })
  const input = make('input', 'paste-input', {
    id: 'paste',
    inputmode: 'url',
    autocomplete: 'off',
    autocapitalize: 'off',
    spellcheck: 'false',
    placeholder: 'bunker://…',
    'aria-describedby': 'hint error',
  })
  const hint = make('p', 'hint', { id: 'hint' })
  const connect = make('button', 'connect', { type: 'submit' })
  const scan = button('scan', '', () => actions.onScan(video))
  const video = make('video', 'camera', { playsinline: '' })
  video.muted = true
  const stop = button('stop', '', actions.onStopScan)
  const row = make('div', 'row', {}, connect, scan)
  const form = make('form', 'paste', { novalidate: '' }, label, input, hint, row, video, stop)
  form.addEventListener('submit', (event) => {
    event.preventDefault()
    actions.onConnect(input.value)
  })

  const cancel = button('cancel', '', actions.onCancel)
  root.append(
    make(
      'section',
      'card',
      { 'aria-labelledby': 'heading' },
      heading,
      status,
      error,
      retry,
      auth,
      offer,
      form,
      cancel,
    ),
  )

  let before: Shown | undefined
  const translate = (messages: Messages): void => {
    setText(heading, messages.heading)
    setText(retry, messages.retry)
    setText(openLink, messages.open)
    setText(copy, messages.copy)
    setText(summary, messages.showQr)
    qr.setAttribute('aria-label', messages.qr)
    link.setAttribute('aria-label', messages.copy)
    setText(signersHeading, messages.signers)
    setText(label, messages.paste)
    setText(hint, messages.pasteHint)
    setText(connect, messages.connect)
    setText(scan, messages.scanLink)
    setText(stop, messages.stopScan)
    video.setAttribute('aria-label', messages.camera)
  }
  const showOffer = (uri: string | null): void => {
    if (uri === null) openLink.removeAttribute('href')
    else openLink.href = uri
    const code = uri === null ? null : encodeQrCode(uri)
    qr.setAttribute('viewBox', `0 0 ${code?.size ?? 1} ${code?.size ?? 1}`)
    path.setAttribute('d', code?.path ?? '')
    qrSection.hidden = uri !== null && code === null
    link.value = uri ?? ''
  }
  const showSigners = ({ signers: choices, messages }: Shown, uri: string | null): void => {
    list.replaceChildren(
      ...(uri === null
        ? []
        : choices.map((choice) => make('li', 'signer', {}, signerAnchor(choice, uri, messages)))),
    )
    signers.hidden = uri === null || choices.length === 0
  }
  const showAuth = (origin: string, url: string, messages: Messages): void => {
    setText(authLink, `${fill(messages.openAuth, { origin })} ${messages.newTab}`)
    // The client has checked it; what becomes a link is checked here, too.
    if (isPage(url)) authLink.href = url
    else authLink.removeAttribute('href')
  }

  return {
    show(shown) {
      const { state, messages, scanning, note, pasted } = shown
      const { stage } = state
      const busy = stage === 'connecting'
      const failed = stage === 'failed'
      const isLinkWrong = failed && needsOtherLink(state.error)
      const uri = stage === 'offering' ? state.uri : null
      const page = stage === 'connecting' || stage === 'done' ? state.auth : null
      const focused = root.activeElement !== null
      if (messages !== before?.messages) translate(messages)
      if (before === undefined || uri !== uriOf(before)) showOffer(uri)
      if (uri !== uriOf(before) || shown.signers !== before?.signers || messages !== before?.messages) {
        showSigners(shown, uri)
      }
      setText(statusText, statusOf(shown))
      status.hidden = failed
      spinner.hidden =
        !(busy && page === null) && !(stage === 'offering' && uri !== null && state.live !== true)
      setText(error, failed ? describeError(state.error, messages, pasted) : '')
      error.hidden = !failed
      retry.hidden = !failed || isLinkWrong
      if (page !== null) showAuth(page.origin, page.url, messages)
      auth.hidden = page === null
      offer.hidden = uri === null
      link.hidden = note !== 'copyByHand'
      form.hidden = busy || stage === 'done'
      input.setAttribute('aria-invalid', String(isLinkWrong))
      scan.hidden = !shown.canScan || scanning
      video.hidden = !scanning
      stop.hidden = !scanning
      // From a link back to the code.
      const canGoBack = failed && (isLinkWrong || pasted !== '')
      setText(cancel, failed ? messages.back : messages.cancel)
      cancel.hidden = !busy && !canGoBack
      connect.classList.toggle('primary', uri === null && (!failed || isLinkWrong))
      // Who was inside when the part under the focus went away is led to what came instead.
      if (focused && before !== undefined && stage !== before.state.stage) {
        if (busy) cancel.focus()
        else if (isLinkWrong) input.select()
        else if (failed) error.focus()
        else if (stage === 'done') status.focus()
        else heading.focus()
      }
      if (note === 'copyByHand' && before?.note !== note) link.focus()
      before = shown
    },
  }
}

function uriOf(shown: Shown | undefined): string | null {
  return shown?.state.stage === 'offering' ? shown.state.uri : null
}

function statusOf({ state, note, messages, scanning }: Shown): string {
  if (note !== null) return messages[note]
  switch (state.stage) {
    case 'offering':
      if (state.uri === null || scanning) return ''
      return state.live === null ? messages.reaching : state.live ? messages.scan : messages.unreachable
    case 'connecting':
      if (state.auth !== null) return fill(messages.auth, { origin: state.auth.origin })
      return messages[STEP_MESSAGES[state.step]]
    case 'done':
      if (state.auth !== null) return fill(messages.auth, { origin: state.auth.origin })
      return fill(messages.done, { user: shortNpub(state.userPubkey as Pubkey) })
    default:
      return ''
  }
}

const STEP_MESSAGES = {
  reach: 'connecting',
  sent: 'sent',
  approve: 'approve',
  identify: 'identify',
  confirm: 'approve',
} as const

function shortNpub(pubkey: Pubkey): string {
  const npub = encodeNpub(pubkey)
  return `${npub.slice(0, 12)}…${npub.slice(-6)}`
}

function signerAnchor(
  { name, domain, picture, connectTemplate }: ListedSigner,
  uri: string,
  { newTab }: Messages,
): HTMLElement {
  const anchor = make('a', 'signer-link', { ...NEW_TAB, href: connectLink(connectTemplate, uri) })
  if (picture !== undefined) {
    const facts = { src: picture, alt: '', loading: 'lazy', referrerpolicy: 'no-referrer' }
    anchor.append(make('img', 'signer-picture', facts))
  }
  const words = make('span', 'signer-name', {}, name)
  if (domain !== undefined && domain !== name) words.append(' ', make('span', 'domain', {}, domain))
  words.append(' ', make('span', 'unseen', {}, newTab))
  anchor.append(words)
  return anchor
}

const SVG = 'http://www.w3.org/2000/svg'
const NEW_TAB = { target: '_blank', rel: 'noopener noreferrer' }

function button(part: string, look: string, onClick: () => void): HTMLButtonElement {
  const made = make('button', part, { type: 'button' })
  if (look !== '') made.classList.add(look)
  made.addEventListener('click', onClick)
  return made
}

/** `part` is what pages style from outside, and the class that our own sheet uses. */
function make<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  part: string,
  attributes: Readonly<Record<string, string>> = {},
  ...children: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag)
  setAll(element, { part, class: part, ...attributes })
  element.append(...children)
  return element
}

function setAll(element: Element, attributes: Readonly<Record<string, string>>): void {
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value)
}

/** Only a change: a screen reader says a live region again whenever it is set. */
function setText(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text
}
