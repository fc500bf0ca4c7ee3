/** Node by itself: what the others are measured against. */

import { takeFirstSteps } from './first-steps.ts'

await takeFirstSteps(async () => undefined)
