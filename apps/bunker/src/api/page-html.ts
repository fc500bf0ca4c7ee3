/**
 * The pages as HTML: text in, a whole document out.
 * Never lets a text become markup, and never asks a browser for anything: no script, no image, no font, one style.
 */

import { createHash } from 'node:crypto'
import type { QuestionDetail, QuestionView, RememberChoices, RememberFor, RememberScope } from './shapes.ts'

const STYLE = `:root{color-scheme:light dark;--edge:#8886;--yes:#176b2c;--no:#a3211b}
*{box-sizing:border-box}
body{font:1.0625rem/1.5 system-ui,sans-serif;max-width:42rem;margin:0 auto;padding:1rem;overflow-wrap:anywhere}
h1{font-size:1.375rem;line-height:1.3;margin:.5rem 0 1rem}h2{font-size:1rem;margin:1rem 0 .25rem}
dl{display:grid;grid-template-columns:minmax(5rem,auto) 1fr;gap:.25rem 1rem;margin:1rem 0}
dt{opacity:.8}dd{margin:0;min-width:0}
pre{white-space:pre-wrap;overflow-wrap:anywhere;border-left:.25rem solid var(--edge);padding:.25rem .75rem;margin:.25rem 0 1rem;font:1rem/1.5 ui-monospace,monospace;max-height:24rem;overflow:auto}
code{font:.9375rem ui-monospace,monospace}
ul{list-style:none;padding:0}li{border:1px solid var(--edge);border-radius:.5rem;margin:.75rem 0}
li a{display:block;padding:.75rem 1rem;color:inherit}
form{margin:1rem 0}fieldset{border:1px solid var(--edge);border-radius:.5rem;padding:.75rem 1rem;margin:1rem 0}
select,button{font:inherit;min-height:2.75rem}
select{width:100%;margin:.25rem 0 .5rem}
.row{display:flex;flex-wrap:wrap;gap:.75rem}
.row button{flex:1 1 10rem;border:0;border-radius:.5rem;padding:.5rem 1rem;color:#fff;font-weight:600;cursor:pointer}
.yes{background:var(--yes)}.no{background:var(--no)}.plain{background:#44556b}
:focus-visible{outline:3px solid #2f7cf6;outline-offset:2px}
.note{opacity:.85}`

/** For `style-src`. */
export const STYLE_HASH: string = `sha256-${createHash('sha256').update(STYLE).digest('base64')}`

/** Markup that was made here. */
interface Html {
  readonly html: string
}

/** Texts in the gaps are escaped; markup of ours, and lists of it, is put in as it is. */
function html(
  parts: TemplateStringsArray,
  ...values: readonly (string | number | Html | readonly Html[])[]
): Html {
  const text = parts.reduce((all, part, at) => {
    const value = values[at - 1] ?? ''
    if (Array.isArray(value))
      return `${all}${(value as readonly Html[]).map((each) => each.html).join('')}${part}`
    return `${all}${typeof value === 'object' ? (value as Html).html : escapeText(String(value))}${part}`
  })
  return { html: text }
}

export function escapeText(text: string): string {
  return text.replace(/[&<>"'`]/g, (char) => `&#${char.codePointAt(0)};`)
}

export interface PageOptions {
  /** Load it again by itself after so many seconds. */
  readonly refreshSeconds?: number
}

function page(title: string, body: Html, { refreshSeconds }: PageOptions = {}): string {
  const refresh =
    refreshSeconds === undefined ? html`` : html`<meta http-equiv="refresh" content="${refreshSeconds}">`
  return `<!doctype html>\n${
    html`<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">${refresh}<title>${title}</title><style>${{ html: STYLE }}</style></head><body><main>${body}</main></body></html>`
      .html
  }\n`
}

export function messagePage(title: string, words: string, refreshSeconds?: number): string {
  return page(
    title,
    html`<h1>${title}</h1><p role="status">${words}</p>`,
    refreshSeconds === undefined ? {} : { refreshSeconds },
  )
}

export function enterPage(code: string): string {
  return page(
    'Sign this browser in',
    html`<h1>Sign this browser in?</h1><p>It may then decide on requests of apps for the next twelve hours.</p>
<form method="post" action="/enter"><input type="hidden" name="code" value="${code}"><div class="row"><button class="yes">Sign in</button></div></form>`,
  )
}

/** The page for a browser that came from another site: it goes on by itself, and then sends its cookie. */
export function continuePage(path: string): string {
  return page('One moment', html`<h1>One moment</h1><p><a href="${path}">Go on to the request</a></p>`, {
    refreshSeconds: 0,
  })
}

export function listPage(questions: readonly QuestionView[], leaveToken: string): string {
  const items = questions.map(
    (question) =>
      html`<li><a href="/ask/${question.id}">${nameOf(question)}: ${question.title}${question.times > 1 ? ` (${question.times} times)` : ''}</a></li>`,
  )
  const list = items.length === 0 ? html`<p role="status">Nothing waits.</p>` : html`<ul>${items}</ul>`
  return page(
    `${questions.length} requests wait`,
    html`<h1>Requests that wait for you</h1>${list}
<form method="post" action="/leave"><input type="hidden" name="token" value="${leaveToken}"><button>Sign this browser out</button></form>`,
    { refreshSeconds: 15 },
  )
}

export function questionPage(question: QuestionDetail, token: string, now: number): string {
  const { id, hash, clientPubkey, userPubkey, kind, peer, times, expiresAt, choices, event, text } = question
  const rows: (readonly [string, string])[] = [
    ['App', nameOf(question)],
    ['App key', clientPubkey],
    ...(userPubkey === null ? [] : [['Your key', userPubkey] as const]),
    ...(kind === null ? [] : [['Kind', String(kind)] as const]),
    ...(peer === null ? [] : [['With', peer] as const]),
    ...(times > 1 ? [['Asked', `${times} times`] as const] : []),
    ...(expiresAt === null
      ? []
      : [['Time left', `${Math.max(0, Math.round((expiresAt - now) / 1_000))} seconds`] as const]),
  ]
  const facts = rows.map(([name, value]) => html`<dt>${name}</dt><dd>${value}</dd>`)
  const shown =
    event !== null
      ? html`<h2>Content</h2><pre tabindex="0">${visible(event.content) || '(empty)'}</pre><h2>Tags</h2><pre tabindex="0">${event.tags.length === 0 ? '(none)' : event.tags.map((tag) => visible(JSON.stringify(tag))).join('\n')}</pre>`
      : text !== null
        ? html`<h2>Text</h2><pre tabindex="0">${visible(text)}</pre>`
        : html`<pre tabindex="0">${question.lines.join('\n')}</pre>`
  const memory =
    choices.allow.for.length + choices.deny.for.length === 0
      ? html``
      : html`<fieldset><legend>Remember this decision</legend><label for="for">For</label><select id="for" name="for"><option value="">this request only</option>${optionsOf(FOR_WORDS, choices, 'for')}</select><label for="scope">and</label><select id="scope" name="scope">${optionsOf(SCOPE_WORDS, choices, 'scopes')}</select></fieldset>`
  return page(
    question.title,
    html`<h1>${question.title}</h1><dl>${facts}</dl>${shown}
<form method="post" action="/ask/${id}"><input type="hidden" name="hash" value="${hash}"><input type="hidden" name="token" value="${token}">${memory}<div class="row"><button class="no" name="decision" value="deny">Deny</button><button class="yes" name="decision" value="allow">Allow</button></div></form><p><a href="/asks">All requests</a></p>`,
  )
}

/** In the order of `words`; what goes with one answer only says so. */
function optionsOf<Name extends string>(
  words: Readonly<Record<Name, string>>,
  { allow, deny }: QuestionView['choices'],
  part: keyof RememberChoices,
): readonly Html[] {
  return Object.entries<string>(words).flatMap(([name, text]) => {
    const [yes, no] = [allow, deny].map((choices) => (choices[part] as readonly string[]).includes(name))
    if (yes !== true && no !== true) return []
    const only = yes !== true ? ' (Deny only)' : no !== true ? ' (Allow only)' : ''
    return html`<option value="${name}">${text}${only}</option>`
  })
}

const FOR_WORDS: Readonly<Record<RememberFor, string>> = {
  '5m': 'five minutes',
  '1h': 'an hour',
  today: 'today',
  session: 'as long as this app is connected',
  always: 'always',
}

const SCOPE_WORDS: Readonly<Record<RememberScope, string>> = {
  exact: 'for this login only',
  kind: 'for every event of this kind',
  peer: 'for everything with this person',
  method: 'for every request like it, whatever the kind or person',
  category: 'for everything of this sort',
}

/** The owner's own name for it stands alone; what the app says of itself is marked. */
function nameOf({ label, claims, clientPubkey }: QuestionView): string {
  if (label !== '') return label
  return claims.name === null
    ? `an app without a name (${clientPubkey.slice(0, 8)}…)`
    : `“${claims.name}” (says the app)`
}

/** Marks of writing direction and other invisible characters, made visible: what is read is what is signed. */
function visible(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Default_Ignorable_Code_Point}]/gu, (char) =>
    char === '\n' ? char : `\\u{${char.codePointAt(0)?.toString(16)}}`,
  )
}
