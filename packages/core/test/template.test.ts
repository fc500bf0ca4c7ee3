import { describe, expect, it } from 'vitest'
import { KIND_MAX, TEMPLATE_TAGS } from '../src/limits.ts'
import { wrongMember } from '../src/template.ts'

const RIGHT = { kind: 1, created_at: 1_767_225_600, content: 'hello', tags: [['t', 'nostr'], ['-']] }

describe('The template of an event', () => {
  it.each<[object, string | undefined]>([
    [{}, undefined],
    [{ kind: KIND_MAX, created_at: 0, content: '', tags: [] }, undefined],
    [{ kind: KIND_MAX + 1 }, 'kind'],
    [{ kind: -1 }, 'kind'],
    [{ kind: 1.5 }, 'kind'],
    [{ kind: '1' }, 'kind'],
    [{ kind: undefined }, 'kind'],
    [{ created_at: -1 }, 'created_at'],
    [{ created_at: 2 ** 53 }, 'created_at'],
    [{ created_at: null }, 'created_at'],
    [{ content: 5 }, 'content'],
    [{ content: 'half \ud83d' }, 'content'],
    [{ tags: 'no list' }, 'tags'],
    [{ tags: ['t'] }, 'tags'],
    [{ tags: [[]] }, 'tags'],
    [{ tags: [['']] }, 'tags'],
    [{ tags: [['t', 5]] }, 'tags'],
    [{ tags: [['t', '\udc00']] }, 'tags'],
    [{ tags: Array(TEMPLATE_TAGS).fill(['t']) }, undefined],
    [{ tags: Array(TEMPLATE_TAGS + 1).fill(['t']) }, 'tags'],
  ])('is told by the first member that is wrong: case %#', (changes, member) => {
    expect(wrongMember({ ...RIGHT, ...changes })).toBe(member)
  })
})
