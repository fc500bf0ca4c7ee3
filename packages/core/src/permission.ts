/**
 * The perms grammar of NIP-46 (`method[:kind],...`) and what a list of permissions covers.
 * Never decides who gets what: requested perms are suggestions, grants come from the host.
 */

/** One entry: a method, for `sign_event` perhaps with one kind. */
export interface Permission {
  readonly method: string
  readonly kind?: number
}
