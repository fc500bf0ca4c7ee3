import { hexToBytes } from '@noble/hashes/utils.js'
import { describe, expect, test } from 'vitest'
import { createCrypto } from '../src/crypto.ts'
import { hostRandom } from '../src/host-random.ts'
import { sharedXOf } from './backend-calls.ts'
import { backends } from './backends.ts'
import { describeShared, readSharedJson } from './shared-data.ts'

interface Examples {
  readonly keys: Readonly<Record<string, { readonly sk: string; readonly pk: string }>> & {
    readonly sharedX_client_remoteSigner: string
  }
  readonly conversation_key_client_remoteSigner: string
  readonly examples: readonly {
    readonly name: string
    readonly from: string
    readonly to: string
    readonly cipher: 'nip44' | 'nip04'
    readonly nonce?: string
    readonly iv?: string
    readonly plaintext: string
    readonly event: {
      readonly id: string
      readonly pubkey: string
      readonly created_at: number
      readonly kind: number
      readonly tags: readonly (readonly string[])[]
      readonly content: string
      readonly sig: string
    }
  }[]
}

describeShared('the worked examples of the specification', () => {
  const file = readSharedJson<Examples>('spec/examples.json')
  const keyOf = (role: string): { readonly sk: string; readonly pk: string } => {
    const key = file.keys[role]
    if (key === undefined) throw new Error(`no key of ${role}`)
    return key
  }

  describe.each(backends)('on $name', ({ create }) => {
    const backend = create()
    const crypto = createCrypto(backend, { random: hostRandom })

    test('the shared x and the conversation key are the known ones', () => {
      expect(sharedXOf(backend, keyOf('client').sk, keyOf('remote-signer').pk)).toBe(
        file.keys.sharedX_client_remoteSigner,
      )
      const conversation = crypto
        .importKey(hexToBytes(keyOf('client').sk))
        .conversation(keyOf('remote-signer').pk)
      expect(conversation.ok && conversation.value.dangerouslyExportKey()).toBe(
        file.conversation_key_client_remoteSigner,
      )
    })

    test.each(file.examples)('$name', ({ from, to, cipher, nonce, iv, plaintext, event }) => {
      const [sender, receiver] = [
        crypto.importKey(hexToBytes(keyOf(from).sk)),
        crypto.importKey(hexToBytes(keyOf(to).sk)),
      ]
      const there = sender.conversation(receiver.pubkey)
      const back = receiver.conversation(sender.pubkey)
      if (!there.ok || !back.ok) throw new Error('the example keys are valid')
      const { id, sig, ...unsigned } = event
      expect(crypto.eventId(unsigned)).toBe(id)
      expect(crypto.verify(event)).toBe(true)
      expect(sender.sign(id, new Uint8Array(32))).toBe(sig)
      if (cipher === 'nip44') {
        expect(there.value.nip44Encrypt(plaintext, hexToBytes(nonce ?? ''))).toBe(event.content)
        expect(back.value.nip44Decrypt(event.content)).toEqual({ ok: true, value: plaintext })
      } else {
        expect(there.value.nip04Encrypt(plaintext, hexToBytes(iv ?? ''))).toBe(event.content)
        expect(back.value.nip04Decrypt(event.content)).toEqual({ ok: true, value: plaintext })
      }
    })
  })
})
