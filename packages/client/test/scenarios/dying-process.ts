/** This package in a process that dies as soon as something is to be signed, as an unhandled rejection makes it. */

import { serveClient } from '@nip46/testing/client-scenarios'
import { createOwnClient } from './own-client.ts'

const client = createOwnClient()
serveClient({
  ...client,
  signEvent: () => {
    setTimeout(() => {
      throw new Error('boom')
    })
    return new Promise(() => undefined)
  },
})
