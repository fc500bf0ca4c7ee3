/**
 * @nip46/store-sqlite: the store of a remote signer in one SQLite file, durable and encrypted.
 * Never does anything yet.
 */

export {}
