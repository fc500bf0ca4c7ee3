/** The component in German. Never anything but words. */

import type { Messages } from './messages.ts'

export const german: Messages = {
  heading: 'Mit dem Signer anmelden',
  reaching: 'Der Code wird vorbereitet…',
  scan: 'Scanne den Code mit deinem Signer oder öffne den Link auf diesem Gerät.',
  unreachable: 'Zurzeit antwortet kein Relay. Es wird weiter versucht…',
  qr: 'QR-Code des Anmeldelinks',
  showQr: 'QR-Code für ein anderes Gerät',
  open: 'Meinen Signer öffnen',
  copy: 'Link kopieren',
  copied: 'Link kopiert. Füge ihn in deinen Signer ein.',
  copyByHand: 'Das Kopieren ging nicht. Kopiere den Link unten von Hand.',
  signers: 'Oder wähle einen Signer',
  paste: 'Oder füge einen Link aus deinem Signer ein',
  pasteHint: 'Er beginnt mit bunker://',
  connect: 'Verbinden',
  scanLink: 'Scannen',
  stopScan: 'Kamera ausschalten',
  camera: 'Bild der Kamera',
  cameraRefused: 'Die Kamera ist nicht nutzbar. Füge den Link stattdessen ein.',
  notBunker: 'Dieser Code ist kein bunker://-Link. Es wird weiter gesucht…',
  connecting: 'Verbindung wird aufgebaut…',
  sent: 'Dein Signer wird gefragt…',
  approve: 'Bestätige die Anmeldung jetzt in deinem Signer.',
  identify: 'Verbunden. Es wird gefragt, wer du bist…',
  auth: 'Dein Signer bittet dich, auf {origin} fortzufahren.',
  openAuth: 'Auf {origin} fortfahren',
  newTab: '(öffnet einen neuen Tab)',
  cancel: 'Abbrechen',
  back: 'Zurück',
  retry: 'Noch einmal versuchen',
  done: 'Du bist angemeldet als {user}.',
  errors: {
    empty: 'Füge zuerst den Link aus deinem Signer ein. Er beginnt mit bunker://',
    scheme: 'Das ist kein Link eines Signers. Kopiere den, der mit bunker:// beginnt.',
    nostrconnect:
      'Dieser Link ist für einen Signer, nicht für diese Seite. Kopiere den, der mit bunker:// beginnt.',
    uri: 'Dieser Link ist beschädigt oder abgeschnitten. Kopiere ihn noch einmal aus deinem Signer.',
    insecure:
      'Das Relay in diesem Link ist nicht verschlüsselt. Verlange im Signer einen Link mit einem wss://-Relay.',
    noRelay: 'Kein Relay war erreichbar. Prüfe die Internetverbindung und versuche es noch einmal.',
    refused:
      'Das Relay hat die Anfrage abgelehnt ({words}). Versuche es noch einmal oder nimm im Signer ein anderes Relay.',
    notSent:
      'Die Anfrage konnte nicht gesendet werden. Prüfe die Internetverbindung und versuche es noch einmal.',
    noAnswer:
      'Dein Signer hat nicht geantwortet. Öffne ihn, prüfe, ob er online ist, und versuche es noch einmal.',
    authTimeout: 'Die Seite deines Signers wurde nicht rechtzeitig abgeschlossen. Versuche es noch einmal.',
    notTaken: 'Der Code wurde nicht rechtzeitig benutzt. Versuche es noch einmal mit einem neuen.',
    rejected: 'Die Anmeldung wurde im Signer abgelehnt. Versuche es noch einmal, falls das ein Versehen war.',
    secret: 'Dieser Link wurde schon benutzt oder ist abgelaufen. Erstelle im Signer einen neuen.',
    unpaired: 'Dein Signer kennt diese Verbindung nicht mehr. Erstelle im Signer einen neuen Link.',
    busy: 'Dein Signer hat zu viel zu tun. Warte eine Minute und versuche es noch einmal.',
    remote: 'Dein Signer sagt: {words}',
    unbelievable:
      'Die Antwort deines Signers ist nicht brauchbar. Aktualisiere ihn oder nimm einen anderen Signer.',
    otherUser:
      'Dein Signer hat für jemand anderen geantwortet. Wähle dort die richtige Person und versuche es noch einmal.',
    other: 'Die Anmeldung hat nicht geklappt ({words}). Versuche es noch einmal.',
  },
}
