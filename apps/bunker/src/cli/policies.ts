/**
 * Policies for the commands that look at one: by the daemon, or by the same rules here while none runs on this machine.
 * Never knows an app, the log or the user's lists by itself: what needs them needs the daemon.
 */

import { Fault } from '../api/fault.ts'
import type { InputOf, OutputOf } from '../api/operations.ts'
import type { PolicyBook } from '../daemon/policy-book.ts'
import type { Call, Context } from './command.ts'

/** What can be said without a daemon. */
type Local = 'policy.presets' | 'policy.lint' | 'policy.test' | 'policy.explain'

export async function askPolicies<Name extends Local>(
  context: Context,
  call: Call,
  name: Name,
  input: InputOf<Name>,
): Promise<OutputOf<Name>> {
  try {
    const ask = (await context.api()).call as (name: Name, input: InputOf<Name>) => Promise<OutputOf<Name>>
    return await ask(name, input)
  } catch (cause) {
    if (!(cause instanceof Fault && cause.code === 'daemon/not-running') || context.remote) throw cause
  }
  const answer = await createAnswers(context, call)
  return answer[name](input) as OutputOf<Name>
}

async function createAnswers(
  { io }: Context,
  call: Call,
): Promise<{ readonly [Name in Local]: (input: InputOf<Name>) => OutputOf<Name> }> {
  const { createPolicyBook, NOBODY } = await import('../daemon/own-policy-book.ts')
  const { readConfig } = await import('../daemon/load-config.ts')
  const { config } = await readConfig({
    env: io.env,
    file: call.text('config') ?? io.env['NIP46_BUNKER_CONFIG'],
  })
  const { preset, relays, userRelays } = config
  const book: PolicyBook = createPolicyBook({
    now: io.now,
    preset,
    salt: '',
    relays: () => [...relays, ...userRelays],
  })
  const explain = ({ request, policy = {} }: InputOf<'policy.test'>): OutputOf<'policy.test'> => {
    io.warn('no daemon runs: judged by the settings alone, without what a daemon knows of your lists')
    return book.explain(book.begin(policy), request, { client: NOBODY, user: NOBODY, now: io.now() })
  }
  return {
    'policy.presets': () => ({
      presets: book.presets().map((each) => ({ ...each, default: each.name === preset })),
    }),
    'policy.lint': ({ policy }) => ({
      findings: book.lint(policy),
      policy: { ...book.view(book.begin(policy)), suspended: false, suspendedUntil: null },
    }),
    'policy.test': explain,
    'policy.explain': explain,
  }
}
