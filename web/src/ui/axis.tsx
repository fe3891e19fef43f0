// The tokens beside a heat map: every one where there is room, else a ruler of round numbers; the
// one pointed at always.
import { contains } from "../data/filter";
import { numberOf } from "../data/reshape";
import { shownText } from "../data/tokens";
import type { PairSpec, SegmentSpec, SideName, SideSpec } from "../types";
import type { Shown } from "../data/filter";
import { READABLE, ticks, type MapBox } from "./mapLayout";

export interface AxisProps {
  side: SideName;
  spec: SideSpec;
  window: Shown;
  box: MapBox;
  /** Room beside the map, in pixels. */
  room: number;
  at: PairSpec | null;
  cursor: PairSpec | null;
  /** Whether a token is among those searched for: marked wherever it is. */
  found(index: number): boolean;
}

export function Axis(props: AxisProps) {
  const { side, spec, window, box, at, cursor } = props;
  const range = window[side];
  const pixels = side === "query" ? box.height : box.width;
  const each = pixels / (range.stop - range.start);
  const here = [at?.[side], cursor?.[side]].filter((index) => index !== undefined && contains(range, index + 0.5)) as number[];
  const near = (index: number) => here.some((one) => one !== index && Math.abs(one - index) * each < READABLE - 2);
  const shown = ticks(range, pixels).filter((index) => !near(index) && !here.includes(index));
  return (
    <div class={`mapaxis ${side}`} aria-hidden="true" data-axis={side} style={side === "query" ? { height: `${box.height}px` } : { width: `${box.width}px` }}>
      <b class="title">{side === "query" ? "query ↓" : "key →"}</b>
      {marksOf(props, each).map((place) => <i key={`found${place}`} class="mark" style={{ [side === "query" ? "top" : "left"]: `${place}px` }} />)}
      {shown.map((index) => <Tick key={index} index={index} each={each} here={false} {...props} />)}
      {[...new Set(here)].map((index) => <Tick key={`here${index}`} index={index} each={each} here {...props} />)}
      {spec.segments.length > 1 && spec.segments.map((segment) => <Bar key={segment.start} segment={segment} each={each} {...props} />)}
    </div>
  );
}

/** Where the tokens found lie, each pixel once. */
function marksOf({ side, window, found }: AxisProps, each: number): number[] {
  const { start, stop } = window[side];
  const places = new Set<number>();
  for (let index = Math.max(0, Math.floor(start)); index < stop; index++)
    if (found(index)) places.add(Math.round((index + 0.5 - start) * each));
  return [...places].filter((place) => place >= 0);
}

type TickProps = AxisProps & { index: number; each: number; here: boolean };

function Tick({ side, spec, window, room, index, each, here, found }: TickProps) {
  const place = (index + 0.5 - window[side].start) * each;
  const classes = ["tick"];
  if (here) classes.push("here");
  if (spec.special.includes(index)) classes.push("special");
  if (found(index)) classes.push("found");
  if (spec.kinds) classes.push(spec.kinds[index]!);
  const ruler = each < READABLE - 1;
  const length = room - (spec.segments.length > 1 ? 24 : 8);
  return (
    <span class={classes.join(" ")} data-index={index} style={{ [side === "query" ? "top" : "left"]: `${place}px`, maxWidth: `${length}px` }}>
      {ruler && <i>{numberOf(spec, index)}</i>}
      {spec.kinds?.[index] === "gap" ? "–" : shownText(spec.text[index] ?? "")}
    </span>
  );
}

/** A segment's extent and name along the axis. */
function Bar({ segment, side, window, box, room, each }: AxisProps & { segment: SegmentSpec; each: number }) {
  const all = side === "query" ? box.height : box.width;
  const [start, stop] = [segment.start, segment.stop].map((end) => Math.min(Math.max((end - window[side].start) * each, 0), all)) as [number, number];
  if (stop - start < 2) return null;
  const style = side === "query" ? { top: `${start + 1}px`, height: `${stop - start - 2}px`, right: `${room - 16}px` } : { left: `${start + 1}px`, width: `${stop - start - 2}px`, bottom: `${room - 16}px` };
  return <div class="mapsegment" style={style}><span>{segment.name}</span></div>;
}
