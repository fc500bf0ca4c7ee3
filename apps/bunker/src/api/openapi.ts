/**
 * The API as an OpenAPI 3.1 document, made from the table of operations.
 * Never describes anything that the table does not have.
 */

import type { JsonValue } from '@nip46/core'
import { API_ROOT, EVENTS_PATH, OPERATIONS, type OperationName } from './operations.ts'
import type { JsonSchema } from './schema.ts'

const ERROR: JsonSchema = {
  type: 'object',
  properties: {
    error: {
      type: 'object',
      properties: { code: { type: 'string' }, message: { type: 'string' } },
      required: ['code', 'message'],
    },
  },
  required: ['error'],
}

export function openApiDocument(version: string): JsonSchema {
  const paths: Record<string, Record<string, JsonValue>> = {
    [EVENTS_PATH]: {
      get: {
        operationId: 'events',
        summary: 'Server-sent events: each `data` line is one message as JSON. Scope read.',
        parameters: [
          {
            name: 'topics',
            in: 'query',
            required: true,
            schema: {
              type: 'string',
              pattern: '^(requests|notices|audit|log)(,(requests|notices|audit|log))*$',
            },
          },
        ],
        responses: {
          '200': {
            description: 'A stream.',
            content: { 'text/event-stream': { schema: { type: 'string' } } },
          },
          default: { $ref: '#/components/responses/Error' },
        },
      },
    },
  }
  for (const name of Object.keys(OPERATIONS) as OperationName[]) {
    const { method, path, scope, words, input, output } = OPERATIONS[name]
    const { properties, required } = input.json as {
      readonly properties: { readonly [field: string]: JsonSchema }
      readonly required: readonly string[]
    }
    const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, field]) => field ?? '')
    const rest = Object.keys(properties).filter((field) => !inPath.includes(field))
    const hasBody = method === 'POST' || method === 'PUT'
    const parameters: JsonValue[] = inPath.map((field) => ({
      name: field,
      in: 'path',
      required: true,
      schema: properties[field] ?? {},
    }))
    if (!hasBody)
      parameters.push(
        ...rest.map((field) => ({
          name: field,
          in: 'query',
          required: required.includes(field),
          schema: properties[field] ?? {},
        })),
      )
    const body: JsonSchema = {
      type: 'object',
      properties: Object.fromEntries(rest.map((field) => [field, properties[field] ?? {}])),
      required: required.filter((field) => rest.includes(field)),
      additionalProperties: false,
    }
    const at = `${API_ROOT}${path}`
    paths[at] ??= {}
    paths[at][method.toLowerCase()] = {
      operationId: name,
      summary: `${words} Scope ${scope}.`,
      ...(parameters.length > 0 && { parameters }),
      ...(hasBody && { requestBody: { required: true, content: { 'application/json': { schema: body } } } }),
      responses: {
        '200': { description: 'Done.', content: { 'application/json': { schema: output.json } } },
        default: { $ref: '#/components/responses/Error' },
      },
    }
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'nip46-bunker',
      version,
      description: 'A remote signer for Nostr keys (NIP-46). Over its unix socket no token is needed.',
    },
    paths,
    components: {
      securitySchemes: { token: { type: 'http', scheme: 'bearer' } },
      responses: {
        Error: {
          description: 'A code, and one sentence that says what to do.',
          content: { 'application/json': { schema: ERROR } },
        },
      },
    },
    security: [{ token: [] }],
  }
}
