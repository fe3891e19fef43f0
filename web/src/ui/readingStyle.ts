// How running text looks, and what is told beside it: text and generation view.
import { addStyle } from "./style";

const CSS_TEXT = `
.reader { display: flex; flex-wrap: wrap; gap: 14px 26px; align-items: flex-start; }
.texts { flex: 1000 1 420px; min-width: 0; }
.prose { font-size: 15.5px; line-height: 1.95; max-width: 78ch; overflow-wrap: anywhere; }
.block { content-visibility: auto; contain-intrinsic-size: auto 240px; padding: 2px; margin: -2px; }
.block + .block { margin-top: 6px; }
.block > b { display: block; font-size: 12px; line-height: 1.6; font-weight: 650; }
.tok { padding: 2px 0; border-radius: 3px; cursor: pointer; background: color-mix(in srgb, var(--shade) calc(var(--v, 0) * 100%), transparent); }
.tok.against, .facts i.against { --shade: var(--against); }
.tok[style*=none] { background: repeating-linear-gradient(135deg, var(--strong) 0 1px, transparent 1px 4px); }
.tok.special { font-size: 12px; unicode-bidi: isolate; }
.tok:hover, .tok.active { box-shadow: 0 0 0 1.5px var(--strong); }
.tok.pinned { box-shadow: 0 0 0 2px var(--accent); }
.doc + .doc { margin-top: 14px; padding-top: 12px; border-top: 1px solid var(--line); }
.about { display: flex; flex-wrap: wrap; gap: 2px 16px; font-size: 12.5px; align-items: baseline; overflow-wrap: anywhere; }
.about .right { color: light-dark(#17693a, #6fd08f); }
.about .wrong { color: light-dark(#b3261e, #ff9b91); }
.about i, .facts i { display: inline-block; height: 8px; border-radius: 2px; margin-right: 6px; background: var(--strong); }
.facts { flex: 1 1 230px; max-width: 340px; position: sticky; top: 10px; font-size: 12.5px; padding: 10px 13px; background: var(--panel); border: 1px solid var(--line); border-radius: 10px; overflow-wrap: anywhere; }
.sidebar { flex: 1 1 230px; max-width: 340px; position: sticky; top: 10px; display: grid; gap: 12px; }
.sidebar.wide { flex-basis: 300px; max-width: 400px; }
.sidebar .facts { position: static; max-width: none; }
.tok.marked { font-weight: 700; text-decoration: underline 2.5px var(--accent); text-underline-offset: 4px; }
.texts .beside { max-width: 78ch; margin-top: 16px; }
.beside td:not(.value) { padding-left: 14px; }
.beside thead th:last-child:nth-child(5) { text-align: left; padding-left: 14px; }
.beside th { text-align: left; font-weight: 400; padding: 1px 0; overflow-wrap: break-word; }
.beside thead th { color: var(--quiet); font-size: 11.5px; }
.beside thead th + th { text-align: right; padding-left: 10px; }
.beside [aria-current=true] { background: var(--wash); }
.beside [aria-current=true] th { font-weight: 650; }
.beside p { margin: 7px 0 0; }
.facts table { width: 100%; border-collapse: collapse; margin-top: 5px; }
.facts .pair { display: table-row; font-weight: 650; }
.facts .pair td { border-bottom: 1px solid var(--line); }
.facts i { background: var(--shade); }
.facts .value { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; padding-left: 10px; vertical-align: top; }
input[type=search] { font: inherit; font-size: 13px; height: 28px; padding: 0 9px; width: 210px; color: var(--ink); background: var(--bg); border: 1px solid var(--line); border-radius: 6px; }
.player input { flex: 1 1 160px; max-width: 420px; accent-color: var(--accent); }
.player output { font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
.shares { color: var(--ink); margin-bottom: 14px; }
.shares canvas { display: block; cursor: pointer; touch-action: pan-y; border-radius: 3px; background: var(--panel); }
.told { margin: 7px 0 0; gap: 2px 18px; font-size: 12.5px; overflow-wrap: anywhere; }
.strip-map { color: var(--shade); margin-bottom: 10px; }
.strip-map canvas { display: block; cursor: pointer; touch-action: pan-y; }
.textbox { max-height: 430px; overflow-y: auto; padding: 4px; margin: -4px; }
.facts tr[data-key] { cursor: pointer; }
.facts tr[data-key]:hover { background: var(--hover); }
.told .swatch { margin: 0; }
.steps .tok.active ~ .tok, .steps .block:has(.active) ~ .block > .tok { color: var(--quiet); opacity: .7; }
`;

addStyle(CSS_TEXT);
