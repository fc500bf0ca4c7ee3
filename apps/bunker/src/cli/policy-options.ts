/**
 * Options that say what an app may do. Never reads a policy that it does not understand: the daemon or the policy package does.
 */

import { readFile, stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { JsonValue } from '@nip46/core'
import type { PolicyChoice, PolicyView } from '../api/shapes.ts'
import type { Call, OptionSpecs } from './command.ts'
import { CommandProblem } from './problem.ts'
import { clean, when } from './text.ts'

/** Bytes of a file with a policy. */
const POLICY_BYTES = 262_144

export const POLICY_OPTIONS: OptionSpecs = {
  preset: {
    type: 'text',
    value: 'NAME',
    words: 'what it begins with: "policy presets" shows those there are',
  },
  grant: { type: 'list', value: 'GRANTS', words: 'such as sign_event:1[rate=10/1m],ask:sign_event:3' },
  policy: {
    type: 'text',
    value: 'FILE',
    words: 'grants one a line, or JSON as "app policy --json" prints it',
  },
}

/** Undefined if no option names a policy. */
export async function readPolicyChoice(call: Call): Promise<PolicyChoice | undefined> {
  const preset = call.text('preset')
  const grants = call.list('grant').join(',')
  const file = call.text('policy')
  if (file === undefined) {
    if (preset === undefined && grants === '') return undefined
    return { ...(preset !== undefined && { preset }), ...(grants !== '' && { grants }) }
  }
  if (preset !== undefined || grants !== '')
    throw new CommandProblem('usage', 'give --policy FILE, or --preset and --grant')
  return readPolicyFile(resolve(file))
}

export async function needPolicyChoice(call: Call): Promise<PolicyChoice> {
  const choice = await readPolicyChoice(call)
  if (choice === undefined)
    throw new CommandProblem(
      'usage',
      `give --preset, --grant or --policy: nip46-bunker ${call.command.example}`,
    )
  return choice
}

async function readPolicyFile(path: string): Promise<PolicyChoice> {
  const { size } = await stat(path)
  if (size > POLICY_BYTES) throw new CommandProblem('usage', `${path} is larger than ${POLICY_BYTES} bytes`)
  const text = await readFile(path, 'utf8')
  if (!text.trimStart().startsWith('{')) {
    const lines = text.split('\n').map((line) =>
      line
        .replace(/(^|\s)#.*$/, '')
        .trim()
        .replace(/,$/, ''),
    )
    return { grants: lines.filter((line) => line !== '').join(',') }
  }
  let json: JsonValue
  try {
    json = JSON.parse(text) as JsonValue
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause
    throw new CommandProblem('usage', `${path} is not JSON: ${cause.message}`)
  }
  return { json: policyIn(json) }
}

/** What "app policy --json" prints holds the policy with its counters, and that the policy: the innermost is taken. */
function policyIn(json: JsonValue): JsonValue {
  let found = json
  for (const name of ['json', 'policy']) {
    const inner = (found as { readonly [name: string]: JsonValue | undefined })[name]
    if (isJsonObject(inner)) found = inner
  }
  return found
}

function isJsonObject(value: JsonValue | undefined): value is JsonValue {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** One line for each thing. */
export function describePolicy(policy: PolicyView): string {
  const lines = [`preset     ${policy.preset ?? 'none'}`]
  if (policy.suspended) lines.push(`suspended  until ${when(policy.suspendedUntil, 'it is resumed')}`)
  lines.push(
    ...policy.grants.map(
      (grant, index) => `${index === 0 ? 'grants   ' : '         '}  ${clean(grant, 2_000)}`,
    ),
  )
  return lines.join('\n')
}
