/**
 * A signer's announcement on a relay (NIP-89) and its domain (NIP-05). The relay is real; the domain is none of this machine's,
 * so Chromium is given what it would answer.
 */

import { parseRelayUrl } from '@nip46/core'
import { generateSecretKey } from '@nip46/crypto'
import { nobleCrypto } from '@nip46/crypto/noble'
import { createRelayPool } from '@nip46/transport-websocket'
import type { BrowserContext } from 'playwright'

export interface SignerSite {
  readonly name: string
  readonly domain: string
  /** Answers for the domain in this context: its nostr.json, and the page that an offer is handed to. */
  serveTo(context: BrowserContext): Promise<void>
}

const NAME = 'Found signer'
const DOMAIN = 'signer.example'

export async function announceSigner(relay: string): Promise<SignerSite> {
  const url = parseRelayUrl(relay)
  if (!url.ok) throw new Error(url.error)
  const crypto = nobleCrypto()
  const random = (length: number): Uint8Array => globalThis.crypto.getRandomValues(new Uint8Array(length))
  const key = crypto.importKey(generateSecretKey(random))
  const unsigned = {
    kind: 31_990,
    created_at: Math.floor(Date.now() / 1_000),
    tags: [
      ['d', 'signer'],
      ['k', '24133'],
    ],
    content: JSON.stringify({ name: NAME, nip05: `_@${DOMAIN}`, picture: `https://${DOMAIN}/picture.png` }),
    pubkey: key.pubkey,
  }
  const id = crypto.eventId(unsigned)
  const pool = createRelayPool()
  const published = await pool.publish([url.value], { ...unsigned, id, sig: key.sign(id, random(32)) })
  await pool.close()
  if (!published.ok) throw new Error('the relay took no announcement')
  const nostrJson = {
    names: { _: key.pubkey },
    nip46: { relays: [], nostrconnect_url: `https://${DOMAIN}/connect?uri=<nostrconnect>` },
  }
  return {
    name: NAME,
    domain: DOMAIN,
    async serveTo(context) {
      // The last one that matches is asked first.
      await context.route(`https://${DOMAIN}/**`, (route) => route.fulfill({ status: 404 }))
      await context.route(`https://${DOMAIN}/connect?**`, (route) =>
        route.fulfill({ contentType: 'text/html', body: '<!doctype html><title>Signer</title>' }),
      )
      await context.route(`https://${DOMAIN}/.well-known/nostr.json?name=_`, (route) =>
        route.fulfill({ json: nostrJson, headers: { 'access-control-allow-origin': '*' } }),
      )
    },
  }
}
