/**
 * Requests and responses as NIP-46 writes them, to and from JSON: strict in what is emitted, clear in what is refused.
 * Never looks at methods or their params; method.ts does.
 */

import { isWellFormed } from './event.ts'
import { isObject, isTextList, type Json, parseJson } from './json.ts'
import { ERROR_CHARS, JSON_DEPTH, MESSAGE_BYTES_IN, PARAMS, REQUEST_ID_CHARS } from './limits.ts'
import { isLongerThan } from './utf8.ts'
import { err, ok, type RequestId, type Result } from './value.ts'

export type { Json } from './json.ts'

/** A request of NIP-46, as parsed: any method, text parameters. */
export interface Request {
  readonly id: RequestId
  readonly method: string
  readonly params: readonly string[]
  /** True if a param or the id had another JSON type and was converted: the peer speaks the 2023 dialect. */
  readonly native?: boolean
}

/** What a response says. A result that is no string is kept as it came; method.ts decides what it means. */
export type Response =
  | { readonly type: 'result'; readonly id: RequestId; readonly result: string }
  | { readonly type: 'native-result'; readonly id: RequestId; readonly value: Json }
  | { readonly type: 'error'; readonly id: RequestId; readonly error: string }
  | { readonly type: 'auth-url'; readonly id: RequestId; readonly url: string }

/** What became of a text that should be a request: a request, an answer to give, or nothing to answer. */
export type RequestProblem =
  | {
      readonly type: 'drop'
      readonly code: 'request/json' | 'request/id' | 'request/method' | 'event/too-large'
    }
  | { readonly type: 'reply'; readonly id: RequestId; readonly error: string }

/** How much of the 2023 dialect a request may speak. */
export interface ParseRequestOptions {
  /** Accept params and ids of other JSON types and convert them (2023 dialect). Default false. */
  readonly acceptNative?: boolean
}

/**
 * A decrypted text as a request. A text with `method` is a request even if it also has a `result`.
 * Missing or null params are `[]`.
 */
export function parseRequest(
  text: string,
  options: ParseRequestOptions = {},
): Result<Request, RequestProblem> {
  const strict = readRequest(text)
  if (strict !== undefined) return ok(strict)
  if (isTooLarge(text)) return err({ type: 'drop', code: 'event/too-large' })
  const object = parseObject(text)
  if (object === undefined) return err({ type: 'drop', code: 'request/json' })

  const rawId = object['id']
  let id: string
  let native = false
  if (typeof rawId === 'string') id = rawId
  else if (typeof rawId === 'number' && Number.isFinite(rawId)) {
    id = String(rawId)
    if (options.acceptNative !== true)
      return err({ type: 'reply', id, error: 'invalid: id must be a string' })
    native = true
  } else return err({ type: 'drop', code: 'request/id' })
  if (!isRequestId(id)) return err({ type: 'drop', code: 'request/id' })

  const method = object['method']
  if (method === undefined) return err({ type: 'drop', code: 'request/method' })
  if (typeof method !== 'string' || method === '') {
    return err({ type: 'reply', id, error: 'invalid: method must be a string' })
  }

  const rawParams = object['params'] ?? []
  if (!Array.isArray(rawParams))
    return err({ type: 'reply', id, error: 'invalid: params must be an array of strings' })
  if (rawParams.length > PARAMS) return err({ type: 'reply', id, error: 'invalid: too many params' })
  const params: string[] = []
  for (const param of rawParams as readonly Json[]) {
    if (typeof param === 'string') params.push(param)
    else if (options.acceptNative === true && isShallow(param)) {
      native = true
      params.push(param === null ? '' : typeof param === 'object' ? JSON.stringify(param) : String(param))
    } else return err({ type: 'reply', id, error: 'invalid: params must be an array of strings' })
  }
  return ok(native ? { id, method, params, native } : { id, method, params })
}

/** A request as NIP-46 writes it, for who has nothing to say about any other text. */
function readRequest(text: string): Request | undefined {
  const object = isTooLarge(text) ? undefined : parseObject(text)
  return object && requestOf(object)
}

function requestOf({ id, method, params }: Members): Request | undefined {
  const list = params ?? []
  if (typeof id !== 'string' || !isRequestId(id) || typeof method !== 'string' || method === '')
    return undefined
  return isTextList(list) && list.length <= PARAMS ? { id, method, params: list } : undefined
}

function isRequestId(id: string): boolean {
  return id !== '' && id.length <= REQUEST_ID_CHARS && isWellFormed(id)
}

/** What a text says to a client, read once: as a response, and whether it is a request. */
export interface Incoming {
  /** Of the response. A missing or unusable one becomes `''`, which matches no request. */
  readonly id: RequestId
  /** Whether it has a `method`. */
  readonly isRequest: boolean
  /** The method and whatever its params are. */
  readonly request: { readonly method: string; readonly params: readonly Json[] } | undefined
  readonly authUrl: string | undefined
  readonly error: string | undefined
  readonly result: Json
}

/** A decrypted text as a client hears it. */
export function readIncoming(text: string): Result<Incoming, 'response/json' | 'event/too-large'> {
  if (isTooLarge(text)) return err('event/too-large')
  const object = parseObject(text)
  if (object === undefined || !isShallow(object['result']) || !isShallow(object['error']))
    return err('response/json')
  const { id, method, params, result = null, error, auth_url } = object
  const isRequest = typeof method === 'string' && method !== ''
  const usable = typeof id === 'string' ? id.length <= REQUEST_ID_CHARS : Number.isFinite(id)
  // NIP-46: "result": "auth_url", "error": <URL_to_display_to_end_user>, in full: half a URL leads elsewhere.
  let authUrl: string | undefined
  if (result === 'auth_url') authUrl = typeof error === 'string' ? error : ''
  // One deployed signer writes the challenge its own way; unread, it would pass for a successful connect.
  else if (result === 'auth_required' && typeof auth_url === 'string') authUrl = auth_url
  return ok({
    id: usable ? String(id) : '',
    isRequest,
    request: isRequest ? { method, params: Array.isArray(params) ? params : [] } : undefined,
    authUrl,
    error: errorText(error),
    result,
  })
}

/** A decrypted text as a response. A missing or unusable id becomes `''`, which matches no request. */
export function parseResponse(text: string): Result<Response, 'response/json' | 'event/too-large'> {
  const read = readIncoming(text)
  if (!read.ok) return read
  const { id, authUrl, error, result } = read.value
  if (authUrl !== undefined) return ok({ type: 'auth-url', id, url: authUrl })
  if (error !== undefined) return ok({ type: 'error', id, error })
  return typeof result === 'string'
    ? ok({ type: 'result', id, result })
    : ok({ type: 'native-result', id, value: result })
}

/** Whether a decrypted text is a request (it has a `method`), as far as one can tell without more. */
export function looksLikeRequest(text: string): boolean {
  const method = isTooLarge(text) ? undefined : parseObject(text)?.['method']
  return typeof method === 'string' && method !== ''
}

/** `{"id","method","params"}` and nothing else, in this order. */
export function encodeRequest(request: Request): string {
  return JSON.stringify({ id: request.id, method: request.method, params: request.params })
}

/** The answer of a method that went well, as `{"id","result"}`. */
export function encodeResult(id: RequestId, result: string): string {
  return JSON.stringify({ id, result })
}

/** How an answer is written for a peer of the 2023 dialect. */
export interface EncodeResponseOptions {
  /** The shape of the answer the 2023 dialect wants: every key present, results as JSON values. */
  readonly native?: boolean
  /** With `native`: the method answered. A plaintext stays a text even if it looks like JSON. */
  readonly method?: string
}

/**
 * Success is `{"id","result"}` without an `error` key; failure is `{"id","result":"","error"}`;
 * a challenge is `{"id","result":"auth_url","error":url}`. Several deployed clients depend on each of these.
 */
export function encodeResponse(response: Response, options: EncodeResponseOptions = {}): string {
  const { id } = response
  switch (response.type) {
    case 'result':
      if (options.native === true) {
        return JSON.stringify({ id, result: nativeResult(response.result, options.method), error: null })
      }
      return encodeResult(id, response.result)
    case 'native-result':
      return options.native === true
        ? JSON.stringify({ id, result: response.value, error: null })
        : JSON.stringify({ id, result: JSON.stringify(response.value) })
    case 'error': {
      const error = cutError(response.error)
      return JSON.stringify(options.native === true ? { id, result: null, error } : { id, result: '', error })
    }
    case 'auth-url':
      return JSON.stringify({ id, result: 'auth_url', error: response.url })
  }
}

/** The 2023 text: `nip04_decrypt` answers `[plaintext]`; events and lists are JSON values; the rest is text. */
function nativeResult(result: string, method: string | undefined): Json {
  if (method === 'nip04_decrypt') return [result]
  if (method?.startsWith('nip') === true) return result
  const value = parseJson(result)
  return typeof value === 'object' && isShallow(value) ? value : result
}

/** `null`, `""`, `false` and 0 say that there is no error: some signers send them on success. */
function errorText(error: Json | undefined): string | undefined {
  if (!error) return undefined
  const said = isObject(error) ? error['message'] : error
  return cutError(typeof said === 'string' && said !== '' ? said : JSON.stringify(error))
}

/** At most {@link ERROR_CHARS}, without half a character at the cut. */
function cutError(text: string): string {
  return text.slice(0, ERROR_CHARS).replace(/\p{Surrogate}$/u, '')
}

function isTooLarge(text: string): boolean {
  return isLongerThan(text, MESSAGE_BYTES_IN)
}

type Members = { readonly [member: string]: Json | undefined }

/** A JSON object, or undefined. What it names `__proto__` is a member like others: JSON sets no prototypes. */
function parseObject(text: string): Members | undefined {
  const value = parseJson(text)
  return isObject<Json>(value) ? value : undefined
}

/** Whether a value is nested at most {@link JSON_DEPTH} deep: JSON.parse reads deeper values than JSON.stringify can write. */
function isShallow(value: Json | undefined, depth: number = JSON_DEPTH): boolean {
  if (typeof value !== 'object' || value === null) return true
  return depth > 0 && Object.values(value).every((member: Json) => isShallow(member, depth - 1))
}
