/** One of the peers, by name, as a client under test in a process of its own. Never loads another beside it. */

import { serveClient } from '@nip46/testing/client-scenarios'

const { createClient } = await load(process.argv[2])
serveClient(createClient())

function load(name: string | undefined) {
  switch (name) {
    case 'nostr-tools':
      return import('./nostr-tools.ts')
    case 'ndk':
      return import('./ndk.ts')
    case 'applesauce':
      return import('./applesauce.ts')
    default:
      throw new Error(`there is no peer ${name}`)
  }
}
