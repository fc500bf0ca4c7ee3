/**
 * `<nip46-login>`: the element itself, with its attributes, properties and events.
 * Never opens a page, never switches a camera on and never reaches a relay before it is seen.
 */

import type { AuthUrl, BunkerSession, ClientMetadata } from '@nip46/client'
import type { Crypto, Transport } from '@nip46/core'
import {
  createLoginFlow,
  type LoginFlow,
  type LoginState,
  type LoginStep,
  type Wishes,
} from './login-flow.ts'
import { completeMessages, type Messages, type PartialMessages } from './messages.ts'
import { type LoginDefaults, takeParts } from './parts.ts'
import { canScan, scanLink } from './scanner.ts'
import { type ListedSigner, readSigners, type SignerChoice } from './signer-choice.ts'
import { loginStyle } from './style.ts'
import { createView, type Note, type View } from './view.ts'

/** How far a login is: `idle`, `offering`, `connecting` (then with a step), `failed`, `done`. */
export interface LoginProgress {
  readonly stage: LoginState['stage']
  readonly step: LoginStep | null
}

/** The events of the element, by name. They bubble. */
export interface LoginEventMap {
  /** Logged in. The session is the page's from here: save it, use it, close it. */
  'nip46-session': CustomEvent<BunkerSession>
  'nip46-progress': CustomEvent<LoginProgress>
  /** The remote signer wants a page visited, while logging in or later. The element shows it as a link, too. */
  'nip46-auth-url': CustomEvent<AuthUrl>
  /** A login failed: a `Nip46Error`, or what the page did wrong. The element says so in words, too. */
  'nip46-error': CustomEvent<unknown>
  /** The user pressed Cancel, or Back after a link failed. */
  'nip46-cancel': CustomEvent<null>
}

/** The element's settings and events as React, Preact and Svelte take them in markup, for the types of theirs. */
export type LoginProps = {
  readonly [K in (typeof PROPERTIES)[number]]?: Nip46Login[K] | undefined
} & {
  readonly [K in keyof LoginEventMap as `on${K}`]?: (event: LoginEventMap[K]) => void
}

declare global {
  interface HTMLElementTagNameMap {
    'nip46-login': Nip46Login
  }
  interface HTMLElementEventMap extends LoginEventMap {}
}

/** What is given besides its own properties: `onEvent`, `timeouts`, `profile`, `allowInsecureRelays` and so on. */
export type MoreLoginOptions = Omit<Wishes, 'metadata' | 'perms'>

/** Where there are no elements, as on a server that renders pages, the module still loads. */
const Base: typeof HTMLElement = globalThis.HTMLElement ?? (class {} as unknown as typeof HTMLElement)

/**
 * A card to log in with: QR code and link, listed signers, and a field for a bunker:// link.
 *
 * ```html
 * <nip46-login relays="wss://relay.example" app-name="My app" perms="sign_event:1,nip44_encrypt"></nip46-login>
 * ```
 *
 * Attributes: `relays` (white space between them; none: no QR code), `app-name`, `app-url`, `app-image`, `perms` (commas between
 * them), `signers` (JSON), `theme` (`light` or `dark`; else the system's). The properties below win over them.
 */
export class Nip46Login extends Base {
  /** What logins run on where `crypto` and `transport` are not set. */
  static defaults: LoginDefaults | undefined

  static readonly observedAttributes: readonly string[] = [
    'relays',
    'app-name',
    'app-url',
    'app-image',
    'perms',
    'signers',
  ]

  #relays: readonly string[] | undefined
  #metadata: ClientMetadata | undefined
  #perms: readonly string[] | undefined
  #signers: readonly ListedSigner[] | undefined
  #found: readonly ListedSigner[] = []
  #listed: readonly ListedSigner[] = []
  #messages: Messages = completeMessages({})
  #crypto: Crypto | undefined
  #transport: Transport | undefined
  #options: MoreLoginOptions = {}
  #discover: (() => Promise<readonly SignerChoice[]>) | undefined
  #note: Note | null = null
  #pasted = ''
  #scan: AbortController | undefined
  #seen: IntersectionObserver | undefined
  #changed = false
  #view: View | undefined
  readonly #flow: LoginFlow = createLoginFlow({
    takeParts: () => takeParts(this.#crypto, this.#transport, Nip46Login.defaults),
    wishes: () => this.#wishes(),
    relays: () => this.relays,
    onState: (state) => this.#follow(state),
    onSession: (session) => this.#tell('nip46-session', session),
    onAuthUrl: (auth) => this.#tell('nip46-auth-url', auth),
    onError: (error) => this.#tell('nip46-error', error),
  })

  /** Where offers wait for a signer: 1 to 10 relay URLs. Empty: no QR code, only the field for a link. */
  get relays(): readonly string[] {
    return this.#relays ?? words(this.getAttribute('relays'), /\s+/)
  }
  set relays(relays: readonly string[] | undefined) {
    this.#relays = relays
    this.#renew()
  }

  /** What the signer shows its user about this app. */
  get metadata(): ClientMetadata {
    const [name, url, image] = ['app-name', 'app-url', 'app-image'].map((attribute) =>
      this.getAttribute(attribute),
    )
    return this.#metadata ?? { ...(name && { name }), ...(url && { url }), ...(image && { image }) }
  }
  set metadata(metadata: ClientMetadata | undefined) {
    this.#metadata = metadata
    this.#renew()
  }

  /** What to ask for, such as `['sign_event:1', 'nip44_encrypt']`. */
  get perms(): readonly string[] {
    return this.#perms ?? words(this.getAttribute('perms'), /[\s,]+/)
  }
  set perms(perms: readonly string[] | undefined) {
    this.#perms = perms
    this.#renew()
  }

  /** Signers to list; at most `SIGNERS` are shown. */
  get signers(): readonly SignerChoice[] {
    return this.#signers ?? readSigners(fromJson(this.getAttribute('signers')))
  }
  set signers(signers: readonly SignerChoice[] | undefined) {
    this.#signers = signers === undefined ? undefined : readSigners(signers)
    this.#list()
  }

  /** Finds more signers to list, as `discoverSigners` of `@nip46/client/discovery` does; asked once, when the element is first seen. A rejection is reported as an uncaught error. */
  get discover(): (() => Promise<readonly SignerChoice[]>) | undefined {
    return this.#discover
  }
  set discover(discover: (() => Promise<readonly SignerChoice[]>) | undefined) {
    this.#discover = discover
  }

  /** A translation, whole or in part; what is missing is said in English. */
  get messages(): Messages {
    return this.#messages
  }
  set messages(messages: PartialMessages | undefined) {
    this.#messages = completeMessages(messages ?? {})
    this.#show()
  }

  /** The crypto backend of the next login. Default, with `@nip46/login/define`: small crypto. */
  get crypto(): Crypto | undefined {
    return this.#crypto
  }
  set crypto(crypto: Crypto | undefined) {
    this.#crypto = crypto
  }

  /** The transport of the next login; stays yours. Default, with `@nip46/login/define`: a relay pool, closed with its session. */
  get transport(): Transport | undefined {
    return this.#transport
  }
  set transport(transport: Transport | undefined) {
    this.#transport = transport
  }

  get options(): MoreLoginOptions {
    return this.#options
  }
  set options(options: MoreLoginOptions | undefined) {
    this.#options = options ?? {}
  }

  get progress(): LoginProgress {
    const state = this.#flow.state()
    return { stage: state.stage, step: state.stage === 'connecting' ? state.step : null }
  }

  /** Makes a new offer. It starts by itself when the element is first seen. */
  start(): void {
    this.#pasted = ''
    this.#flow.offer()
  }

  /** Logs in with a bunker:// link, as if the user had pasted it. */
  connect(bunkerUri: string): void {
    this.#pasted = bunkerUri
    this.#flow.connect(bunkerUri)
  }

  /** Ends what is going on. A session that is there stays. */
  cancel(): void {
    this.#scan?.abort()
    this.#flow.cancel()
  }

  connectedCallback(): void {
    for (const name of PROPERTIES) takeOver(this, name)
    if (this.#view === undefined) {
      const root = this.shadowRoot ?? this.attachShadow({ mode: 'open' })
      root.adoptedStyleSheets = [loginStyle()]
      this.#view = createView(root, {
        onConnect: (link) => this.connect(link),
        onScan: (video) => void this.#scanWith(video),
        onStopScan: () => this.#scan?.abort(),
        onCopy: (uri) => void this.#copy(uri),
        onCancel: () => {
          this.start()
          this.#tell('nip46-cancel', null)
        },
        onRetry: () => (this.#pasted === '' ? this.start() : this.connect(this.#pasted)),
      })
    }
    this.#list()
    this.#seen = new IntersectionObserver((entries) => {
      if (!entries.some(({ isIntersecting }) => isIntersecting)) return
      this.#seen?.disconnect()
      if (this.#flow.state().stage === 'idle') this.start()
      void this.#find()
    })
    this.#seen.observe(this)
  }

  disconnectedCallback(): void {
    this.#seen?.disconnect()
    this.cancel()
  }

  attributeChangedCallback(name: string): void {
    if (name === 'signers') this.#list()
    else this.#renew()
  }

  /** An offer says what it asks for: after a change of that a new one is made, once for all changes of one turn. */
  #renew(): void {
    if (this.#changed || this.#flow.state().stage !== 'offering') return
    this.#changed = true
    queueMicrotask(() => {
      this.#changed = false
      if (this.#flow.state().stage === 'offering') this.#flow.offer()
    })
  }

  #wishes(): Wishes {
    const metadata = this.metadata
    const named = Object.keys(metadata).length > 0 ? { metadata } : {}
    return { ...this.#options, perms: this.perms, ...named }
  }

  #list(): void {
    this.#listed = readSigners([...this.signers, ...this.#found])
    this.#show()
  }

  async #find(): Promise<void> {
    const discover = this.#discover
    if (discover === undefined) return
    try {
      this.#found = readSigners(await discover())
      this.#list()
    } catch (cause) {
      reportError(cause)
    }
  }

  #follow(state: LoginState): void {
    this.#note = null
    if (state.stage !== 'offering') this.#scan?.abort()
    this.#show()
    this.#tell('nip46-progress', this.progress)
    if (state.stage === 'failed' && !(state.error instanceof Error && state.error.name === 'Nip46Error')) {
      reportError(state.error)
    }
  }

  async #copy(uri: string): Promise<void> {
    try {
      await navigator.clipboard.writeText(uri)
      this.#note = 'copied'
    } catch {
      // Not allowed, or no secure context: the link is shown instead.
      this.#note = 'copyByHand'
    }
    this.#show()
  }

  async #scanWith(video: HTMLVideoElement): Promise<void> {
    this.#scan?.abort()
    const scan = new AbortController()
    this.#scan = scan
    this.#note = null
    this.#show()
    const outcome = await scanLink(video, scan.signal, () => {
      this.#note = 'notBunker'
      this.#show()
    })
    if (this.#scan !== scan) return
    this.#scan = undefined
    this.#note = outcome === 'refused' ? 'cameraRefused' : null
    this.#show()
    if (typeof outcome === 'object') this.connect(outcome.link)
  }

  #show(): void {
    this.#view?.show({
      state: this.#flow.state(),
      messages: this.#messages,
      signers: this.#listed,
      canScan: canScan(),
      scanning: this.#scan !== undefined && !this.#scan.signal.aborted,
      note: this.#note,
      pasted: this.#pasted,
    })
  }

  #tell<K extends keyof LoginEventMap>(type: K, detail: LoginEventMap[K]['detail']): void {
    this.dispatchEvent(new CustomEvent(type, { detail, bubbles: true, composed: true }))
  }
}

/** Registers the element, once, for pages that set `crypto` and `transport` themselves. Others import `@nip46/login/define`. */
export function defineLogin(name = 'nip46-login'): void {
  if (globalThis.customElements?.get(name) === undefined) globalThis.customElements?.define(name, Nip46Login)
}

const PROPERTIES = [
  'relays',
  'metadata',
  'perms',
  'signers',
  'discover',
  'messages',
  'crypto',
  'transport',
  'options',
] as const

/** A property that was set before the element was defined hides ours until it is set again. */
function takeOver<K extends (typeof PROPERTIES)[number]>(element: Nip46Login, name: K): void {
  if (!Object.hasOwn(element, name)) return
  const value = element[name]
  Reflect.deleteProperty(element, name)
  element[name] = value
}

function words(text: string | null, between: RegExp): readonly string[] {
  return (text ?? '').split(between).filter((word) => word !== '')
}

function fromJson(text: string | null): unknown {
  if (text === null) return undefined
  try {
    return JSON.parse(text)
  } catch {
    // Like any attribute that cannot be read: as if it were not there.
    return undefined
  }
}
