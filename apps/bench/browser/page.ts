/**
 * The benchmark as a page: a button, a line of progress, then the report.
 * Never starts by itself: a phone gets warm from it.
 */

import { renderHtml } from '../src/report/html.ts'
import { PAGE_PLAN, type PagePlan, runPage } from './page-run.ts'

/** Fills `host`; resolves when the page is ready for its reader. */
export function mountPage(host: HTMLElement, plan: PagePlan = PAGE_PLAN): void {
  const button = document.createElement('button')
  button.textContent = 'Measure this browser'
  const line = document.createElement('p')
  line.setAttribute('role', 'status')
  const result = document.createElement('div')
  host.replaceChildren(button, line, result)
  button.addEventListener('click', () => {
    button.disabled = true
    result.replaceChildren()
    void measurePage(plan, line, result).finally(() => {
      button.disabled = false
    })
  })
}

async function measurePage(plan: PagePlan, line: HTMLElement, result: HTMLElement): Promise<void> {
  try {
    const report = await runPage(plan, (label, done) => {
      line.textContent = `${Math.floor(100 * done)} %: ${label}`
    })
    line.textContent = ''
    const page = new DOMParser().parseFromString(renderHtml(report), 'text/html')
    result.replaceChildren(...page.querySelectorAll('style, main'))
  } catch (cause) {
    line.textContent = cause instanceof Error ? cause.message : String(cause)
  }
}
