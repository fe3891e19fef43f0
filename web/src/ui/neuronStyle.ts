// How the neuron view's steps look.
import { addStyle } from "./style";

const CSS_TEXT = `
.sign { display: inline-flex; color: var(--accent); border-radius: 50%; flex: none; }
.token .sign { position: absolute; left: 2px; padding: 4px; opacity: .72; }
.token:hover .sign, .token.active .sign, .token:focus-visible .sign { opacity: 1; }
.column.query .sign + .text { margin-left: 15px; }
.token .sign:hover { background: var(--wash); }
.expander { display: inline-flex; align-items: center; gap: 6px; font-weight: 600; }
.neurons .titles { height: 38px; }
.title.strip { display: flex; flex-direction: column; padding: 0; line-height: 16px; overflow: hidden; }
.title.strip span { overflow: hidden; text-overflow: ellipsis; font-size: 11px; }
.title.strip b { font-size: 12.5px; }
.title.end { text-align: right; }
.title.strip:nth-child(1) { padding-right: 10px; }
.title.strip:nth-child(3) { padding-left: 10px; }
.neurons .token { font-size: 13.5px; }
.neurons .column.key .token { padding-right: 6px; }
.neurons .column.query .segment { right: calc(100% + 2px); }
.neurons .column.key .segment { left: auto; right: calc(100% + 3px); border-left: 0; border-right: 2px solid var(--strong); padding: 0 1px 0 0; }
.neurons .column.key .segment span { transform: rotate(180deg); }
.sums, .prompt { pointer-events: none; }
.sum { position: absolute; left: 0; width: 100%; height: 0; font-size: 12px; font-variant-numeric: tabular-nums; letter-spacing: -.01em; }
.sum span { position: absolute; text-align: right; white-space: nowrap; }
.sum span[data-step=weight] { font-weight: 600; }
.sum span[data-step=mask] { color: var(--quiet); }
.sum em { position: absolute; white-space: nowrap; color: var(--quiet); font-size: 11.5px; }
.sum.hidden span { color: var(--quiet); font-weight: 400; }
.sum.explained span { color: var(--accent); }
.floating { position: absolute; pointer-events: none; display: flex; align-items: center; justify-content: flex-end; padding: 0 10px; font-size: 13.5px; border-radius: 4px; background: var(--wash); box-shadow: inset 0 0 0 1.5px var(--accent); }
.floating span { overflow: hidden; text-overflow: ellipsis; white-space: pre; }
.prompt { position: absolute; color: var(--quiet); font-size: 13px; text-align: center; }
.neuron-tip { min-width: 0; }
.neuron-tip .product { font-variant-numeric: tabular-nums; white-space: nowrap; }
`;

addStyle(CSS_TEXT);
