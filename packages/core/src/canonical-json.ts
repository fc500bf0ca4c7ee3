/**
 * JSON that is the same for equal values: without spaces, the members of every object sorted by name.
 * Never used for what is not plain JSON.
 */

/** Members that are undefined are left out, as `JSON.stringify` does. */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null'
  const members = value as Readonly<Record<string, unknown>>
  const texts: string[] = []
  for (const name of Object.keys(members).sort()) {
    const member = members[name]
    if (member !== undefined) texts.push(`${JSON.stringify(name)}:${canonicalJson(member)}`)
  }
  return `{${texts.join(',')}}`
}
