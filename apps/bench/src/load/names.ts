/**
 * What the bunkers are called in reports.
 * Never depends on how they are run: reports are read in a browser too.
 */

export const OUR_BUNKER = 'remote-signer'
export const NDK_BUNKER = 'NDK backend'
export const APPLESAUCE_BUNKER = 'applesauce provider'
