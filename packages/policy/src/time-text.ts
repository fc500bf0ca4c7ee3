/**
 * Durations, points in time, hours and days as people write them in a grant.
 * Never reads a clock, and knows no time zone but a fixed offset from UTC: what a name such as `Europe/Berlin` means depends on the
 * host's tables, and two hosts of one policy must agree.
 */

const UNITS: readonly (readonly [string, number])[] = [
  ['w', 604_800],
  ['d', 86_400],
  ['h', 3_600],
  ['m', 60],
  ['s', 1],
]
const DAYS: readonly string[] = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat']

/** `90s`, `10m`, `1h`, `7d`, `2w` as seconds; undefined if it is none. */
export function parseDuration(text: string): number | undefined {
  const parts = /^([0-9]{1,9})([smhdw])$/.exec(text)
  const unit = UNITS.find(([name]) => name === parts?.[2])
  return parts === null || unit === undefined ? undefined : Number(parts[1]) * unit[1]
}

/** In the largest unit that leaves no rest. */
export function formatDuration(seconds: number): string {
  const unit = seconds === 0 ? undefined : UNITS.find(([, size]) => seconds % size === 0)
  return unit === undefined ? `${seconds}s` : `${seconds / unit[1]}${unit[0]}`
}

/** RFC 3339, where seconds may be left out, as Unix seconds; undefined if it is none. Without an offset it is no time. */
export function parseInstant(text: string): number | undefined {
  const parts = /^(\d{4})-(\d{2})-(\d{2})T(\d{2}):(\d{2})(?::(\d{2}))?(Z|[+-]\d{2}:\d{2})$/.exec(text)
  if (parts === null) return undefined
  const [year, month, day, hour, minute, second] = parts.slice(1, 7).map((part) => Number(part ?? 0))
  const offset = parseOffset(parts[7] ?? '')
  if (year === undefined || month === undefined || day === undefined || offset === undefined) return undefined
  if (hour === undefined || minute === undefined || hour > 23 || minute > 59 || (second ?? 0) > 59)
    return undefined
  const midnight = new Date(0)
  midnight.setUTCFullYear(year, month - 1, day)
  // The 31st of February would roll over to March.
  if (midnight.getUTCMonth() !== month - 1 || midnight.getUTCDate() !== day) return undefined
  return midnight.getTime() / 1_000 + hour * 3_600 + minute * 60 + (second ?? 0) - offset * 60
}

/** Unix seconds as RFC 3339 in UTC. */
export function formatInstant(seconds: number): string {
  return new Date(seconds * 1_000).toISOString().replace('.000Z', 'Z').replace(/:00Z$/, 'Z')
}

/** `Z` or `+02:00` as minutes ahead of UTC; undefined if it is none. */
export function parseOffset(text: string): number | undefined {
  if (text === 'Z') return 0
  const parts = /^([+-])(\d{2}):(\d{2})$/.exec(text)
  if (parts === null || Number(parts[3]) > 59) return undefined
  const minutes = Number(parts[2]) * 60 + Number(parts[3])
  return parts[1] === '-' && minutes > 0 ? -minutes : minutes
}

export function formatOffset(minutes: number): string {
  if (minutes === 0) return 'Z'
  const size = Math.abs(minutes)
  return `${minutes < 0 ? '-' : '+'}${twoDigits(Math.floor(size / 60))}:${twoDigits(size % 60)}`
}

/** `09:00-17:30` as minutes after midnight; `24:00` ends a day. */
export function parseHours(text: string): readonly [number, number] | undefined {
  const parts = /^(\d{2}):(\d{2})-(\d{2}):(\d{2})$/.exec(text)
  if (parts === null || Number(parts[2]) > 59 || Number(parts[4]) > 59) return undefined
  return [Number(parts[1]) * 60 + Number(parts[2]), Number(parts[3]) * 60 + Number(parts[4])]
}

export function formatHours([from, to]: readonly [number, number]): string {
  const clock = (minutes: number): string =>
    `${twoDigits(Math.floor(minutes / 60))}:${twoDigits(minutes % 60)}`
  return `${clock(from)}-${clock(to)}`
}

/** `mon` as 1; undefined if it is none. */
export function parseDay(text: string): number | undefined {
  const day = DAYS.indexOf(text)
  return day < 0 ? undefined : day
}

export function formatDay(day: number): string {
  return DAYS[day] ?? String(day)
}

function twoDigits(value: number): string {
  return String(value).padStart(2, '0')
}
