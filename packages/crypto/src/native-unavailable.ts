/** Why the system's libsecp256k1 cannot be used here. Only types. */

export interface NativeUnavailable {
  /**
   * `not-node`: no libraries can be loaded here (a browser). `no-koffi`: the package koffi is missing, or not for this
   * system. `no-library`: libsecp256k1 is not installed. `other-library`: it lacks a function that is needed.
   * `self-test`: it gave a wrong answer.
   */
  readonly code: 'not-node' | 'no-koffi' | 'no-library' | 'other-library' | 'self-test'
  /** What is wrong and what to install. */
  readonly message: string
}
