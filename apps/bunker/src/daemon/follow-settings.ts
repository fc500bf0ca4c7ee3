/**
 * What another daemon on the same store changed, done here as well.
 * Never changes the settings itself.
 */

import { ownRelays } from './health.ts'
import type { Host } from './host.ts'
import type { SettingsState } from './settings.ts'

/** What another daemon on the same store changed holds here as well before anything is committed. */
export async function followSettings(
  host: Pick<Host, 'brake' | 'vault' | 'signer' | 'log' | 'settings' | 'loaded' | 'served'>,
  before: SettingsState,
  { added, removed, panicAt, lockedAt }: SettingsState,
): Promise<void> {
  const { brake, vault, signer, log } = host
  if (`${before.added} ${before.removed}` !== `${added} ${removed}`) signer.setRelays(ownRelays(host))
  if (panicAt !== null && panicAt !== before.panicAt) {
    log.write('warning', 'panic', { caller: 'another daemon' })
    brake.pull()
    await vault.lockAll()
  } else if (panicAt === null && before.panicAt !== null) {
    log.write('warning', 'resume', { caller: 'another daemon' })
    brake.release()
  }
  if (lockedAt !== before.lockedAt) {
    log.write('info', 'lock-all', { caller: 'another daemon' })
    await vault.lockAll()
  }
}
