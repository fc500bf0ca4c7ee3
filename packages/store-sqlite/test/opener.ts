/**
 * A process that brings a store up to date, and ends.
 * Never does more than opening does.
 */

import { closeQuietly, openConnection } from '../src/connection.ts'
import { openingOf } from '../src/sqlite-store.ts'

closeQuietly(openConnection(openingOf(process.argv[2] ?? '', {})))
