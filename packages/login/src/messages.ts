/**
 * Every word the component shows, in English, and how a place in a sentence is filled.
 * Never holds markup: words are set as text.
 */

/** A translation. `{origin}`, `{words}` and `{user}` are filled in. */
export interface Messages {
  readonly heading: string
  /** While relays are dialled for the QR code. */
  readonly reaching: string
  readonly scan: string
  readonly unreachable: string
  readonly qr: string
  readonly showQr: string
  readonly open: string
  readonly copy: string
  readonly copied: string
  readonly copyByHand: string
  readonly signers: string
  readonly paste: string
  readonly pasteHint: string
  readonly connect: string
  readonly scanLink: string
  readonly stopScan: string
  readonly camera: string
  readonly cameraRefused: string
  readonly notBunker: string
  readonly connecting: string
  readonly sent: string
  readonly approve: string
  readonly identify: string
  readonly auth: string
  readonly openAuth: string
  readonly newTab: string
  readonly cancel: string
  readonly back: string
  readonly retry: string
  readonly done: string
  readonly errors: ErrorMessages
}

/** One sentence for each way to fail, saying what to do. `{words}` is what the other side said. */
export interface ErrorMessages {
  readonly empty: string
  readonly scheme: string
  readonly nostrconnect: string
  readonly uri: string
  readonly insecure: string
  readonly noRelay: string
  readonly refused: string
  readonly notSent: string
  readonly noAnswer: string
  readonly authTimeout: string
  readonly notTaken: string
  readonly rejected: string
  readonly secret: string
  readonly unpaired: string
  readonly busy: string
  readonly remote: string
  readonly unbelievable: string
  readonly otherUser: string
  readonly other: string
}

/** The words of the element unless `messages` says otherwise, and what a translation begins with. */
export const english: Messages = {
  heading: 'Log in with your signer',
  reaching: 'Getting the code ready…',
  scan: 'Scan the code with your signer, or open the link on this device.',
  unreachable: 'No relay answers at the moment. Still trying…',
  qr: 'QR code of the login link',
  showQr: 'QR code for another device',
  open: 'Open my signer',
  copy: 'Copy link',
  copied: 'Link copied. Paste it into your signer.',
  copyByHand: 'Copying did not work. Copy the link below by hand.',
  signers: 'Or choose a signer',
  paste: 'Or paste a link from your signer',
  pasteHint: 'It starts with bunker://',
  connect: 'Connect',
  scanLink: 'Scan it',
  stopScan: 'Stop the camera',
  camera: 'Picture of the camera',
  cameraRefused: 'The camera cannot be used. Paste the link instead.',
  notBunker: 'That code is no bunker:// link. Still looking…',
  connecting: 'Connecting…',
  sent: 'Asking your signer…',
  approve: 'Now approve the login in your signer.',
  identify: 'Connected. Asking who you are…',
  auth: 'Your signer asks you to continue at {origin}.',
  openAuth: 'Continue at {origin}',
  newTab: '(opens a new tab)',
  cancel: 'Cancel',
  back: 'Back',
  retry: 'Try again',
  done: 'You are logged in as {user}.',
  errors: {
    empty: 'Paste the link from your signer first. It starts with bunker://',
    scheme: 'This is no link of a signer. Copy the one that starts with bunker://',
    nostrconnect: 'This link is for a signer, not for this page. Copy the one that starts with bunker://',
    uri: 'This link is damaged or cut off. Copy it again from your signer.',
    insecure: 'The relay in this link is not encrypted. Ask your signer for a link with a wss:// relay.',
    noRelay: 'No relay could be reached. Check your internet connection, then try again.',
    refused: 'The relay refused the request ({words}). Try again, or use another relay in your signer.',
    notSent: 'The request could not be sent. Check your internet connection, then try again.',
    noAnswer: 'Your signer did not answer. Open it, see that it is online, then try again.',
    authTimeout: 'The page of your signer was not finished in time. Try again.',
    notTaken: 'Nobody used the code in time. Try again for a new one.',
    rejected: 'The login was declined in your signer. Try again if that was a mistake.',
    secret: 'This link was used already or has expired. Make a new one in your signer.',
    unpaired: 'Your signer does not know this connection any more. Make a new link in your signer.',
    busy: 'Your signer has too much to do. Wait a minute, then try again.',
    remote: 'Your signer says: {words}',
    unbelievable: 'The answer of your signer cannot be used. Update it, or use another signer.',
    otherUser: 'Your signer answered for another user. Choose the right one there, then try again.',
    other: 'The login did not work ({words}). Try again.',
  },
}

/** The sentence with its places filled; the values stay text. */
export function fill(sentence: string, values: Readonly<Record<string, string>>): string {
  return sentence.replace(/\{(\w+)\}/g, (place, name: string) =>
    Object.hasOwn(values, name) ? (values[name] as string) : place,
  )
}

/** What a translation lacks is said in English. */
export function completeMessages(some: PartialMessages): Messages {
  return { ...english, ...some, errors: { ...english.errors, ...some.errors } }
}

/** A translation, whole or in part: what is missing stays English. */
export type PartialMessages = Partial<Omit<Messages, 'errors'>> & { readonly errors?: Partial<ErrorMessages> }
