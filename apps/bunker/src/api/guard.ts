/**
 * Whether an HTTP request may be looked at at all, before anybody asks who sent it: names of hosts, origins.
 * Never trusts a header to let something in; headers only keep things out.
 */

import type { IncomingMessage } from 'node:http'
import { Fault } from './fault.ts'

export interface GuardOptions {
  /** Values of the Host header that are ours, in lower case, with the port if it is not the scheme's own. */
  readonly hosts: ReadonlySet<string>
  /** Origins whose pages may send forms: those of our own pages. */
  readonly origins: ReadonlySet<string>
}

/**
 * Over the network: 421 for another host's name (a rebinding page has no other), 403 for what a foreign page sends. A person who
 * follows a link is let through: `isPage` says whether this address is a page that may be linked to.
 */
export function guardNetwork(request: IncomingMessage, options: GuardOptions, isPage: boolean): void {
  const { host, origin } = request.headers
  if (host === undefined || !options.hosts.has(host.toLowerCase()))
    throw new Fault(421, 'host/unknown', 'this host name is not served here: see "publicUrl" in the settings')
  if (origin !== undefined && !options.origins.has(origin))
    throw new Fault(403, 'origin/foreign', 'pages of other sites may not use this API')
  const site = request.headers['sec-fetch-site']
  if (site === undefined || site === 'same-origin' || site === 'none') return
  const followed = request.method === 'GET' && request.headers['sec-fetch-mode'] === 'navigate'
  const framed = request.headers['sec-fetch-dest'] !== 'document'
  if (!isPage || !followed || framed)
    throw new Fault(403, 'origin/foreign', 'pages of other sites may not use this API')
}

/** On the unix socket there are no browsers: whatever says it comes from a page is refused. */
export function guardSocket(request: IncomingMessage): void {
  if (request.headers.origin !== undefined || request.headers['sec-fetch-site'] !== undefined)
    throw new Fault(403, 'origin/foreign', 'pages may not use this socket')
}

/** What is ours at an address we listen on, and at that of a proxy in front of it. */
export function guardFor(url: string, port: number, publicUrl: string | undefined): GuardOptions {
  const { host } = new URL(url)
  const hosts = new Set([host, `localhost:${port}`, `127.0.0.1:${port}`, `[::1]:${port}`])
  const origins = new Set([...hosts].map((name) => `http://${name}`))
  if (publicUrl !== undefined) {
    const { host: publicHost, origin } = new URL(publicUrl)
    hosts.add(publicHost.toLowerCase())
    origins.add(origin)
  }
  return { hosts, origins }
}
