// One column of tokens: a list box whose options are hovered, focused and pinned, with numbers
// beside the strongest and bars that show the segments.
import { contains, type Range } from "../data/filter";
import { numberOf } from "../data/reshape";
import { partnerText, shownText, type Partner } from "../data/tokens";
import type { PinnedSpec, SegmentSpec, SideName, SideSpec } from "../types";

export interface ColumnProps {
  side: SideName;
  spec: SideSpec;
  shown: Range;
  rows: [number, number];
  row: number;
  left: number;
  width: number;
  /** The token that the picture is about, on whichever side. */
  active: PinnedSpec | null;
  pinned: PinnedSpec | null;
  partner: number | null;
  numbers: Map<number, Partner>;
  /** The token reached by Tab. */
  stop: number;
  /** Tokens that play no part just now. */
  faint?: ((index: number) => boolean) | undefined;
  /** The sign before a token: a click on it shows or hides its neurons. */
  sign?: ((index: number) => Sign | null) | undefined;
}

export type Sign = "expand" | "collapse";

export function Column(props: ColumnProps) {
  const { side, shown, row, left, width, rows, stop } = props;
  const indices: number[] = [];
  for (let i = rows[0]; i < rows[1]; i++) indices.push(shown.start + i);
  if (contains(shown, stop) && !indices.includes(stop)) indices.push(stop);
  return (
    <div
      role="listbox" class={`column ${side}${props.active && props.active.side !== side ? " boxed" : ""}`} data-side={side}
      aria-label={side === "query" ? "Query tokens" : "Key tokens"}
      style={{ left: `${left}px`, width: `${width}px`, height: `${(shown.stop - shown.start) * row}px` }}
    >
      <Segments {...props} />
      {indices.map((index) => <Token key={index} index={index} {...props} />)}
    </div>
  );
}

function Token(props: ColumnProps & { index: number }) {
  const { side, spec, shown, row, active, pinned, partner, numbers, stop, index, sign } = props;
  const text = spec.text[index] ?? "";
  const is = (token: PinnedSpec | null) => token?.side === side && token.index === index;
  const classes = ["token"];
  if (spec.special.includes(index)) classes.push("special");
  if (text === "") classes.push("blank");
  const kind = spec.kinds?.[index];
  if (kind) classes.push(kind);
  if (is(active)) classes.push("active");
  else if (active?.side === side || props.faint?.(index)) classes.push("faint");
  if (is(pinned)) classes.push("pinned");
  if (partner === index && active && active.side !== side) classes.push("partner");
  const number = numbers.get(index);
  const shownSign = sign?.(index);
  return (
    <div
      role="option" class={classes.join(" ")} data-side={side} data-index={index} tabIndex={index === stop ? 0 : -1}
      aria-selected={is(pinned)} aria-label={`${kind === "gap" ? "not in this text" : shownText(text)}, ${side} ${numberOf(spec, index)}${kind === "alone" ? ", in one text only" : ""}`}
      aria-setsize={shown.stop - shown.start} aria-posinset={index - shown.start + 1}
      style={{ top: `${(index - shown.start) * row}px`, height: `${row}px` }}
    >
      {shownSign && <SignIcon sign={shownSign} />}
      <span class="text">{kind === "gap" ? "" : shownText(text)}</span>
      {number && <span class="number">{partnerText(number, 3)}</span>}
    </div>
  );
}

/** ⊕ or ⊖, drawn: fonts differ too much. */
export function SignIcon({ sign }: { sign: Sign }) {
  return (
    <span class="sign" data-sign={sign} title={sign === "expand" ? "Show this token's neurons (Enter)" : "Back to lines (Enter)"} aria-hidden="true">
      <svg viewBox="0 0 16 16" width="16" height="16" fill="none" stroke="currentColor" stroke-width="1.5" stroke-linecap="round">
        <circle cx="8" cy="8" r="6.5" />
        <path d={sign === "expand" ? "M5 8h6M8 5v6" : "M5 8h6"} />
      </svg>
    </span>
  );
}

function Segments({ spec, shown, row }: ColumnProps) {
  if (spec.segments.length < 2) return null;
  const seen = spec.segments.filter((s) => s.stop > shown.start && s.start < shown.stop);
  return <>{seen.map((segment) => <Segment key={segment.start} segment={segment} shown={shown} row={row} />)}</>;
}

function Segment({ segment, shown, row }: { segment: SegmentSpec; shown: Range; row: number }) {
  const start = Math.max(segment.start, shown.start) - shown.start;
  const stop = Math.min(segment.stop, shown.stop) - shown.start;
  return (
    <div class="segment" aria-hidden="true" style={{ top: `${start * row + 3}px`, height: `${(stop - start) * row - 6}px` }}>
      <span>{segment.name}</span>
    </div>
  );
}
