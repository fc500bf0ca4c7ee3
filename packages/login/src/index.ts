/**
 * @nip46/login: a web component to log in with a remote signer.
 * Never does anything yet.
 */

export {}
