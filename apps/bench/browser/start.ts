/** The page's entry. */

import { mountPage } from './page.ts'

const host = document.getElementById('bench')
if (host !== null) mountPage(host)
