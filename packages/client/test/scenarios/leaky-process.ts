/** This package in a process that something else keeps alive: what row 32 is there to find. */

import { serveClient } from '@nip46/testing/client-scenarios'
import { createOwnClient } from './own-client.ts'

setInterval(() => undefined, 60_000)
serveClient(createOwnClient())
