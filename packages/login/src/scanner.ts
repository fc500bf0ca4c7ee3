/**
 * Looks for a bunker:// link through the camera, where the browser can read codes.
 * Never switches the camera on by itself, and always off at the end.
 */

import { SCAN_EVERY_MS, SCAN_MS } from './limits.ts'

export type ScanOutcome = { readonly link: string } | 'refused' | 'stopped'

/** Whether this browser has what a scan needs. */
export function canScan(): boolean {
  return detectorOf() !== undefined && navigator.mediaDevices?.getUserMedia !== undefined
}

/**
 * Shows the camera in `video` until a code holds a bunker:// link, the signal aborts or {@link SCAN_MS} are over.
 * Call it from a click. `onOther` is told of codes that hold something else.
 */
export async function scanLink(
  video: HTMLVideoElement,
  signal: AbortSignal,
  onOther: () => void,
): Promise<ScanOutcome> {
  const Detector = detectorOf()
  if (Detector === undefined) return 'refused'
  let stream: MediaStream
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: 'environment' } })
  } catch {
    // No camera, or the user said no: the same for what to do next.
    return 'refused'
  }
  try {
    const detector = new Detector({ formats: ['qr_code'] })
    video.srcObject = stream
    await video.play()
    const until = performance.now() + SCAN_MS
    while (!signal.aborted && performance.now() < until) {
      for (const { rawValue } of await detector.detect(video)) {
        if (/^\s*bunker:\/\//i.test(rawValue)) return { link: rawValue }
        onOther()
      }
      await new Promise((resolve) => setTimeout(resolve, SCAN_EVERY_MS))
    }
    return 'stopped'
  } catch {
    return signal.aborted ? 'stopped' : 'refused'
  } finally {
    for (const track of stream.getTracks()) track.stop()
    video.srcObject = null
  }
}

/** The part of https://wicg.github.io/shape-detection-api/ that is used; not in every browser, and not in TypeScript's. */
interface Detector {
  detect(source: HTMLVideoElement): Promise<readonly { readonly rawValue: string }[]>
}

function detectorOf(): (new (options: { readonly formats: readonly string[] }) => Detector) | undefined {
  return (
    globalThis as { BarcodeDetector?: new (options: { readonly formats: readonly string[] }) => Detector }
  ).BarcodeDetector
}
