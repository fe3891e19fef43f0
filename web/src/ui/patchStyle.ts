// How the image view looks.
import { addStyle, FONT } from "./style";

const CSS_TEXT = `
.image { display: flex; flex-wrap: wrap; gap: 14px 22px; align-items: flex-start; }
.pair > section:has(> .image) > h3 { text-align: left; margin-bottom: 6px; }
.large { flex: 0 1 440px; min-width: 0; }
.extras { margin-bottom: 8px; gap: 6px; }
.extras button[aria-pressed=true] { background: var(--wash); border-color: var(--accent); font-weight: 600; }
.patches { display: block; border-radius: 6px; max-width: 100%; height: auto !important; cursor: crosshair; touch-action: none; }
.said { margin: 7px 0 0; font-size: 13px; min-height: 3.1em; font-variant-numeric: tabular-nums; }
.said .ask + .ask { margin-left: 8px; }
.small-maps { flex: 1 1 300px; display: grid; grid-template-columns: repeat(auto-fill, 92px); gap: 8px; }
.map { font: 12px/1.3 ${FONT}; color: var(--quiet); border: 0; background: none; padding: 4px; border-radius: 7px; text-align: center; }
button.map { cursor: pointer; }
.map canvas { display: block; border-radius: 4px; margin-bottom: 3px; }
button.map:hover { background: var(--hover); }
.map[aria-pressed=true] { color: var(--ink); font-weight: 600; box-shadow: 0 0 0 1.5px var(--accent); }
`;

addStyle(CSS_TEXT);
