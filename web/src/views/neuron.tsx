// The neuron view: one head, as lines first; a query's ⊕ shows how its weights come about, neuron
// by neuron and step by step.
import { useComputed } from "@preact/signals";
import { render } from "preact";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { contains } from "../data/filter";
import { STRONG } from "../data/difference";
import { weightsOf } from "../data/steps";
import { headBetween, type HeadVectors } from "../data/vectors";
import { css } from "../draw/color";
import { WEIGHT_COLOR, type Scales } from "../draw/neurons";
import { signedColors } from "../draw/scale";
import type { LayerSpec, PinnedSpec } from "../types";
import type { BodyHead } from "../ui/body";
import { FilterSelect, HeadSelect, LayerSelect, ShowSwitch, stepHead, stepLayer, StreamSelect } from "../ui/controls";
import { Legend, NeuronLegend } from "../ui/legend";
import { Neurons, scalesOf, useLast } from "../ui/neurons";
import { Problem, Waiting } from "../ui/note";
import { SignIcon } from "../ui/tokens";
import { Whys } from "../ui/why";
import { Bodies, kindsNote, signedScale, usePainted, usePanels } from "./compared";
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
  const found = (store.parts ?? [store]).map((part) => useHead(source, spec, useComputed(() => ({ stream: part.stream.value, layer: part.layer.value, head: store.head.value }))));
  const ready = found.every(({ wanted, loaded }) => loaded.value.key === wanted.value.key);
  const problem = ready ? found.find(({ loaded }) => loaded.value.problem)?.loaded.value.problem ?? null : null;
  const loaded = found.flatMap(({ loaded: { value } }) => value.head ?? []);
  const last = useLast(loaded.length === found.length ? loaded : null);
  const heads = ready && loaded.length === found.length ? last : null;
  const why = useWhy(props);
  if (problem) props.status.failed();
  const painted = () => {
    if (!heads) return;
    props.status.painted();
    prefetch(props);
  };
  const shown = useShownHeads(props, last);
  return (
    <div class="root" data-mode={mode} onKeyDown={(event) => viewKeys(event, props, why)}>
      {spec.title && <h2>{spec.title}</h2>}
      <Bar {...props} />
      <div class="neuron">
        <div class="picture">
          {problem ? <Problem message={problem} /> : !shown ? <Waiting /> : <Pictures view={props} heads={heads} {...shown} turn={turn} painted={painted} why={why} />}
        </div>
        {why.at && heads && <WhyPanels view={props} heads={heads} why={why} />}
      </div>
      {shown && <Foot view={props} {...shown} />}
    </div>
  );
}

interface ShownHeads {
  /** One a picture: the head, those of both traces, or their difference. */
  drawn: HeadVectors[];
  scales: Scales;
  names: string[];
}

function useShownHeads({ store }: ViewProps, heads: HeadVectors[] | null): ShownHeads | null {
  const both = store.state.show.value === "both";
  return useMemo(() => {
    if (!heads) return null;
    const names = store.parts?.map(({ stream }) => stream.value.label) ?? [""];
    const [first, second] = heads;
    const drawn = second && !both ? [headBetween(first!, second)] : heads;
    const all = drawn.map(scalesOf);
    const most = (name: keyof Scales) => Math.max(...all.map((scales) => scales[name]));
    return { drawn, scales: { vector: most("vector"), product: most("product"), score: most("score") }, names: drawn.length < names.length ? [`${names[1]} minus ${names[0]}`] : names };
  }, [heads, both, store.stream.value]);
}

function Bar({ spec, store }: ViewProps) {
  const { expanded } = store.state;
  const words = store.parts ? "" : keyHeadWords(store.layer.value, store.head.value);
  return (
    <div class="bar">
      <StreamSelect store={store} streams={spec.streams} />
      <LayerSelect store={store} />
      <HeadSelect store={store} />
      <ShowSwitch store={store} />
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

interface PictureProps extends ShownHeads {
  view: ViewProps;
  /** Null while they are loading: the last picture stays. */
  heads: HeadVectors[] | null;
  turn: number;
  painted(): void;
  why: WhyState;
}

function Pictures({ view, heads, drawn, scales, names, turn, painted, why }: PictureProps) {
  const { store, mode: { value: mode } } = view;
  const { state } = store;
  const own = useMemo<BodyHead[]>(() => [{ number: store.head.value, name: `head ${store.head.value}`, place: 0, css: WEIGHT_COLOR[mode] }], [store.head.value, mode]);
  const panels = usePanels(store, heads && heads.map(weightsOf), mode);
  const one = usePainted(drawn.length, turn, painted);
  const pinQuery = (index: number): PinnedSpec => (state.pinned.value = { side: "query", index });
  const explain = (query: number, key: number) => (pinQuery(query), why.open(key));
  if (!state.expanded.value) {
    const expand = ({ index }: PinnedSpec) => (pinQuery(index), (state.expanded.value = true));
    return <Bodies key={store.stream.value.name} panels={panels} heads={own} mode={mode} compact={false} turn={turn} painted={painted} explain={explain} expand={expand} />;
  }
  const parts = drawn.length > 1 ? store.parts! : [store];
  return (
    <>
      {drawn.map((head, i) => (
        <section key={names[i]} aria-label={names[i] || undefined} data-part={names[i] ? (drawn.length > 1 ? i : "difference") : undefined}>
          {names[i] && <h3>{names[i]}</h3>}
          <Neurons
            key={store.stream.value.name} head={heads && head} scales={scales} explained={why.at?.key ?? null} keyHead={keyHeadWords(parts[i]!.layer.value, store.head.value).split(",")[0]!}
            explain={explain} collapse={() => (state.expanded.value = false)} sides={parts[i]!.sides.value} shown={store.filter.value} pinned={state.pinned} link={store.link}
            mode={mode} turn={turn} painted={one(i)}
          />
        </section>
      ))}
    </>
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

/** The sum of the pair; of a comparison those of both traces. */
function WhyPanels({ view: { store, mode }, heads, why }: { view: ViewProps; heads: HeadVectors[]; why: WhyState }) {
  const { query, key } = why.at!;
  const where = `layer ${store.layer.value.layer}, head ${store.head.value}`;
  const sums = heads.map((head, i) => {
    const part = store.parts?.[i] ?? store;
    return { head, sides: part.sides.value, where: store.parts ? `${part.stream.value.label}, ${where}` : where };
  });
  return <Whys sums={sums} query={query} at={key} shown={store.filter.value} mode={mode.value} close={() => why.open(null)} />;
}

function Foot({ view, drawn, scales }: ShownHeads & { view: ViewProps }) {
  const { spec: { notes }, store, mode: { value: mode } } = view;
  const signed = drawn[0]!.of !== undefined;
  const [more, less] = signedColors(mode).map((color) => css(color)) as [string, string];
  const bars: [string, string][] = signed ? [["gained", more], ["lost", less]] : [["weight", WEIGHT_COLOR[mode]]];
  if (store.state.expanded.value) return <NeuronLegend notes={[kindsNote(store), ...notes].filter(Boolean)} mode={mode} scales={scales} bars={bars} />;
  const color = WEIGHT_COLOR[mode].match(/\d+/g)!.map(Number) as [number, number, number];
  return (
    <Legend
      mode={mode} encoding="linear16" notes={notes} help="Hover a token to isolate it · click to pin · ⊕ shows its neurons" accuracy="Weights are computed here from the model's queries and keys."
      {...(signed ? signedScale(store, mode) : { scale: (alpha: number) => ({ color, alpha }), scaleLabel: "weight" })}
      note={[`Line opacity = ${signed ? `difference × ${STRONG}` : "weight"}`, kindsNote(store)].filter(Boolean).join(" · ")}
    />
  );
}

/** Counts changes of state: each makes the picture paint, and the host "drawing" until it has. */
function useTurns({ store, status }: ViewProps): number {
  const turn = useRef(0);
  useNow(() => {
    const { stream, filter, layer, head, state } = store;
    void [stream.value, filter.value, layer.value, head.value, state.pinned.value, state.expanded.value, state.show.value];
    turn.current++;
    status.begin();
  });
  void [store.state.pinned.value, store.state.show.value];
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
  whenIdle(() => {
    for (const part of store.parts ?? [store]) {
      const stream = part.stream.value;
      const place = stream.layers.indexOf(part.layer.value);
      for (const near of [stream.layers[place + 1], stream.layers[place - 1]])
        if (near) loadLayer(source, stream, near).catch(() => {});
    }
  }, signal);
}
