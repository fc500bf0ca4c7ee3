/**
 * Every command, in the order of the help.
 */

import type { Command } from './command.ts'
import { APP_COMMANDS } from './commands/app-commands.ts'
import { AUDIT_COMMANDS } from './commands/audit-commands.ts'
import { BACKUP_COMMANDS } from './commands/backup-commands.ts'
import { HOST_COMMANDS } from './commands/host-commands.ts'
import { INIT_COMMANDS } from './commands/init-command.ts'
import { KEY_COMMANDS } from './commands/key-commands.ts'
import { LINK_COMMANDS } from './commands/link-commands.ts'
import { POLICY_COMMANDS } from './commands/policy-commands.ts'
import { RELAY_COMMANDS } from './commands/relay-commands.ts'
import { REQUEST_COMMANDS } from './commands/request-commands.ts'
import { TOKEN_COMMANDS } from './commands/token-commands.ts'
import { UP_COMMANDS } from './commands/up-command.ts'
import { VAULT_COMMANDS } from './commands/vault-commands.ts'

export const COMMANDS: readonly Command[] = [
  ...INIT_COMMANDS,
  ...UP_COMMANDS,
  ...HOST_COMMANDS,
  ...VAULT_COMMANDS,
  ...KEY_COMMANDS,
  ...LINK_COMMANDS,
  ...APP_COMMANDS,
  ...REQUEST_COMMANDS,
  ...POLICY_COMMANDS,
  ...AUDIT_COMMANDS,
  ...RELAY_COMMANDS,
  ...BACKUP_COMMANDS,
  ...TOKEN_COMMANDS,
]
