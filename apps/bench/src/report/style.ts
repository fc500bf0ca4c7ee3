/**
 * The look of the page: one column on a phone, more where there is room, light or dark as the reader has it.
 * Never loads anything: no font, no image, no script.
 */

export const STYLE: string = `
:root{color-scheme:light dark;--page:#fbfbfa;--card:#fff;--text:#1c2024;--quiet:#5a626b;--rule:#dfe2e5;--grid:#e8eaec;
--own:#2f6fbe;--peer:#9aa3ad;--bound:#fff;--good:#1a7a43;--bad:#b3261e;
--c0:#2f6fbe;--c1:#0c7d6b;--c2:#b45a00;--c3:#a02d74;--c4:#6548b5;--c5:#64707d}
@media(prefers-color-scheme:dark){:root{--page:#14171a;--card:#1c2024;--text:#e9ecef;--quiet:#a0a8b1;--rule:#343a41;--grid:#2b3036;
--own:#6ba6ef;--peer:#76808b;--bound:#1c2024;--good:#6fcf97;--bad:#ff8a80;
--c0:#6ba6ef;--c1:#4cc3ae;--c2:#f0a14b;--c3:#e87fbf;--c4:#ab93f2;--c5:#a0a8b1}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--text);font:16px/1.5 system-ui,sans-serif;-webkit-text-size-adjust:100%}
main{max-width:1180px;margin:0 auto;padding:20px 16px 48px}
h1{font-size:1.6rem;line-height:1.2;margin:.2em 0 .4em}
h2{font-size:1.2rem;margin:2.2em 0 .6em;padding-bottom:.25em;border-bottom:1px solid var(--rule)}
p,ul.facts{margin:.4em 0;color:var(--quiet);font-size:.9rem;overflow-wrap:anywhere}
ul.facts{padding-left:1.1em}
.key{display:flex;flex-wrap:wrap;gap:.3em 1.2em}
.key i{display:inline-block;width:1.4em;height:.65em;border-radius:2px;margin-right:.45em;vertical-align:baseline}
.key .own{background:var(--own)}.key .peer{background:var(--peer)}.key .bound{background:var(--bound);border:1.5px solid var(--own)}
.grid{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,340px),1fr));gap:16px}
figure{margin:0;padding:12px 14px;background:var(--card);border:1px solid var(--rule);border-radius:8px;min-width:0}
figcaption{font-weight:600;margin-bottom:6px}
.scale{font-weight:400;font-size:.75rem;color:var(--quiet);margin-left:.6em}
figure>svg{display:block;width:100%;height:auto;max-width:420px}
svg text{fill:var(--text);font:13px system-ui,sans-serif}
svg .value{text-anchor:end;font-variant-numeric:tabular-nums}
svg .tick{fill:var(--quiet);font-size:11px}
.bar.own{fill:var(--own)}.bar.peer{fill:var(--peer)}.bar.bound{fill:var(--bound);stroke:var(--own);stroke-width:1.5}
.whisker{fill:none;stroke:var(--text);stroke-width:1.2}
.grid path.grid,path.grid{fill:none;stroke:var(--grid);stroke-width:1}
.line{fill:none;stroke-width:2;stroke-linejoin:round}.dashed{stroke-dasharray:5 4}
${Array.from({ length: 6 }, (_, i) => `.line.c${i}{stroke:var(--c${i})}.dot.c${i}{fill:var(--c${i})}`).join('')}
.legend{display:flex;flex-wrap:wrap;gap:.2em 1em;list-style:none;margin:.5em 0 0;padding:0;font-size:.85rem}
.swatch{width:24px;height:10px;margin-right:.4em}
.bars{list-style:none;margin:0;padding:0;display:grid;gap:8px}
.bars li{display:grid;grid-template-columns:4.6em 1fr;gap:2px 10px;padding:10px 12px;background:var(--card);border:1px solid var(--rule);border-radius:8px}
.bars b{grid-row:span 4}
.bars .holds{color:var(--good)}.bars .fails{color:var(--bad)}.bars .none{color:var(--quiet);font-weight:400}
.bars span{overflow-wrap:anywhere}.bars .quiet{color:var(--quiet);font-size:.88rem}
@media(min-width:760px){.bars li{grid-template-columns:5em 1fr 12em 16em;align-items:baseline}.bars b{grid-row:auto}
.bars span:empty{display:block}.bars .note{grid-column:2/-1}}
.bars span:empty{display:none}
details{margin:12px 0}summary{cursor:pointer;color:var(--quiet);padding:6px 0}
.scroll{overflow-x:auto;-webkit-overflow-scrolling:touch}
table{border-collapse:collapse;font-size:.85rem;font-variant-numeric:tabular-nums}
th,td{padding:5px 10px 5px 0;text-align:right;white-space:nowrap;border-bottom:1px solid var(--rule)}
th[scope=row],thead th:first-child{text-align:left;font-weight:400}
thead th{color:var(--quiet);font-weight:600}
.better{color:var(--good)}.worse{color:var(--bad)}
`
