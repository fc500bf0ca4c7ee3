/**
 * A question as lines of text, as the terminal shows it.
 * Never lets a line of an app's text pass for one of ours.
 */

import type { QuestionDetail, QuestionView, RememberChoices } from '../api/shapes.ts'
import { nameOfApp } from './choose.ts'
import { clean, jsonText, short, when } from './text.ts'

/** Characters of a content that are shown. */
const FULL_CHARS = 20_000

/** What is asked, and until when. */
export function describeQuestion(question: QuestionView): string {
  return [
    `${question.id.slice(0, 12)}  ${nameOfApp(question)}  ${clean(question.title, 2_000)}`,
    ...question.lines.map((line) => `  ${keepIndent(line)}`),
    `  hash ${short(question.hash)}, until ${when(question.expiresAt, 'somebody decides')}`,
  ].join('\n')
}

/** Likewise, with all that would be signed, and how it can be remembered. */
export function describeDetail(question: QuestionDetail): string {
  const { allow, deny } = question.choices
  const lines = [describeQuestion(question), ...choiceLines('a yes', allow), ...choiceLines('a no', deny)]
  if (question.event !== null) {
    const { kind, created_at, tags, content } = question.event
    lines.push(`  in full: kind ${kind}, created_at ${created_at}`)
    lines.push(...tags.map((tag) => `  tag     | ${clean(jsonText(tag, 0), FULL_CHARS)}`))
    lines.push(...fullText(content))
  }
  if (question.text !== null) lines.push('  in full:', ...fullText(question.text))
  return lines.join('\n')
}

function choiceLines(answer: string, { for: times, scopes }: RememberChoices): readonly string[] {
  return times.length === 0
    ? []
    : [`  ${answer} can be remembered: --for ${times.join('|')} --scope ${scopes.join('|')}`]
}

/** Each line behind a bar, so that none passes for one of ours. */
function fullText(text: string): readonly string[] {
  const cut = text.length > FULL_CHARS ? [`  (${text.length} characters; the rest: --json)`] : []
  return [
    ...text
      .slice(0, FULL_CHARS)
      .split('\n')
      .map((line) => `  content | ${clean(line, FULL_CHARS)}`),
    ...cut,
  ]
}

function keepIndent(line: string): string {
  return `${/^ {0,8}/.exec(line)?.[0] ?? ''}${clean(line, 2_000)}`
}
