/**
 * What a client says about itself: name, url, image. Display text, cleaned for display.
 * Never authority: anybody can claim any name.
 */

export interface ClientMetadata {
  readonly name?: string
  readonly url?: string
  readonly image?: string
}
