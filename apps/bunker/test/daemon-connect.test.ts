/** What is shown of a nostrconnect:// URI is what is said yes to, also after a while. */

import { expect, test } from 'vitest'
import { hostClock } from '../src/keys/host-clock.ts'
import { encodeOffer } from './cli-offer.ts'
import { startWorld } from './daemon-world.ts'

test('a preview holds however long it is looked at, for the policy that it was of and for no other', async () => {
  let shift = 0
  const clock = { ...hostClock, now: () => Date.now() + shift }
  const world = await startWorld({ deps: { clock } })
  try {
    const { uri, close } = await encodeOffer(world)
    const policy = { grants: 'sign_event:1' }
    const { hash } = await world.api.call('connect.preview', { uri, policy })
    shift = 45_500
    expect(await world.api.call('connect.preview', { uri, policy })).toMatchObject({ hash })
    for (const other of [{}, { policy: { grants: 'sign_event' } }, { policy: { preset: 'bot' } }])
      await expect(world.api.call('connect.accept', { uri, hash, ...other })).rejects.toMatchObject({
        status: 409,
        code: 'connect/changed',
      })
    const { clientPubkey } = await world.api.call('connect.accept', { uri, hash, policy })
    expect(await world.api.call('app.policy.get', { clientPubkey })).toMatchObject({
      grants: ['sign_event:1'],
    })
    await close()
  } finally {
    await world.close()
  }
})
