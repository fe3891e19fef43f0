// Above a long input: which of its tokens are shown, and how to get to others. A slider and a number
// for each side, a search, and the strongest keys that are not shown.
import { useState } from "preact/hooks";
import type { Outside } from "../data/decode";
import type { Range, Shown } from "../data/filter";
import type { Far } from "../data/part";
import { formatBounds, outsideText } from "../data/numbers";
import { shownText } from "../data/tokens";
import type { SideName, SideSpec } from "../types";
import { Field } from "./controls";
import { addStyle } from "./style";

addStyle(`
.part input[type=range] { width: clamp(90px, 15vw, 260px); }
.part input:not([type=range]):not([type=checkbox]) { font: inherit; font-size: 13px; height: 28px; padding: 0 8px; border: 1px solid var(--line); border-radius: 6px; background: var(--bg); color: var(--ink); font-variant-numeric: tabular-nums; }
.part input[type=number] { width: 5.6em; }
.part input[type=search] { width: 130px; }
.part output { font-variant-numeric: tabular-nums; }
.far { font-size: 12.5px; padding: 8px 12px; background: var(--panel); border: 1px solid var(--line); border-radius: 8px; gap: 4px 6px; overflow-wrap: anywhere; }
.far > span { margin-right: 8px; }
.far button.plain { height: auto; min-height: 24px; font-size: 12.5px; max-width: 100%; overflow-wrap: anywhere; }
.far button b { font-weight: 600; font-variant-numeric: tabular-nums; margin-left: 6px; }
`);

export interface PartBarProps {
  bar: { current: HTMLDivElement | null };
  /** The whole text. */
  sides: Record<SideName, SideSpec>;
  part: Shown;
  /** One slider moves both sides: queries and keys are shown as one text. */
  one: boolean;
  /** Keys go where queries go; false where that is not to be chosen. */
  follow: { value: boolean; set(follow: boolean): void } | null;
  move(side: SideName, start: number): void;
  find(text: string, back: boolean): boolean;
}

export function PartBar({ bar, sides, part, one, follow, move, find }: PartBarProps) {
  return (
    <div ref={bar} class="bar part" role="group" aria-label="Tokens shown">
      {(one ? ["key"] as const : ["query", "key"] as const).map((side) => (
        <Place key={side} name={one ? "tokens" : side === "query" ? "queries" : "keys"} range={part[side]} count={sides[side].text.length} move={(start) => move(side, start)} />
      ))}
      {follow && (
        <label class="field"><input type="checkbox" name="follow" checked={follow.value} onChange={(event) => follow.set(event.currentTarget.checked)} />Keys follow</label>
      )}
      <Find find={find} />
    </div>
  );
}

/** Where on a side the part begins; nothing where all of the side is shown. */
function Place({ name, range, count, move }: { name: string; range: Range; count: number; move(start: number): void }) {
  const size = range.stop - range.start;
  const most = count - size;
  if (most <= 0) return null;
  const text = `${name} ${range.start} to ${range.stop - 1} of ${count}`;
  const set = (value: string) => value !== "" && Number.isFinite(Number(value)) && move(Math.min(Math.max(Math.round(Number(value)), 0), most));
  return (
    <Field label={name[0]!.toUpperCase() + name.slice(1)}>
      <input
        type="range" name={`${name}-place`} aria-label={`First of the ${name} shown`} aria-valuetext={text} min={0} max={most} step={1} value={range.start}
        onInput={(event) => set(event.currentTarget.value)}
      />
      <span class="stepper">
        <button type="button" class="plain" aria-label={`Earlier ${name}`} title="Earlier (,)" disabled={range.start === 0} onClick={() => move(Math.max(0, range.start - size))}>‹</button>
        <input
          type="number" name={name} aria-label={`First of the ${name} shown, as a number`} min={0} max={most} value={range.start}
          onChange={(event) => (set(event.currentTarget.value), (event.currentTarget.value = String(range.start)))}
        />
        <button type="button" class="plain" aria-label={`Later ${name}`} title="Later (.)" disabled={range.start === most} onClick={() => move(Math.min(most, range.start + size))}>›</button>
      </span>
      <output aria-hidden="true">– {(range.stop - 1).toLocaleString("en")} of {count.toLocaleString("en")}</output>
    </Field>
  );
}

function Find({ find }: Pick<PartBarProps, "find">) {
  const [found, setFound] = useState(true);
  const keydown = (event: KeyboardEvent & { currentTarget: HTMLInputElement }) => {
    event.stopPropagation();
    if (event.key === "Escape") event.currentTarget.value = "";
    else if (event.key === "Enter") setFound(find(event.currentTarget.value, event.shiftKey));
    else return;
    event.preventDefault();
  };
  return (
    <span class="field">
      <input type="search" placeholder="Find a token" aria-label="Find a token: Enter for the next, Shift+Enter for the one before" onInput={() => setFound(true)} onKeyDown={keydown} />
      {!found && <output>none</output>}
    </span>
  );
}

export interface FarProps {
  side: SideSpec;
  /** `query 5000 'cat'`. */
  name: string;
  outside: Outside;
  far: Far[];
  /** What is put together: `mean of 8 heads`. */
  about: string;
  go(key: number): void;
}

/** What the pinned query gives to keys that are not shown, and a way to the strongest of them. */
export function FarKeys({ side, name, outside, far, about, go }: FarProps) {
  return (
    <div class="bar far" role="group" aria-label="Keys that are not shown">
      <span aria-live="polite"><b>{name}</b> gives {outsideText(outside)} the keys shown{about && ` (${about})`}.</span>
      {far.length > 0 && <span class="quiet">The strongest of them:</span>}
      {far.map(({ key, bounds }) => (
        <button key={key} type="button" class="plain" title={`Show key ${key}`} onClick={() => go(key)}>
          {shownText(side.text[key]!)} <span class="quiet">{key}</span><b>{formatBounds(bounds, 3)}</b>
        </button>
      ))}
    </div>
  );
}
