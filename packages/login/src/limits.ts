/**
 * Every bound of the component, by name.
 * Never a policy of one application.
 */

/** Characters of a link that still make a QR code which cameras read; a longer one is shown as a link only. */
export const QR_CHARS = 1_200
/** Signers that are listed; the rest is left out. */
export const SIGNERS = 24
/** Characters of an address of a signer's page or picture. */
export const SIGNER_URL_CHARS = 2_048
/** Displayed characters of a name or of somebody else's words. */
export const NAME_CHARS = 64
export const WORDS_CHARS = 300
/** The camera is switched off after so long, in milliseconds. */
export const SCAN_MS = 90_000
/** Between two looks through the camera, in milliseconds. */
export const SCAN_EVERY_MS = 200
