/**
 * The vault: a directory with the user's keys, encrypted, and the key that the stores are sealed with.
 * Never holds a user's key in this thread: they live in the signing worker, from the moment they are unlocked until
 * they are locked. Never takes a passphrase as text: bytes can be wiped.
 */

import type { Clock, Millis, Pubkey, RandomBytes, UserSigner } from '@nip46/core'
import type { StoreSeal } from '@nip46/core/remote-signer'

/** UTF-8 bytes, 1 to `PASSPHRASE_BYTES`. Copied by whoever takes it, in the same turn: wipe yours after the call. */
export type Passphrase = Uint8Array

export interface KeyInfo {
  /** Unique, also if upper and lower case are not told apart. Letters, digits, dots, dashes, underscores; at most 64. */
  readonly name: string
  readonly pubkey: Pubkey
  readonly createdAt: Millis
  readonly state: 'locked' | 'unlocked'
  /** When it locks by itself; null if it is locked or stays unlocked. */
  readonly locksAt: Millis | null
}

export type VaultEvent =
  | { readonly type: 'key-added' | 'key-removed' | 'passphrase-changed'; readonly key: KeyInfo }
  | { readonly type: 'key-renamed'; readonly key: KeyInfo; readonly before: string }
  | { readonly type: 'key-unlocked'; readonly key: KeyInfo }
  /** `worker`: the signing worker died, and with it every unlocked key. They can be unlocked again. */
  | {
      readonly type: 'key-locked'
      readonly key: KeyInfo
      readonly reason: 'asked' | 'timeout' | 'worker' | 'closed'
    }
  | { readonly type: 'wrong-passphrase'; readonly key: KeyInfo; readonly tries: number }
  /** The signing worker died or was ended because it did not answer; `restarted` is false if it is given up. */
  | { readonly type: 'worker-lost'; readonly reason: string; readonly restarted: boolean }

export interface VaultOptions {
  /** Cost of scrypt in what is written, 16 to 22. Default `LOG_N`. */
  readonly logN?: number
  /** Default: the host's. */
  readonly clock?: Clock
  /** Default: the host's secure source. The signing worker has its own. */
  readonly random?: RandomBytes
}

/** Where a key that is imported comes from. */
export interface ImportOptions {
  /** Passphrase of an ncryptsec1… text, or of seed words that have one (BIP-39). */
  readonly secretPassphrase?: Passphrase
  /** Account of seed words (NIP-06). Default 0. */
  readonly account?: number
}

export interface ExportOptions {
  /** Passphrase of the text that is given out. Default: the key's. */
  readonly exportPassphrase?: Passphrase
  /** Cost of scrypt of that text, 16 to 22. Default `LOG_N`. */
  readonly logN?: number
}

export interface UserSignerOptions {
  /**
   * While the key is locked, wait so long for somebody to unlock it, in milliseconds. Default 0: answer
   * `unavailable: the key is locked` at once.
   */
  readonly waitForUnlockMs?: number
}

/** A signer whose key is in the signing worker. */
export interface VaultSigner extends UserSigner {
  readonly repeatable: true
}

/**
 * An open vault. What fails rejects with `VaultError`, whose message says what to do, and has changed nothing; a
 * caller's mistake throws `UsageError`. After `close()` everything rejects with `vault/closed`.
 */
export interface Vault {
  readonly directory: string
  /** By name. */
  list(): readonly KeyInfo[]
  /** By name or pubkey. */
  show(key: string): KeyInfo | undefined
  /** Makes a key; it is locked. Rejects with `key/exists`, `key/name`, `key/full`. */
  create(name: string, passphrase: Passphrase): Promise<KeyInfo>
  /**
   * Takes in a key that exists: `nsec1…`, 64 hex characters, `ncryptsec1…` or seed words (NIP-06, English), as UTF-8 bytes of at
   * most `SECRET_TEXT_BYTES`. It is encrypted under `passphrase`, and locked. Rejects as {@link Vault.create}, and with
   * `key/shape`, `key/password`, `key/scrypt-cost`.
   */
  importKey(
    name: string,
    secret: Uint8Array,
    passphrase: Passphrase,
    options?: ImportOptions,
  ): Promise<KeyInfo>
  /** The key as `ncryptsec1…` (NIP-49). Rejects with `key/absent`, `key/password`, `key/tries`. */
  exportKey(name: string, passphrase: Passphrase, options?: ExportOptions): Promise<string>
  /**
   * Lets the key be used until it is locked, or for so many milliseconds (at most `UNLOCK_MS_MAX`). On an unlocked key
   * the passphrase is checked and the time begins anew. Rejects as {@link Vault.exportKey}.
   */
  unlock(name: string, passphrase: Passphrase, forMs?: number): Promise<KeyInfo>
  /** Operations are refused from this call on; resolves when the key is wiped. A locked key stays locked. */
  lock(name: string): Promise<KeyInfo>
  /** Every key; resolves with how many were unlocked. */
  lockAll(): Promise<number>
  rename(name: string, newName: string): Promise<KeyInfo>
  /** The key stays locked or unlocked as it was. */
  changePassphrase(name: string, passphrase: Passphrase, newPassphrase: Passphrase): Promise<KeyInfo>
  /** Deletes the key for good, if this is its passphrase. */
  remove(name: string, passphrase: Passphrase): Promise<KeyInfo>
  /** What the vault itself is opened with. The sealed stores stay as they are. Rejects with `vault/password`. */
  changeVaultPassphrase(passphrase: Passphrase, newPassphrase: Passphrase): Promise<void>
  /** Encrypts what stores write down. Throws `UsageError` once the vault is closed. */
  seal(): StoreSeal
  /** Signs and decrypts with a key of this vault, as long as it is unlocked. Undefined if there is no such key. */
  userSigner(pubkey: Pubkey, options?: UserSignerOptions): VaultSigner | undefined
  /** Returns the function that takes the listener off again. What a listener throws ends the process. */
  on(listener: (event: VaultEvent) => void): () => void
  /** Locks every key, ends the worker, forgets the key of the stores. Twice is harmless. */
  close(): Promise<void>
}
