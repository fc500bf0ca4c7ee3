/**
 * The pages for approvals: a browser is invited, sees what waits, and decides, without a script.
 * Never acts on a GET, never on a form that was not shown to this very browser, and never shows anything to another.
 */

import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Clock } from '@nip46/core'
import { readForm } from './body.ts'
import type { Browsers } from './browsers.ts'
import { Fault } from './fault.ts'
import { continuePage, enterPage, listPage, messagePage, questionPage, STYLE_HASH } from './page-html.ts'
import { SAFE_HEADERS } from './reply.ts'
import type { Decided, QuestionDetail, QuestionView, Remember } from './shapes.ts'

export interface Pages {
  /** Whether this path is theirs. */
  owns(path: string): boolean
  /** Answers; rejects with a `Fault` that is shown as text. */
  handle(request: IncomingMessage, response: ServerResponse, path: string): Promise<void>
}

export interface PagesOptions {
  readonly browsers: Browsers
  readonly clock: Clock
  /** Over https: the cookie is sent there only. */
  readonly isSecure: boolean
  readonly list: () => readonly QuestionView[]
  /** Throws a `Fault`. */
  readonly show: (id: string) => QuestionDetail
  /** Rejects with a `Fault`. `by` is the name of a browser. */
  readonly settle: (
    id: string,
    hash: string,
    allow: boolean,
    remember: Remember | undefined,
    by: string,
  ) => Promise<Decided>
}

const ASK = /^\/ask\/([0-9a-f]{1,32})$/
const CODE = /^[A-Za-z0-9_-]{43}$/

export function createPages({ browsers, clock, isSecure, list, show, settle }: PagesOptions): Pages {
  // The prefix keeps a neighbour on the same host from setting it (RFC 6265bis).
  const cookieName = isSecure ? '__Host-nip46' : 'nip46'
  const attributes = `; Path=/; HttpOnly; SameSite=Strict${isSecure ? '; Secure' : ''}`

  const cookieOf = (request: IncomingMessage): string | undefined => {
    for (const part of (request.headers.cookie ?? '').split(';')) {
      const [name, value] = part.trim().split('=', 2)
      if (name === cookieName && value !== undefined && CODE.test(value)) return value
    }
    return undefined
  }

  const browserOf = (request: IncomingMessage): string | undefined => {
    const cookie = cookieOf(request)
    return cookie === undefined ? undefined : browsers.check(cookie)
  }

  const signedIn = (request: IncomingMessage): string => {
    const browser = browserOf(request)
    if (browser !== undefined) return browser
    throw new Fault(
      401,
      'browser/unknown',
      'This browser is not signed in. Run “nip46-bunker browser” where the daemon runs, and open what it shows.',
    )
  }

  /** A form counts if this very page was shown to this very browser, and was not sent before. */
  const readOwnForm = async (
    request: IncomingMessage,
    browser: string,
    purpose: string,
  ): Promise<URLSearchParams> => {
    const form = await readForm(request)
    if (!browsers.takeFormToken(form.get('token') ?? '', browser, purpose))
      throw new Fault(403, 'form/stale', 'This form was sent before, or is too old. Open the request again.')
    return form
  }

  const get = (request: IncomingMessage, response: ServerResponse, path: string): void => {
    if (path === '/enter') {
      const code = new URL(request.url ?? '', 'http://host').searchParams.get('code') ?? ''
      if (!CODE.test(code)) throw new Fault(400, 'input/code', 'This is no invitation.')
      sendPage(response, 200, enterPage(code))
      return
    }
    const isFromElsewhere =
      request.headers['sec-fetch-site'] === 'cross-site' || request.headers['sec-fetch-site'] === 'same-site'
    if (isFromElsewhere && browserOf(request) === undefined) {
      // A strict cookie is not sent with a link of another site: from a page of ours it is.
      sendPage(response, 200, continuePage(path))
      return
    }
    const browser = signedIn(request)
    const [, id] = ASK.exec(path) ?? []
    if (id === undefined) sendPage(response, 200, listPage(list(), browsers.formToken(browser, 'leave')))
    else sendPage(response, 200, questionPage(show(id), browsers.formToken(browser, id), clock.now()))
  }

  const post = async (request: IncomingMessage, response: ServerResponse, path: string): Promise<void> => {
    if (path === '/enter') {
      const cookie = browsers.enter((await readForm(request)).get('code') ?? '')
      if (cookie === undefined)
        throw new Fault(
          403,
          'browser/invite',
          'This invitation was used before, or is too old. Make another one with “nip46-bunker browser”.',
        )
      response.setHeader('set-cookie', `${cookieName}=${cookie}${attributes}; Max-Age=43200`)
      redirect(response, '/asks')
      return
    }
    const browser = signedIn(request)
    if (path === '/leave') {
      await readOwnForm(request, browser, 'leave')
      browsers.leave(cookieOf(request) ?? '')
      response.setHeader('set-cookie', `${cookieName}=${attributes}; Max-Age=0`)
      sendPage(response, 200, messagePage('Signed out', 'This browser can no longer decide.'))
      return
    }
    const [, id] = ASK.exec(path) ?? []
    if (id === undefined) throw new Fault(405, 'route/method', 'This page takes no form.')
    const form = await readOwnForm(request, browser, id)
    const decision = form.get('decision')
    if (decision !== 'allow' && decision !== 'deny') throw new Fault(400, 'input/decision', 'Say yes or no.')
    const decided = await settle(id, form.get('hash') ?? '', decision === 'allow', rememberOf(form), browser)
    const more = decided.also.length === 0 ? '' : ` ${decided.also.length} more like it were decided with it.`
    const words =
      decision === 'allow'
        ? `It is being done. You can close this page.${more}`
        : `The app was told no. You can close this page.${more}`
    sendPage(response, 200, messagePage(decision === 'allow' ? 'Allowed' : 'Denied', words))
  }

  return {
    owns: (path) => path === '/enter' || path === '/asks' || path === '/leave' || ASK.test(path),
    async handle(request, response, path) {
      try {
        if (request.method === 'GET' && path !== '/leave') get(request, response, path)
        else if (request.method === 'POST') await post(request, response, path)
        else {
          response.setHeader('allow', path === '/leave' ? 'POST' : 'GET, POST')
          throw new Fault(405, 'route/method', 'This page cannot be used like that.')
        }
      } catch (cause) {
        if (!(cause instanceof Fault)) throw cause
        if (!request.complete) {
          response.setHeader('connection', 'close')
          request.resume()
        }
        sendPage(
          response,
          cause.status,
          messagePage(TITLES[cause.code] ?? 'That did not work', cause.message),
        )
      }
    },
  }
}

const TITLES: Readonly<Record<string, string>> = {
  'request/gone': 'Too late',
  'request/decided': 'Decided before',
  'request/unknown': 'Nothing waits here',
  'request/changed': 'Something else waits here now',
  'browser/unknown': 'Not signed in',
}

function rememberOf(form: URLSearchParams): Remember | undefined {
  const how = form.get('for') ?? ''
  if (how === '') return undefined
  // Whether this can be remembered of this question is looked at where it is decided.
  return { for: how as Remember['for'], scope: (form.get('scope') ?? '') as Remember['scope'] }
}

function redirect(response: ServerResponse, location: string): void {
  response.writeHead(303, { location, 'content-length': 0 })
  response.end()
}

function sendPage(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, {
    'content-type': 'text/html; charset=utf-8',
    'content-length': Buffer.byteLength(text),
    // With no-referrer a browser sends `Origin: null` with our own forms, which looks like a foreign page.
    'referrer-policy': 'same-origin',
    'content-security-policy': `${SAFE_HEADERS['content-security-policy']?.replace("form-action 'none'", "form-action 'self'")}; style-src '${STYLE_HASH}'`,
  })
  response.end(text)
}
