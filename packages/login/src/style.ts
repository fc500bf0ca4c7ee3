/**
 * The look of the component, as one sheet for all of them.
 * Never an inline style: a page's Content-Security-Policy need not allow any.
 */

let sheet: CSSStyleSheet | undefined

export function loginStyle(): CSSStyleSheet {
  if (sheet === undefined) {
    sheet = new CSSStyleSheet()
    sheet.replaceSync(CSS)
  }
  return sheet
}

const CSS = `
:host{
  --_accent:var(--nip46-accent,light-dark(#6d28d9,#c4b5fd));
  --_on-accent:var(--nip46-on-accent,light-dark(#fff,#1e1b2e));
  --_surface:var(--nip46-surface,light-dark(#fff,#1c1b22));
  --_text:var(--nip46-text,light-dark(#1f1d2b,#f1f0f5));
  --_muted:var(--nip46-muted,light-dark(#5b5870,#b0adc0));
  --_border:var(--nip46-border,light-dark(#8a879b,#7b788c));
  --_danger:var(--nip46-danger,light-dark(#b3261e,#ffb4ab));
  --_radius:var(--nip46-radius,.75rem);
  color-scheme:light dark;display:block;max-inline-size:26rem;
  font:1rem/1.5 var(--nip46-font,system-ui,sans-serif);color:var(--_text);
}
:host([theme=light]){color-scheme:light}
:host([theme=dark]){color-scheme:dark}
:host([hidden]),[hidden]{display:none!important}
*{box-sizing:border-box}
section{
  display:flex;flex-direction:column;gap:1rem;padding:clamp(1rem,5vw,1.5rem);
  background:var(--_surface);border:1px solid color-mix(in srgb,var(--_border) 45%,transparent);
  border-radius:calc(var(--_radius)*1.5);
}
h2,h3,p,ul,figure{margin:0;padding:0}
h2{font-size:1.25rem;line-height:1.3}
h3,label,summary{font-size:.9375rem;font-weight:600}
p{overflow-wrap:anywhere}
.status{display:flex;gap:.6em;color:var(--_muted)}
.spinner{
  flex:none;inline-size:1em;block-size:1em;margin-block:.25em;border-radius:50%;
  border:2px solid var(--_border);border-block-start-color:var(--_accent);animation:turn 1s linear infinite;
}
@keyframes turn{to{rotate:1turn}}
@media (prefers-reduced-motion:reduce){.spinner{animation:none}}
.error{
  padding:.75rem;border:1px solid var(--_danger);border-radius:var(--_radius);color:var(--_danger);
  overflow-wrap:anywhere;
}
.auth,.offer,form,.signers{display:flex;flex-direction:column;gap:.75rem}
.row{display:flex;flex-wrap:wrap;gap:.5rem}
.row>*{flex:1 1 9rem}
a,button,input{
  font:inherit;min-block-size:2.75rem;padding:.5rem 1rem;border-radius:var(--_radius);
  border:1px solid var(--_border);color:var(--_text);background:transparent;
}
a,button{
  display:flex;align-items:center;justify-content:center;gap:.6em;text-align:center;text-decoration:none;
  cursor:pointer;font-weight:600;overflow-wrap:anywhere;
}
a:hover,button:hover{background:color-mix(in srgb,var(--_accent) 12%,transparent)}
.primary{background:var(--_accent);border-color:var(--_accent);color:var(--_on-accent)}
.primary:hover{background:color-mix(in srgb,var(--_accent) 88%,var(--_text))}
:focus-visible{outline:3px solid var(--_accent);outline-offset:2px}
h2:focus,.error:focus,.status:focus{outline-offset:4px}
input{inline-size:100%;min-inline-size:0}
input::placeholder{color:var(--_muted);opacity:1}
.hint{color:var(--_muted);font-size:.875rem}
svg{
  display:block;inline-size:100%;max-inline-size:var(--nip46-qr-size,18rem);margin-inline:auto;
  background:#fff;border-radius:var(--_radius);forced-color-adjust:none;
}
path{fill:#000}
summary{cursor:pointer;padding-block:.5rem;border-radius:var(--_radius)}
details[open] summary{margin-block-end:.5rem}
video{inline-size:100%;max-block-size:18rem;border-radius:var(--_radius);background:#000}
ul{list-style:none;display:grid;grid-template-columns:repeat(auto-fit,minmax(10rem,1fr));gap:.5rem}
li a{justify-content:flex-start;text-align:start;block-size:100%}
img{flex:none;inline-size:2rem;block-size:2rem;border-radius:.5rem;object-fit:cover}
.domain{display:block;font-size:.8125rem;font-weight:400;color:var(--_muted)}
.unseen{position:absolute;inline-size:1px;block-size:1px;overflow:hidden;clip-path:inset(50%)}
@media not (pointer:coarse){summary{display:none}}
@media (forced-colors:active){.primary{border:2px solid}}
`
