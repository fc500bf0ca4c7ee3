/**
 * A judge that cannot harm the engine: what it throws denies, and is told to the host.
 * Never makes a request allowed that the judge did not allow.
 */

import type { Judge } from '@nip46/core'
import type { Reporter } from './reporter.ts'

export function guardJudge(judge: Judge, reporter: Reporter): Judge {
  return {
    judge(request) {
      try {
        return judge.judge(request)
      } catch (cause) {
        reporter.fail('judge', cause)
        return { effect: 'deny', rule: 'the judge failed', error: 'internal: the policy failed' }
      }
    },
    approve(request, remember) {
      try {
        return judge.approve(request, remember)
      } catch (cause) {
        // The person's decision stands; it is only not remembered.
        reporter.fail('judge', cause)
        return request.policy
      }
    },
    facts(operation) {
      try {
        return judge.facts(operation)
      } catch (cause) {
        reporter.fail('judge', cause)
        return null
      }
    },
  }
}
