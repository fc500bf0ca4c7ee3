/**
 * Text into HTML, safely: every value from outside goes through `escapeText`.
 * Never lets a name or a remark become markup.
 */

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

export function escapeText(text: string): string {
  return text.replaceAll(/[&<>"']/g, (character) => ENTITIES[character] ?? '')
}

/** The head row and the rows of a table, all cells as text. The first cell of a row names it. */
export function tableMarkup(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const headCells = head.map((cell) => `<th scope="col">${escapeText(cell)}</th>`).join('')
  const body = rows.map(([name = '', ...cells]) => {
    const others = cells.map((cell) => `<td>${escapeText(cell)}</td>`).join('')
    return `<tr><th scope="row">${escapeText(name)}</th>${others}</tr>`
  })
  return `<div class="scroll"><table><thead><tr>${headCells}</tr></thead><tbody>${body.join('')}</tbody></table></div>`
}
