// The canvas behind the tokens: boxes of the token in question, and lines.
import { useEffect, useLayoutEffect, useMemo, useRef } from "preact/hooks";
import { halfOf } from "../data/difference";
import { otherSide } from "../data/tokens";
import { framed, Kept, replays, sized } from "../draw/canvas";
import { drawBoxes, drawLines, type DrawnHead, type Frame } from "../draw/lines";
import type { PinnedSpec } from "../types";
import type { BodyProps } from "./body";
import type { Layout } from "./layout";

export interface Marks {
  canvas: { current: HTMLCanvasElement | null };
  width: number;
  layout: Layout;
  frame: Frame;
  token: PinnedSpec | null;
}

/** Paints after every rendering, once a frame; a picture of all lines is kept and reused. */
export function useMarks(props: BodyProps, marks: Marks): void {
  const paint = useRef(() => {});
  const painter = useMemo(() => framed(() => paint.current()), []);
  const kept = useMemo(() => new Kept(), []);
  paint.current = () => {
    const { weights, heads, shown, threshold } = props;
    const { width, layout, frame, token } = marks;
    const canvas = marks.canvas.current;
    if (!width || !canvas) return;
    if (!weights) return void (props.moved && sized(canvas, width, frame.height));
    const context = sized(canvas, width, frame.height);
    const picture = token ? null : [weights, heads, shown, layout, width, frame.height, frame.top, frame.ratio, threshold];
    if (!picture || !kept.restore(context, picture)) {
      if (token) paintBoxes(context, props, marks, token);
      for (const drawn of drawnHeads(props)) drawLines(context, weights, drawn, shown, frame, token, threshold);
      if (picture) kept.keep(canvas, picture);
    }
    replays.set(canvas, (other) => {
      if (token) paintBoxes(other, props, marks, token);
      for (const drawn of drawnHeads(props)) drawLines(other, weights, drawn, shown, frame, token, threshold);
    });
    props.painted();
  };
  useLayoutEffect(() => painter.request());
  useEffect(() => () => painter.cancel(), []);
}

/** Each head in its colour; of a difference what the heads gained, and then what they lost. */
function drawnHeads({ heads, signed, weights }: BodyProps): DrawnHead[][] {
  if (!signed) return [heads.map(({ place, css }) => ({ place, color: css }))];
  return signed.map((color, half) => heads.map(({ place }) => ({ place: place + half * halfOf(weights!), color })));
}

function paintBoxes(context: CanvasRenderingContext2D, props: BodyProps, { layout, frame }: Marks, token: PinnedSpec): void {
  const side = otherSide(token.side);
  const hatch = props.mode === "dark" ? "#9aa0aa" : "#6b7079";
  for (const drawn of drawnHeads(props)) drawBoxes(context, props.weights!, drawn, token, props.shown[side], { ...frame, ...layout[side] }, hatch, props.threshold);
}
