/**
 * @nip46/crypto/small-nip04: what `smallCrypto` leaves out, for remote signers of the NIP-04 era.
 * Never chosen by itself: NIP-04 has no MAC.
 */

import { PLAIN_BLOCKS } from './aes256-cbc.ts'
import { createNip04, type Nip04 } from './nip04.ts'

export type { Nip04 } from './nip04.ts'

/**
 * Together with a profile of that era.
 *
 * ```ts
 * const crypto = smallCrypto({ nip04: smallNip04 })
 * const session = await connect(uri, { crypto, transport, profile: clientProfile('SEED') })
 * ```
 */
export const smallNip04: Nip04 = /* @__PURE__ */ createNip04(PLAIN_BLOCKS)
