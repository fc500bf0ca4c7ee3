/** This package as a client under test in a process of its own. Never talks to anybody but its parent and the relays. */

import { serveClient } from '@nip46/testing/client-scenarios'
import { createOwnClient } from './own-client.ts'

serveClient(createOwnClient())
