/** A client that is right in everything but that it counts on a global WebSocket: what row 25 is there to find. */

import { serveClient } from '@nip46/testing/client-scenarios'
import { createBrokenClient } from './broken-client.ts'

serveClient(createBrokenClient('nothing', 60_000))
