// The neuron view: one head, as lines first; a query's ⊕ shows how its weights come about, neuron
// by neuron and step by step.
import { useComputed } from "@preact/signals";
import { render } from "preact";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { contains } from "../data/filter";
import { rowOf, weightsOf } from "../data/steps";
import type { HeadVectors } from "../data/vectors";
import { WEIGHT_COLOR } from "../draw/neurons";
import type { LayerSpec, PinnedSpec } from "../types";
import { Body, type BodyHead } from "../ui/body";
import { FilterSelect, HeadSelect, LayerSelect, stepHead, stepLayer, StreamSelect } from "../ui/controls";
import { Legend, NeuronLegend } from "../ui/legend";
import { Neurons, scalesOf, useLast } from "../ui/neurons";
import { Problem, Waiting } from "../ui/note";
import { SignIcon } from "../ui/tokens";
import { Why } from "../ui/why";
import type { View, ViewProps } from "./frame";
import { loadLayer, useHead } from "./vectors";
import { useNow, whenIdle } from "./load";

export const neuronView: View = (el, spec, source, store, around) => {
  render(<NeuronView spec={spec} source={source} store={store} {...around} />, el);
  return () => render(null, el);
};

function NeuronView(props: ViewProps) {
  const { spec, source, store } = props;
  const mode = props.mode.value;
  const turn = useTurns(props);
  const { wanted, loaded } = useHead(source, spec, useComputed(() => ({ stream: store.stream.value, layer: store.layer.value, head: store.head.value })));
  const ready = loaded.value.key === wanted.value.key;
  const [head, problem] = [ready ? loaded.value.head : null, ready ? loaded.value.problem : null];
  const last = useLast(loaded.value.head);
  const why = useWhy(props);
  if (problem) props.status.failed();
  const painted = () => {
    if (!head) return;
    props.status.painted();
    prefetch(props);
  };
  const expanded = store.state.expanded.value;
  return (
    <div class="root" data-mode={mode} onKeyDown={(event) => viewKeys(event, props, why)}>
      {spec.title && <h2>{spec.title}</h2>}
      <Bar {...props} />
      <div class="neuron">
        <div class="picture">
          {problem ? <Problem message={problem} /> : !last ? <Waiting /> : <Picture view={props} head={head} last={last} turn={turn} painted={painted} why={why} />}
        </div>
        {why.at && head && <WhyPanel view={props} head={head} why={why} />}
      </div>
      {last && <Foot notes={spec.notes} expanded={expanded} head={last} mode={mode} />}
    </div>
  );
}

function Bar({ spec, store }: ViewProps) {
  const { expanded } = store.state;
  const words = keyHeadWords(store.layer.value, store.head.value);
  return (
    <div class="bar">
      <StreamSelect store={store} streams={spec.streams} />
      <LayerSelect store={store} />
      <HeadSelect store={store} />
      <FilterSelect store={store} />
      <button type="button" class="plain expander" aria-expanded={expanded.value} onClick={() => (expanded.value = !expanded.value)}>
        <SignIcon sign={expanded.value ? "collapse" : "expand"} /> {expanded.value ? "Lines only" : "Neurons"}
      </button>
      {words && <span class="note" data-key-head>{words}</span>}
    </div>
  );
}

/** Which key head serves the head, where they are not one to one. */
function keyHeadWords({ rules, heads }: LayerSpec, head: number): string {
  if (!rules) return "";
  const own = rules.key_head[heads.indexOf(head)]!;
  const others = heads.filter((other, i) => other !== head && rules.key_head[i] === own);
  if (own === head && !others.length) return "";
  return `key head ${own}${others.length ? `, shared with head${others.length > 1 ? "s" : ""} ${others.join(", ")}` : ""}`;
}

interface PictureProps {
  view: ViewProps;
  head: HeadVectors | null;
  last: HeadVectors;
  turn: number;
  painted(): void;
  why: WhyState;
}

function Picture({ view, head, last, turn, painted, why }: PictureProps) {
  const { store, mode } = view;
  const { state } = store;
  const own = useMemo<BodyHead[]>(() => [{ number: store.head.value, name: `head ${store.head.value}`, place: 0, css: WEIGHT_COLOR[mode.value] }], [store.head.value, mode.value]);
  const scales = useMemo(() => scalesOf(last), [last]);
  const common = { sides: store.sides.value, shown: store.filter.value, pinned: state.pinned, mode: mode.value, turn, painted };
  const pinQuery = (index: number): PinnedSpec => (state.pinned.value = { side: "query", index });
  const explain = (query: number, key: number) => (pinQuery(query), why.open(key));
  const words = keyHeadWords(store.layer.value, store.head.value).split(",")[0]!;
  if (state.expanded.value)
    return (
      <Neurons
        key={store.stream.value.name} head={head} scales={scales} explained={why.at?.key ?? null} keyHead={words} explain={explain}
        collapse={() => (state.expanded.value = false)} {...common}
      />
    );
  const expand = ({ index }: PinnedSpec) => (pinQuery(index), (state.expanded.value = true));
  return (
    <Body
      key={store.stream.value.name} weights={head && weightsOf(head)} heads={own} sinks={store.stream.value.sinks} compact={false}
      expand={expand} explain={explain} {...common}
    />
  );
}

interface WhyState {
  at: { query: number; key: number } | null;
  open(key: number | null): void;
}

/** The pair that is explained: the pinned query and a key, as long as both are shown. */
function useWhy({ store }: ViewProps): WhyState {
  const [key, open] = useState<number | null>(null);
  const pinned = store.state.pinned.value;
  const shown = store.filter.value;
  useEffect(() => open(null), [store.stream.value]);
  const valid = key !== null && pinned?.side === "query" && contains(shown.query, pinned.index) && contains(shown.key, key);
  return { at: valid ? { query: pinned.index, key } : null, open };
}

function WhyPanel({ view, head, why }: { view: ViewProps; head: HeadVectors; why: WhyState }) {
  const { store, mode } = view;
  const { query, key } = why.at!;
  const row = useMemo(() => rowOf(head, query), [head, query]);
  return (
    <Why
      head={head} row={row} at={key} sides={store.sides.value} shown={store.filter.value} mode={mode.value}
      where={`layer ${store.layer.value.layer}, head ${store.head.value}`} close={() => why.open(null)}
    />
  );
}

function Foot({ expanded, head, mode, notes }: { expanded: boolean; head: HeadVectors; mode: "light" | "dark"; notes: string[] }) {
  const scales = useMemo(() => scalesOf(head), [head]);
  if (expanded) return <NeuronLegend notes={notes} mode={mode} scales={scales} weight={WEIGHT_COLOR[mode]} />;
  const color = WEIGHT_COLOR[mode].match(/\d+/g)!.map(Number) as [number, number, number];
  return (
    <Legend
      mode={mode} encoding="linear16" notes={notes} help="Hover a token to isolate it · click to pin · ⊕ shows its neurons" accuracy="Weights are computed here from the model's queries and keys."
      scale={(alpha) => ({ color, alpha })} scaleLabel="weight" note="Line opacity = weight"
    />
  );
}

/** Counts changes of state: each makes the picture paint, and the host "drawing" until it has. */
function useTurns({ store, status }: ViewProps): number {
  const turn = useRef(0);
  useNow(() => {
    const { stream, filter, layer, head, state } = store;
    void [stream.value, filter.value, layer.value, head.value, state.pinned.value, state.expanded.value];
    turn.current++;
    status.begin();
  });
  void store.state.pinned.value;
  return turn.current;
}

const STEPS: Record<string, [typeof stepLayer, number]> = {
  "[": [stepLayer, -1], PageUp: [stepLayer, -1], "]": [stepLayer, 1], PageDown: [stepLayer, 1],
  "{": [stepHead, -1], ",": [stepHead, -1], "}": [stepHead, 1], ".": [stepHead, 1],
};

function viewKeys(event: KeyboardEvent, { store }: ViewProps, why: WhyState): void {
  if (event.ctrlKey || event.metaKey || (event.target as Element).tagName === "SELECT") return;
  const step = STEPS[event.key];
  if (step) step[0](store, step[1]);
  else if (event.key === "Escape" && why.at) why.open(null);
  else if (event.key === "Escape" && store.state.expanded.value) store.state.expanded.value = false;
  else return;
  event.preventDefault();
}

function prefetch({ store, source, signal }: ViewProps): void {
  const stream = store.stream.value;
  const place = stream.layers.indexOf(store.layer.value);
  whenIdle(() => {
    for (const near of [stream.layers[place + 1], stream.layers[place - 1]])
      if (near) loadLayer(source, stream, near).catch(() => {});
  }, signal);
}
