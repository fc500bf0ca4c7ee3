/**
 * Loaded before a program (`--import`): its clock goes as the machine's does, CLOCK_SHIFT_MS milliseconds beside it.
 */

const shift = Number(process.env.CLOCK_SHIFT_MS)
if (!Number.isFinite(shift)) throw new Error('CLOCK_SHIFT_MS is no number')
const machine = Date.now
Date.now = () => machine() + shift
