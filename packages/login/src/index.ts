/**
 * @nip46/login: `<nip46-login>`, a web component to log in with a remote signer. `@nip46/login/define` registers it.
 * Never opens a page by itself and keeps no session: that is handed to the page.
 */

export {
  defineLogin,
  type LoginEventMap,
  type LoginProgress,
  type LoginProps,
  type MoreLoginOptions,
  Nip46Login,
} from './element.ts'
export { QR_CHARS, SCAN_MS, SIGNERS } from './limits.ts'
export type { LoginStep } from './login-flow.ts'
export { type ErrorMessages, english, type Messages, type PartialMessages } from './messages.ts'
export type { LoginDefaults } from './parts.ts'
export type { SignerChoice } from './signer-choice.ts'
