/**
 * @nip46/store-postgres: the store of many remote signers in one PostgreSQL, durable and encrypted.
 * Never does anything yet.
 */

export {}
