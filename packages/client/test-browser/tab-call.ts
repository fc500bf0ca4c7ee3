/** What a test and its other tab say to each other. */

import type { SavedSession } from '../src/index.ts'

export type TabCall = { readonly id: number; readonly database: string } & (
  | { readonly method: 'load' | 'clear' }
  | { readonly method: 'save'; readonly saved: SavedSession }
)

export type TabAnswer = { readonly id: number } & ({ readonly value: unknown } | { readonly code: string })
