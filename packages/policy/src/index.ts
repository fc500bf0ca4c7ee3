/**
 * @nip46/policy: what each app may do with a key: grants with caveats, presets, explained.
 * Never does anything yet.
 */

export {}
