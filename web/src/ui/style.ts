// All CSS, as one constructable sheet a document: pages forbid style elements and attributes. What only
// some views need is added by their own modules, so that other bundles do without.

export const FONT = `system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "Noto Sans", Arial, sans-serif`;

const CSS_TEXT = `
:host { display: block; }
* { box-sizing: border-box; }
.root {
  --bg: #ffffff; --panel: #f7f8fa; --ink: #1c2026; --quiet: #5b626d; --line: #e0e3e8; --strong: #b9bfc9;
  --accent: #2456c7; --plate: 50%; --wash: #e9eefb; --hover: #eef0f3; --cell: #f4f5f8; --shadow: 0 6px 24px rgba(20,25,40,.14), 0 1px 3px rgba(20,25,40,.12);
  background: var(--bg); color: var(--ink); font: 14px/1.4 ${FONT};
  padding: 16px 18px 12px; border-radius: 10px; position: relative; text-align: left; color-scheme: light;
  -webkit-font-smoothing: antialiased;
}
.root[data-mode=dark] {
  --bg: #131519; --panel: #1b1e24; --ink: #e8eaee; --quiet: #a3abb8; --line: #2c3038; --strong: #4a515d;
  --accent: #8fb4ff; --plate: 64%; --wash: #1f2c47; --hover: #23272f; --cell: #1a1d23; --shadow: 0 6px 24px rgba(0,0,0,.6), 0 0 0 1px #333842;
  color-scheme: dark;
}
.quiet { color: var(--quiet); }
.sr { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
h2 { font-size: 16px; line-height: 1.3; font-weight: 650; margin: 0 0 10px; letter-spacing: -.005em; }
:focus { outline: none; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 1px; }

.bar { display: flex; flex-wrap: wrap; gap: 8px 18px; align-items: center; margin-bottom: 12px; }
.field { display: inline-flex; align-items: center; gap: 7px; color: var(--quiet); font-size: 13px; }
select, button.plain {
  font: inherit; font-size: 13px; color: var(--ink); background: var(--bg); border: 1px solid var(--line);
  border-radius: 6px; height: 28px; padding: 0 9px; cursor: pointer;
}
select { padding-right: 4px; }
select:hover, button.plain:hover:not(:disabled) { border-color: var(--strong); background: var(--panel); }
button.plain:disabled { opacity: .35; cursor: default; }
.stepper { display: inline-flex; }
.stepper > * { border-radius: 0; margin-left: -1px; position: relative; }
.stepper > :hover, .stepper > :focus-visible { z-index: 1; }
.stepper > :first-child { border-radius: 6px 0 0 6px; margin-left: 0; }
.stepper > :last-child { border-radius: 0 6px 6px 0; }
.stepper button.plain { padding: 0; width: 27px; font-size: 16px; line-height: 1; color: var(--quiet); }
.switch { display: inline-flex; background: var(--panel); border: 1px solid var(--line); border-radius: 7px; padding: 2px; }
.switch button {
  font: inherit; font-size: 12.5px; border: 0; background: none; color: var(--quiet); padding: 2px 11px; height: 22px;
  border-radius: 5px; cursor: pointer;
}
.switch button:hover { color: var(--ink); }
.switch button[aria-checked=true] { background: var(--bg); color: var(--ink); font-weight: 600; box-shadow: 0 1px 2px rgba(0,0,0,.16), 0 0 0 1px var(--line); }

.options { flex-basis: 100%; margin: 2px 0 0; padding: 8px 12px; background: var(--panel); border: 1px solid var(--line); border-radius: 8px; }
.options output { min-width: 34px; color: var(--ink); font-variant-numeric: tabular-nums; }
input { accent-color: var(--accent); margin: 0; }
input[type=range] { width: 110px; }
label.field { cursor: pointer; }

.chips { display: flex; flex-wrap: wrap; gap: 4px; align-items: center; }
.chip {
  min-width: 27px; height: 24px; border-radius: 6px; border: 1.5px solid var(--color); padding: 0 5px; cursor: pointer;
  font: 600 12px/1 ${FONT}; font-variant-numeric: tabular-nums; background: var(--color); color: var(--on);
}
.chip[aria-pressed=false] { background: transparent; color: var(--quiet); border-color: color-mix(in srgb, var(--color) 40%, var(--bg)); font-weight: 500; }
.chip:hover { box-shadow: 0 0 0 2px color-mix(in srgb, var(--color) 35%, transparent); }

.body { position: relative; }
.titles { position: relative; height: 26px; font-size: 12px; color: var(--quiet); }
.titles b { color: var(--ink); font-weight: 650; }
.title { position: absolute; top: 2px; white-space: nowrap; }
.title.query { left: 0; text-align: right; padding-right: 10px; }
.title.key { padding-left: 10px; }
.scroll { position: relative; overflow-y: auto; overflow-x: hidden; max-height: max(240px, min(70vh, 640px)); overscroll-behavior: auto; }
.scroll.whole { max-height: none; }
.compact .scroll:not(.whole) { max-height: max(240px, min(62vh, 520px)); }
.plane { position: relative; min-height: 24px; }
.marks { position: sticky; top: 0; left: 0; display: block; pointer-events: none; }
.column { position: absolute; top: 0; }
.token { position: absolute; left: 0; width: 100%; display: flex; align-items: center; cursor: pointer; font-size: 14px; border-radius: 4px; padding: 0 10px; user-select: none; }
.compact .token { font-size: 12.5px; }
.column.query .token { justify-content: flex-end; }
.token .text {
  overflow: hidden; text-overflow: ellipsis; white-space: pre; min-width: 6px; unicode-bidi: isolate;
  text-shadow: 0 0 2px var(--bg), 0 0 2px var(--bg), 0 0 3px var(--bg), 0 0 4px var(--bg);
  padding: 0 4px; margin: 0 -4px; border-radius: 3px;
}
.token.special .text { color: var(--quiet); }
.token.blank .text { color: var(--quiet); }
.token.faint .text { color: var(--quiet); }
.boxed .token .text { background: color-mix(in srgb, var(--bg) var(--plate), transparent); text-shadow: none; color: var(--ink); }
.token.active { background: var(--hover); box-shadow: inset 0 0 0 1px var(--strong); }
.token.active .text { text-shadow: none; color: var(--ink); }
.token.pinned { background: var(--wash); box-shadow: inset 0 0 0 1.5px var(--accent); }
.token.partner { box-shadow: inset 0 0 0 1.5px var(--strong); }
.token:focus-visible { outline-offset: -2px; }
.number { position: absolute; font-size: 11.5px; color: var(--quiet); font-variant-numeric: tabular-nums; white-space: nowrap; letter-spacing: -.01em; }
.compact .number { font-size: 10.5px; }
.column.query .number { right: calc(100% + 6px); }
.column.key .number { left: calc(100% + 6px); }
.token.partner .number { color: var(--ink); font-weight: 650; }
.segment { position: absolute; width: 14px; border: 0 solid var(--strong); color: var(--quiet); font-size: 10.5px; pointer-events: none; display: flex; align-items: center; justify-content: center; overflow: hidden; }
.segment span { writing-mode: vertical-rl; white-space: nowrap; }
.column.query .segment { right: calc(100% + 70px); border-right-width: 2px; padding-right: 1px; }
.column.query .segment span { transform: rotate(180deg); }
.column.key .segment { left: calc(100% + 70px); border-left-width: 2px; padding-left: 1px; }
.compact .column.query .segment { right: calc(100% + 64px); }
.compact .column.key .segment { left: calc(100% + 64px); }

.tooltip {
  position: absolute; z-index: 5; pointer-events: none; width: max-content; min-width: 150px; max-width: 250px; padding: 8px 11px;
  background: var(--bg); color: var(--ink); border-radius: 8px; box-shadow: var(--shadow); font-size: 12.5px; line-height: 1.45;
}
.tooltip .name { display: flex; flex-wrap: wrap; gap: 0 8px; align-items: baseline; }
.tooltip .name b { max-width: 230px; overflow-wrap: anywhere; white-space: pre-wrap; unicode-bidi: isolate; }
.tooltip .name .quiet { font-size: 11.5px; }
.tooltip code { font: 11px/1 ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; overflow-wrap: anywhere; white-space: pre-wrap; }
.tooltip table { border-collapse: collapse; margin-top: 5px; width: 100%; }
.tooltip table.two tbody, .tooltip table.two { display: grid; grid-template-columns: 1fr 1fr; gap: 0 14px; }
.tooltip table.two tr { display: flex; justify-content: space-between; }
.tooltip td { padding: 0; }
.tooltip .label { max-width: 150px; overflow: hidden; text-overflow: ellipsis; white-space: pre; unicode-bidi: isolate; }
.tooltip .value { text-align: right; padding-left: 12px; font-variant-numeric: tabular-nums; white-space: nowrap; }
.swatch { display: inline-block; width: 9px; height: 9px; border-radius: 2.5px; margin-right: 6px; }

.foot { margin-top: 12px; padding-top: 9px; border-top: 1px solid var(--line); font-size: 12px; color: var(--quiet); display: flex; flex-wrap: wrap; gap: 3px 22px; align-items: center; }
.foot a { color: var(--accent); text-underline-offset: 2px; }
.scale { display: inline-flex; align-items: center; gap: 6px; font-variant-numeric: tabular-nums; white-space: nowrap; }
.scale canvas { border-radius: 3px; display: block; }
.small { font-size: 11.5px; }

.problem { border: 1px solid #c9372c; border-left-width: 4px; background: color-mix(in srgb, #c9372c 8%, var(--bg)); border-radius: 8px; padding: 11px 15px; margin: 4px 0 8px; }
.problem b { display: block; margin-bottom: 2px; }
.waiting { color: var(--quiet); padding: 24px 0; }

.model { display: flex; gap: 20px; align-items: flex-start; }
.gridbox { flex: 0 1 auto; min-width: 0; }
.gridscroll { overflow-x: auto; padding: 5px; margin: -5px; }
.grid { position: relative; width: max-content; }
.axes { position: relative; height: 18px; max-width: 100%; }
.axis.heads { position: absolute; left: 50%; transform: translateX(-50%); }
.axis.layers { position: absolute; left: 0; top: 19px; }
.tooltip.cell-tip { transform: translate(-50%, -100%); min-width: 0; max-width: none; padding: 4px 9px; white-space: nowrap; font-weight: 600; }
.axis { font-size: 12px; color: var(--quiet); font-weight: 650; }
.gridrow { position: relative; display: flex; }
.gridrow.numbers { font-size: 11.5px; color: var(--quiet); font-variant-numeric: tabular-nums; }
.colnumber { text-align: center; line-height: 20px; }
.rownumber { position: absolute; left: 0; display: flex; align-items: center; justify-content: flex-end; padding-right: 9px; font-size: 11.5px; color: var(--quiet); font-variant-numeric: tabular-nums; }
.gridrow canvas { position: absolute; top: 0; display: block; }
.cell { position: relative; appearance: none; border: 0; padding: 0; background: none; cursor: pointer; border-radius: 4px; }
.cellnumber { position: absolute; left: 3px; top: 2px; font-size: 10px; line-height: 1.2; color: var(--quiet); font-variant-numeric: tabular-nums; text-shadow: 0 0 2px var(--bg), 0 0 3px var(--bg); pointer-events: none; }
.cell:hover, .cell.linked { box-shadow: 0 0 0 2px var(--strong); z-index: 1; }
.cell[aria-expanded=true] { box-shadow: 0 0 0 2.5px var(--accent); z-index: 2; }
.cell:focus-visible { outline-offset: 2px; z-index: 3; }
.panel { background: var(--bg); border: 1px solid var(--line); border-radius: 10px; padding: 10px 12px 12px; position: relative; }
.panel.side { flex: 0 0 auto; position: sticky; top: 8px; }
.panel.below { margin: 8px 0 12px; position: sticky; left: 0; }
.panel.below::before { content: ""; position: absolute; top: -7px; left: var(--caret); width: 12px; height: 12px; background: var(--bg); border: 1px solid var(--line); border-width: 1px 0 0 1px; transform: rotate(45deg); }
.panelhead { display: flex; align-items: center; gap: 8px; margin-bottom: 4px; }
.panelhead h3 { font-size: 14px; font-weight: 650; margin: 0; flex: 1; white-space: nowrap; }
.switch button { white-space: nowrap; }
.panelhead .swatch { width: 11px; height: 11px; margin: 0; }
.close { font: 18px/1 ${FONT}; width: 26px; height: 26px; border: 0; border-radius: 6px; background: none; color: var(--quiet); cursor: pointer; }
.close:hover { background: var(--hover); color: var(--ink); }
.panel.empty { border-style: dashed; display: flex; align-items: center; justify-content: center; text-align: center; color: var(--quiet); font-size: 13px; min-height: 180px; padding: 24px; }
.neuron { display: flex; flex-wrap: wrap; gap: 16px 22px; align-items: flex-start; }
.picture { flex: 1000 1 740px; min-width: 0; }
.wide { overflow-x: auto; overflow-y: hidden; }
.bar .note { color: var(--quiet); font-size: 12.5px; }

.explains .number { cursor: pointer; }
.explains .number:hover { color: var(--accent); text-decoration: underline; }
.panel .why { margin-top: 10px; padding: 8px 10px 10px; }
.why code { font: 11.5px/1.5 ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace; }
.why { flex: 1 1 350px; min-width: 0; background: var(--panel); border: 1px solid var(--line); border-radius: 10px; padding: 10px 14px 14px; font-size: 12.5px; font-variant-numeric: tabular-nums; }
.ask { font: inherit; color: inherit; border: 0; padding: 0; background: none; cursor: pointer; text-decoration: underline dotted var(--strong); text-underline-offset: 3px; }
.ask:hover { color: var(--accent); text-decoration-style: solid; }
.whys { flex: 1 1 100%; display: flex; flex-wrap: wrap; align-items: flex-start; gap: 12px; }
.whys.one { display: contents; }
.reader + .whys > .why, .image + .whys > .why, .pair + .whys > .why { margin-top: 14px; }
.why .parts { display: flex; flex-wrap: wrap; gap: 6px 28px; }
.why section { flex: 1 1 270px; min-width: 0; }
.why h4 { font-size: 12px; font-weight: 650; margin: 8px 0 3px; color: var(--quiet); }
.why table { border-collapse: collapse; width: 100%; }
.why th { font-weight: 500; color: var(--quiet); text-align: right; font-size: 11px; padding: 1px 4px; }
.why td { text-align: right; padding: 1.5px 4px; white-space: nowrap; }
.why td.wide-cell { white-space: normal; }
.why th:first-child, .why td:first-child { text-align: left; padding-left: 0; }
.why tr.total td { border-top: 1px solid var(--strong); font-weight: 650; padding-top: 3px; }
.why .track { width: 84px; position: relative; }
.why .track i { position: absolute; top: 4px; height: 11px; border-radius: 1.5px; }
.why p { margin: 5px 0 0; }
.why .more { font: inherit; font-size: 12px; border: 0; background: none; color: var(--accent); cursor: pointer; padding: 3px 0; text-decoration: underline; text-underline-offset: 2px; }
.why .every { max-height: 300px; overflow-y: auto; }

.mapbox { display: flex; flex-wrap: wrap; gap: 10px; align-items: flex-start; }
.heatmap { position: relative; flex: none; }
.plot { position: relative; overflow: hidden; cursor: crosshair; user-select: none; touch-action: pan-y; box-shadow: 0 0 0 1px var(--line); }
.plot.moves { cursor: grab; touch-action: none; }
.plot.moves:active { cursor: grabbing; }
.plot canvas { display: block; }
.plot i { position: absolute; pointer-events: none; }
.band { box-shadow: 0 0 0 1px color-mix(in srgb, var(--ink) 45%, transparent); }
.cellbox { box-shadow: 0 0 0 1px var(--bg), 0 0 0 2.5px var(--ink); border-radius: 1px; }
.cellbox.cursor { box-shadow: 0 0 0 1px var(--bg), 0 0 0 3px var(--accent); }
.brush { border: 1.5px solid var(--accent); background: color-mix(in srgb, var(--accent) 18%, transparent); }
.mapaxis { position: absolute; font-size: 12px; line-height: 14px; }
.mapaxis.query { right: 100%; top: 0; }
.mapaxis.key { bottom: 100%; left: 0; }
.mapaxis .title { position: absolute; white-space: nowrap; padding: 0; top: auto; right: 7px; text-align: right; }
.mapaxis.query .title { bottom: calc(100% + 8px); left: auto; }
.mapaxis.key .title { bottom: 26px; right: calc(100% + 7px); }
.tick { position: absolute; white-space: pre; overflow: hidden; text-overflow: ellipsis; unicode-bidi: isolate; }
.mapaxis.query .tick { right: 0; padding-right: 7px; transform: translateY(-50%); }
.mapaxis.key .tick { bottom: 0; padding-left: 6px; transform-origin: 0 100%; transform: rotate(-90deg) translateY(50%); }
.mapsegment { position: absolute; color: var(--quiet); font-size: 10.5px; display: flex; align-items: center; justify-content: center; overflow: hidden; white-space: nowrap; }
.mapaxis.query .mapsegment { width: 14px; border-right: 2px solid var(--strong); }
.mapaxis.query .mapsegment span { writing-mode: vertical-rl; transform: rotate(180deg); }
.mapaxis.key .mapsegment { height: 15px; border-bottom: 2px solid var(--strong); }
.tick i { font-style: normal; color: var(--quiet); font-size: 11px; font-variant-numeric: tabular-nums; margin-right: 5px; }
.tick.special { color: var(--quiet); }
.tick.here { font-weight: 650; background: var(--bg); z-index: 1; color: var(--ink); }
.tick.found { color: var(--accent); font-weight: 650; }
.mark { position: absolute; background: var(--accent); }
.mapaxis.query .mark { right: 0; width: 5px; height: 3px; margin-top: -1px; }
.mapaxis.key .mark { bottom: 0; height: 5px; width: 3px; margin-left: -1px; }
.finder input { font: inherit; font-size: 13px; height: 28px; width: 140px; padding: 0 8px; border: 1px solid var(--line); border-radius: 6px; background: var(--bg); color: var(--ink); }
.strongest { flex: 1 1 160px; max-width: 270px; font-size: 12.5px; }
.strongest ol { list-style: none; margin: 0; padding: 0; }
.strongest li button { font: inherit; color: inherit; border: 0; border-radius: 5px; background: none; width: 100%; padding: 3px 6px; display: flex; justify-content: space-between; gap: 10px; text-align: left; cursor: pointer; }
.strongest li button:hover { background: var(--hover); }
.strongest li [aria-current=true] { background: var(--wash); }
.strongest span { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.strongest i { font-style: normal; font-size: 11px; color: var(--quiet); }
.strongest b { font-variant-numeric: tabular-nums; font-weight: 500; }
.strongest p { margin: 6px; font-size: 11.5px; }
.colorbar { position: relative; width: 54px; font-size: 11px; color: var(--quiet); font-variant-numeric: tabular-nums; flex: none; }
.colorbar canvas { border-radius: 2px; box-shadow: 0 0 0 1px var(--line); display: block; }
.colorbar span { position: absolute; left: 17px; transform: translateY(-50%); white-space: nowrap; }
.colorbar em { position: absolute; font-style: normal; left: 0; top: calc(100% + 8px); line-height: 1.25; width: 60px; }
.wraps { flex-wrap: wrap; }
.wraps .mapbox { max-width: 100%; flex-wrap: nowrap; }
.wraps .colorbar { margin-top: 38px; margin-right: 14px; }
.faces .cell { font: 10.5px/1 ${FONT}; font-variant-numeric: tabular-nums; }
.headlist { flex: 1 1 auto; max-height: 460px; overflow-y: auto; font-size: 12.5px; font-variant-numeric: tabular-nums; }
.headlist table { border-collapse: collapse; width: 100%; }
.headlist th { position: sticky; top: 0; background: var(--bg); text-align: left; padding: 0; }
.headlist button { font: inherit; white-space: nowrap; color: inherit; border: 0; background: none; padding: 3px 4px; cursor: pointer; }
.headlist th button { font-weight: 650; }
.headlist td { padding: 0 4px 0 0; white-space: nowrap; border-top: 1px solid var(--line); }
.badge { display: inline-block; font-size: 11.5px; line-height: 17px; padding: 0 7px; border-radius: 9px; background: var(--wash); color: var(--ink); }
td .badge { margin-left: 6px; }
.headlist tr[aria-selected=true] { background: var(--wash); }
.headlist tbody tr:hover { background: var(--hover); }
.swatch.hatched { background: repeating-linear-gradient(135deg, var(--bg) 0 3px, var(--strong) 3px 4px); box-shadow: 0 0 0 1px var(--line); }
.save { font: 12.5px/24px ${FONT}; display: flex; justify-content: flex-end; gap: 8px; padding: 2px 18px 4px; color: color-mix(in srgb, currentColor 70%, transparent); }
.save button { font: inherit; min-height: 26px; min-width: 44px; border: 1px solid color-mix(in srgb, currentColor 35%, transparent); border-radius: 6px; background: none; color: inherit; cursor: pointer; }
.save button:hover { text-decoration: underline; }
.save :focus-visible { outline: 2px solid; }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 400px), 1fr)); gap: 14px 26px; align-items: start; }
.panel.under { max-width: none; }
.panel.under::before { display: none; }
.pair > section { min-width: 0; }
.pair h3 { font-size: 14px; font-weight: 650; margin: 0 0 2px; text-align: center; overflow-wrap: anywhere; }
.token.replaced .text { text-decoration: underline 1.5px var(--accent); text-underline-offset: 3px; }
.token.alone .text { text-decoration: underline 1.5px dashed var(--accent); text-underline-offset: 3px; }
.token.gap::after { content: ""; position: absolute; inset: 50% 10px auto; border-top: 1.5px dashed var(--strong); }
.tooltip.columns { max-width: 320px; font-size: 12px; }
.tooltip.columns.narrow { min-width: 0; padding: 7px 9px; }
.tooltip.narrow .label { max-width: 4.6em; }
.tooltip.narrow .value { padding-left: 7px; }
.tick.replaced { text-decoration: underline 1.5px var(--accent); }
.tick.alone { text-decoration: underline 1.5px dashed var(--accent); }
.tok.replaced { text-decoration: underline 1.5px var(--accent); text-underline-offset: 4px; }
.tok.alone { text-decoration: underline 1.5px dashed var(--accent); text-underline-offset: 4px; }
.tok.gap { color: var(--quiet); }
.texts section[data-part] > h3 { font-size: 14px; font-weight: 650; margin: 0 0 4px; text-align: left; }
.tick.gap { color: var(--quiet); }
.columns .value { padding-left: 8px; max-width: 68px; overflow: hidden; text-overflow: ellipsis; }
.columns .label { max-width: 82px; }
.headlist th { vertical-align: bottom; }
.headlist th button { white-space: normal; overflow-wrap: break-word; text-align: left; }
@media (prefers-contrast: more) { .root { --quiet: var(--ink); --line: var(--strong); } }
@media (forced-colors: active) { .chip[aria-pressed=true] { forced-color-adjust: none; } }
@media (prefers-reduced-motion: no-preference) { .cell { transition: box-shadow .08s; } }
`;

const parts = [CSS_TEXT];

/** More rules, given when a module is loaded. */
export function addStyle(css: string): void {
  parts.push(css);
}

const sheets = new WeakMap<Document, CSSStyleSheet>();

export function adoptStyle(shadow: ShadowRoot): void {
  const doc = shadow.ownerDocument;
  let sheet = sheets.get(doc);
  if (!sheet) {
    const view = (doc.defaultView ?? window) as typeof globalThis & Window;
    sheet = new view.CSSStyleSheet();
    sheet.replaceSync(parts.join("\n"));
    sheets.set(doc, sheet);
  }
  shadow.adoptedStyleSheets = [sheet];
}
