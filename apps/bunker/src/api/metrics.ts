/**
 * Figures in the text format that Prometheus reads.
 * Never has a label with a key, a name or a text of a stranger.
 */

import type { Status } from './shapes.ts'

/** What the API itself counts. */
export interface ApiCounts {
  /** Answers by HTTP status. */
  readonly answers: ReadonlyMap<number, number>
  readonly streams: number
}

/** The whole page, lines ended by `\n`. */
export function writeMetrics(status: Status, api: ApiCounts): string {
  const lines: string[] = []
  const metric = (name: string, type: 'gauge' | 'counter', help: string, rows: readonly Row[]): void => {
    lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`)
    for (const [labels, value] of rows) lines.push(`${name}${labels} ${value}`)
  }
  const one = (value: number | boolean): readonly Row[] => [['', Number(value)]]
  metric('nip46_ready', 'gauge', 'Whether requests are answered.', one(status.ready))
  metric(
    'nip46_check_ok',
    'gauge',
    'What readiness looks at.',
    status.checks.map(({ name, ok }) => [label('check', name), Number(ok)]),
  )
  metric('nip46_panic', 'gauge', 'Whether everything was stopped.', one(status.state === 'panic'))
  metric('nip46_start_time_seconds', 'gauge', 'When the daemon started.', one(status.startedAt / 1_000))
  metric('nip46_memory_bytes', 'gauge', 'Resident memory.', one(status.memoryBytes))
  if (status.store.kind === 'postgres')
    metric('nip46_daemons', 'gauge', 'Daemons on the database.', one(status.store.daemons.length))
  metric('nip46_apps', 'gauge', 'Apps that are connected.', one(status.apps))
  metric('nip46_links', 'gauge', 'Links that can be used.', one(status.links))
  metric('nip46_questions', 'gauge', 'Requests that wait for the owner.', one(status.questions))
  metric('nip46_performed_total', 'counter', 'Uses of a key.', one(status.performed))
  metric('nip46_published_total', 'counter', 'Answers that a relay took.', one(status.published))
  metric(
    'nip46_publish_failures_total',
    'counter',
    'Answers that every relay refused.',
    one(status.publishFailures),
  )
  metric(
    'nip46_crash_refusals_total',
    'counter',
    'Requests refused since they were in work in two crashes.',
    one(status.crashRefusals),
  )
  metric(
    'nip46_dropped_total',
    'counter',
    'Events that came to nothing.',
    Object.entries(status.dropped).map(([code, count]) => [label('code', code), count]),
  )
  metric(
    'nip46_relay_up',
    'gauge',
    'Whether a relay delivers.',
    status.relays.map(({ url, state }) => [label('relay', url), Number(state === 'live')]),
  )
  metric(
    'nip46_keys',
    'gauge',
    'Keys by state.',
    (['locked', 'unlocked'] as const).map((state) => [
      label('state', state),
      status.keys.filter((key) => key.state === state).length,
    ]),
  )
  metric(
    'nip46_api_answers_total',
    'counter',
    'Answers of the API by HTTP status.',
    [...api.answers].map(([code, count]) => [label('status', String(code)), count]),
  )
  metric('nip46_api_streams', 'gauge', 'Open event streams.', one(api.streams))
  return `${lines.join('\n')}\n`
}

type Row = readonly [labels: string, value: number]

function label(name: string, value: string): string {
  return `{${name}="${value.replace(/[\\"\n]/g, (char) => (char === '\n' ? '\\n' : `\\${char}`))}"}`
}
