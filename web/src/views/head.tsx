// The head view: one layer, several heads, every weight a line from its query to its key.
import { useComputed } from "@preact/signals";
import { render } from "preact";
import { useMemo, useRef } from "preact/hooks";
import { css, headColor, rgb, type Mode, type Rgb } from "../draw/color";
import type { Shown } from "../data/filter";
import { shareOf } from "../draw/lines";
import { keyOf, type Request } from "../types";
import { Body, type BodyHead } from "../ui/body";
import { FilterSelect, HeadChips, LayerSelect, stepLayer, StreamSelect } from "../ui/controls";
import { Legend } from "../ui/legend";
import { Problem, Waiting } from "../ui/note";
import type { View, ViewProps } from "./frame";
import { useNow, useWeights, whenIdle } from "./load";

export const headView: View = (el, spec, source, store, around) => {
  render(<HeadView spec={spec} source={source} store={store} {...around} />, el);
  return () => render(null, el);
};

function HeadView(props: ViewProps) {
  const { spec, source, store } = props;
  const mode = props.mode.value;
  const request = useComputed<Request>(() => ({ kind: "layer", stream: store.stream.value.name, layer: store.layer.value.layer }));
  const loaded = useWeights(source, request, spec).value;
  const turn = useTurns(props);
  const ready = loaded.weights && loaded.key === keyOf(request.value);
  const heads = useBodyHeads(props);
  if (loaded.problem && loaded.key === keyOf(request.value)) props.status.failed();
  const painted = () => {
    if (!ready) return;
    props.status.painted();
    prefetch(props);
  };
  return (
    <div class="root" data-mode={mode} onKeyDown={(event) => layerKeys(event, props)}>
      {spec.title && <h2>{spec.title}</h2>}
      <div class="bar">
        <StreamSelect store={store} streams={spec.streams} />
        <LayerSelect store={store} />
        <FilterSelect store={store} />
        <HeadChips store={store} mode={mode} />
      </div>
      {loaded.problem ? <Problem message={loaded.problem} /> : !loaded.weights ? <Waiting /> : (
        <Body
          key={store.stream.value.name} weights={ready ? loaded.weights : null} heads={heads} sides={store.sides.value} shown={store.filter.value}
          pinned={store.state.pinned} sinks={store.stream.value.sinks} mode={mode} compact={false} painted={painted} turn={turn}
        />
      )}
      <Legend
        mode={mode} encoding={spec.encoding} notes={spec.notes} help="Hover a token to isolate it · click to pin · double-click a head for solo"
        scale={(alpha) => ({ color: heads.length === 1 ? rgb(headColor(heads[0]!.number, mode)) : NEUTRAL[mode], alpha })} scaleLabel="weight"
        note={noteOf(heads.length, store.filter.value)}
      />
    </div>
  );
}

function noteOf(heads: number, shown: Shown): string {
  const share = shareOf(heads, shown);
  const opacity = share < 1 ? `Line opacity = weight × ${share.toFixed(2)} (isolated: weight)` : "Line opacity = weight";
  return heads > 1 ? `${opacity} · numbers are means of the ${heads} heads` : opacity;
}

const NEUTRAL: Record<Mode, Rgb> = { light: [60, 68, 82], dark: [200, 207, 219] };

/** Counts changes of state: each makes the body paint, and the host "drawing" until it has. */
function useTurns({ store, status }: ViewProps): number {
  const turn = useRef(0);
  useNow(() => {
    const { stream, filter, layer, heads, state } = store;
    void [stream.value, filter.value, layer.value, heads.value, state.pinned.value];
    turn.current++;
    status.begin();
  });
  void store.state.pinned.value;
  return turn.current;
}

function useBodyHeads({ store, mode }: ViewProps): BodyHead[] {
  const [all, active, now] = [store.layer.value.heads, store.heads.value, mode.value];
  return useMemo(
    () => active.map((number) => ({ number, place: all.indexOf(number), css: css(rgb(headColor(number, now))) })),
    [all, active, now],
  );
}

function layerKeys(event: KeyboardEvent, { store }: ViewProps): void {
  const step = { "[": -1, PageUp: -1, "]": 1, PageDown: 1 }[event.key];
  if (!step || event.ctrlKey || event.metaKey || (event.target as Element).tagName === "SELECT") return;
  stepLayer(store, step);
  event.preventDefault();
}

function prefetch({ store, source, signal }: ViewProps): void {
  const { name, layers } = store.stream.value;
  const place = layers.indexOf(store.layer.value);
  whenIdle(() => {
    for (const near of [layers[place + 1], layers[place - 1]])
      if (near) source.get({ kind: "layer", stream: name, layer: near.layer }).catch(() => {});
  }, signal);
}
