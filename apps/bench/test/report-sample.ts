/** A report as a run makes it, small, with names that must not become markup. */

import type { Figure, Load, Report } from '../src/report/data.ts'

export function figure(
  scenario: string,
  subject: string,
  median: number,
  more: Partial<Figure> = {},
): Figure {
  return {
    group: 'request',
    scenario,
    subject,
    unit: 'us',
    value: { median, low: median * 0.95, high: median * 1.05 },
    wall: { median: median * 1.1, low: median, high: median * 1.2 },
    samples: 7,
    ...more,
  }
}

export function load(bunker: string, inFlight: number | null, perSecond: number): Load {
  const ms = 1_000 / perSecond
  return {
    bunker,
    kind: inFlight === null ? 'open' : 'window',
    inFlight,
    offered: inFlight === null ? perSecond : null,
    share: inFlight === null ? 0.5 : null,
    answered: 1_234,
    lost: 0,
    throughput: { median: perSecond, low: perSecond * 0.9, high: perSecond * 1.1 },
    cpu: { median: ms * 900, low: ms * 850, high: ms * 950 },
    latency: {
      p50: ms,
      p90: ms * 2,
      p99: ms * 3,
      p999: ms * 4,
      max: ms * 5,
      curve: [
        { share: 0, ms: ms / 2 },
        { share: 0.5, ms },
        { share: 0.9, ms: ms * 2 },
        { share: 0.99, ms: ms * 3 },
        { share: 0.999, ms: ms * 4 },
        { share: 1, ms: ms * 5 },
      ],
    },
    busy: { bunker: 0.91, relay: 0.12, generator: 0.34 },
  }
}

export function sampleReport(more: Partial<Report> = {}): Report {
  return {
    format: 'nip46-bench',
    version: 1,
    mode: 'quick',
    startedAt: '2026-01-02T03:04:05.678Z',
    seconds: 99,
    rounds: 7,
    machine: {
      cpu: 'A <fast> processor',
      cores: 2,
      platform: 'linux 6.1 x64',
      node: 'Node v24.21.0',
      loads: { before: 0.1, after: 1.2 },
    },
    versions: { 'nostr-tools': '2.25.2' },
    remarks: ['said & done'],
    figures: [
      figure('sign_event request', 'native', 123.4),
      figure('sign_event request', 'ox', 234.5),
      figure('sign_event request', 'tiny', 567.8),
      figure('sign_event request', 'nostr-tools', 6_789),
      figure('sign_event request', 'native bound', 98.7),
      figure('nip44 encrypt 1 KB', 'tiny', 11.1, { group: 'message' }),
      figure('nip44 decrypt 1 KB', 'tiny', 8.9, { group: 'message' }),
      figure('nip44 encrypt 1 KB', 'nostr-tools', 130, { group: 'message' }),
      figure('nip44 decrypt 1 KB', 'nostr-tools', 110, { group: 'message' }),
      figure('memory of a cached conversation', 'native', 181, { group: 'memory', unit: 'B', samples: 1 }),
    ],
    loads: [
      load('remote-signer (native)', 1, 400),
      load('remote-signer (native)', 64, 2_000),
      load('remote-signer (native)', null, 1_000),
      load('NDK backend', 1, 50),
      load('NDK backend', 64, 80),
      load('NDK backend', null, 40),
    ],
    notRun: [{ group: 'primitive', scenario: 'every scenario', subject: 'abacus', reason: 'is <not> here' }],
    bars: [],
    ...more,
  }
}
