/**
 * Loaded before a daemon (`--import`): it crashes while its key works on an event whose content says so, by an exception that
 * nobody catches or as the system kills it.
 */

import { isMainThread, Worker } from 'node:worker_threads'

const post = Worker.prototype.postMessage
if (isMainThread)
  Worker.prototype.postMessage = function (message, ...rest) {
    const text = message?.type === 'operations' ? JSON.stringify(message.operations) : ''
    if (text.includes('KILL')) process.kill(process.pid, 'SIGKILL')
    if (text.includes('THROW')) {
      setImmediate(() => {
        throw new Error('a fault of this test')
      })
      // The key takes its time.
      return
    }
    post.call(this, message, ...rest)
  }
