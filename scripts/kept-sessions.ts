/// <reference lib="dom" />

/**
 * How many sessions the IndexedDB of a page's origin holds, under the name that stores have by default. For tests of built pages.
 * Runs in the page: it can use nothing of this module. Never before the page opened that database itself.
 */
export function countKeptSessions(): Promise<number> {
  return new Promise((resolve, reject) => {
    const opening = indexedDB.open('nip46')
    opening.onerror = () => reject(opening.error)
    opening.onsuccess = () => {
      const database = opening.result
      const counting = database.transaction('sessions').objectStore('sessions').count()
      counting.onerror = () => reject(counting.error)
      counting.onsuccess = () => {
        database.close()
        resolve(counting.result)
      }
    }
  })
}
