/** A store in a thread of its own, with its own connections to the same database: what another tab is to a page. */

import { indexedDbSessionStore } from '../src/store-indexeddb.ts'
import type { TabAnswer, TabCall } from './tab-call.ts'

addEventListener('message', (event: MessageEvent<TabCall>) => void answer(event.data))

async function answer(call: TabCall): Promise<void> {
  const store = indexedDbSessionStore({ database: call.database })
  const run = call.method === 'save' ? () => store.save(call.saved) : () => store[call.method]()
  const outcome: TabAnswer = await run().then(
    (value) => ({ id: call.id, value }),
    (error: unknown) => ({ id: call.id, code: String((error as { readonly code?: unknown }).code) }),
  )
  postMessage(outcome)
}
