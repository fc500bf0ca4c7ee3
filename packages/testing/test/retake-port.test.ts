import { once } from 'node:events'
import { type AddressInfo, createServer, type Server } from 'node:net'
import { expect, test } from 'vitest'
import { retakePort } from '../src/index.ts'

async function listen(port: number): Promise<Server> {
  const server = createServer().listen(port, '127.0.0.1')
  await once(server, 'listening')
  return server
}

test('a port that somebody has is waited for, and nothing else is', async () => {
  const other = await listen(0)
  const { port } = other.address() as AddressInfo
  let tries = 0
  const ours = await retakePort(() => {
    tries += 1
    if (tries === 3) other.close()
    return listen(port)
  })
  expect(tries).toBeGreaterThan(2)
  expect((ours.address() as AddressInfo).port).toBe(port)
  ours.close()

  const taken = new Error('outer', { cause: Object.assign(new Error('inner'), { code: 'EADDRINUSE' }) })
  let left = 2
  expect(await retakePort(async () => (left-- > 0 ? Promise.reject(taken) : 'there'))).toBe('there')
  await expect(retakePort(() => Promise.reject(new Error('another')))).rejects.toThrow('another')
})
