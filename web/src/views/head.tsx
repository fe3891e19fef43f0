// The head view: one layer, several heads, every weight a line from its query to its key.
import { useComputed } from "@preact/signals";
import { render } from "preact";
import { useMemo, useRef } from "preact/hooks";
import { headColor, NEUTRAL, rgb, type Mode } from "../draw/color";
import { STRONG } from "../data/difference";
import type { Shown } from "../data/filter";
import { shownPin } from "../data/reshape";
import { shareOf } from "../draw/lines";
import type { Store } from "../store";
import type { PinnedSpec } from "../types";
import type { BodyHead } from "../ui/body";
import { FilterSelect, HeadChips, LayerSelect, ShowSwitch, stepLayer, StreamSelect } from "../ui/controls";
import { Display } from "../ui/display";
import { Guessed, guessesAt } from "../ui/guesses";
import { Legend } from "../ui/legend";
import { Problem, Waiting } from "../ui/note";
import { Bodies, kindsNote, signedScale, useLayer, usePanels } from "./compared";
import { closeFirst, Explained, useExplaining, WHY_HELP } from "./explain";
import type { View, ViewProps } from "./frame";
import { useNow, whenIdle } from "./load";
import { PartPlace, PinnedFar, usePartMoves } from "./partPlace";
import { bodyHead, cutNote, partAccuracy, useBelow } from "./shown";

export const headView: View = (el, spec, source, store, around) => {
  render(<HeadView spec={spec} source={source} store={store} {...around} />, el);
  return () => render(null, el);
};

function HeadView(props: ViewProps) {
  const { spec, store } = props;
  const mode = props.mode.value;
  const loaded = useLayer(props, useComputed(() => store.layer.value.layer));
  const turn = useTurns(props);
  const { ready } = loaded;
  const moves = usePartMoves(store);
  const drawn = useRef(store.part.value);
  if (ready) drawn.current = store.part.value;
  const heads = useBodyHeads(props);
  const panels = usePanels(store, ready ? loaded.weights : null, mode);
  const weights = store.parts ? null : panels[0]!.weights;
  const below = useBelow(store, weights, heads);
  const why = useExplaining(props, store.layer.value, heads, panels[0]!.weights);
  const guess = guessOf(store);
  const guessed = guess?.(shownPin(store.state.pinned, store.cut.value.sides).value) ?? null;
  if (loaded.problem) props.status.failed();
  const painted = () => {
    if (!ready) return;
    props.status.painted();
    prefetch(props);
  };
  return (
    <div class="root" data-mode={mode} onKeyDown={(event) => layerKeys(event, props)} onKeyDownCapture={closeFirst(why)}>
      {spec.title && <h2>{spec.title}</h2>}
      <div class="bar">
        <StreamSelect store={store} streams={spec.streams} />
        <LayerSelect store={store} />
        <FilterSelect store={store} />
        <ShowSwitch store={store} />
        <Display store={store} />
        <HeadChips store={store} mode={mode} />
      </div>
      {store.part.value && <Part {...props} heads={heads} />}
      <div class="neuron">
        <div class="picture" {...(store.part.value && moves)}>
          {loaded.problem ? <Problem message={loaded.problem} /> : !loaded.weights ? <Waiting /> : (
            <Bodies
              key={store.stream.value.name} panels={panels} heads={heads} mode={mode} compact={false} painted={painted} turn={turn} explain={why.explain} guess={guess} moved={drawn.current !== store.part.value}
            />
          )}
        </div>
        {guessed && <aside class="guessed" aria-live="polite"><Guessed {...guessed} /></aside>}
        {why.asked && <Explained view={props} layer={store.layer.value} heads={heads} {...why} />}
      </div>
      <Legend
        mode={mode} encoding={spec.encoding} notes={spec.notes} help={`${store.part.value ? "Scroll past an end for more tokens · " : ""}Hover a token to isolate it · click to pin · double-click a head for solo${why.explain ? ` · ${WHY_HELP}` : ""}`}
        {...(panels[0]!.signed ? signedScale(store, mode) : { scale: (alpha: number) => ({ color: scaleColor(heads, mode), alpha }), scaleLabel: "weight" })}
        {...(store.part.value && { accuracy: partAccuracy(props) })}
        note={[noteOf(heads, store.cut.value.filter, panels[0]!.signed ? `difference × ${STRONG}` : "weight"), kindsNote(store), cutNote(store.cut.value, store.state.threshold.value, below)].filter(Boolean).join(" · ")}
      />
    </div>
  );
}

/** Of a long input: which tokens are shown, and what the pinned one attends to beside them. */
function Part({ heads, ...view }: ViewProps & { heads: BodyHead[] }) {
  const { store } = view;
  const own = heads.filter(({ number }) => number !== null);
  const all = store.layer.value.heads.map((_, place) => place);
  const places = own.length ? own.map(({ place }) => place) : all;
  const of = { layers: [store.layer.value.layer], places, about: places.length > 1 ? `mean of ${places.length} heads` : own[0]?.name ?? "" };
  return (
    <>
      <PartPlace store={store} />
      <PinnedFar view={view} of={of} />
    </>
  );
}

/** What was predicted at a token: of a query, or of a key where keys are the same tokens. */
function guessOf({ stream: { value: { predicted, query, key } }, cut: { value: { sides } } }: Store) {
  if (!predicted) return undefined;
  return (token: PinnedSpec | null) => (!token || (token.side === "key" && query !== key) ? null : guessesAt(predicted, sides[token.side], token.index));
}

function scaleColor([head, other]: BodyHead[], mode: Mode) {
  return other || head?.number == null ? NEUTRAL[mode] : rgb(headColor(head.number, mode));
}

function noteOf(heads: BodyHead[], shown: Shown, drawn: string): string {
  const share = shareOf(heads.length, shown);
  const opacity = share < 1 ? `Line opacity = ${drawn} × ${share.toFixed(2)} (isolated: ${drawn})` : `Line opacity = ${drawn}`;
  const mean = heads.find(({ number }) => number === null)?.name ?? (heads.length > 1 ? `means of the ${heads.length} heads` : "");
  return mean ? `${opacity} · numbers: ${mean}` : opacity;
}

/** Counts changes of state: each makes the body paint, and the host "drawing" until it has. */
function useTurns({ store, status }: ViewProps): number {
  const turn = useRef(0);
  useNow(() => {
    const { stream, cut, layer, heads, state } = store;
    void [stream.value, cut.value, layer.value, heads.value, state.pinned.value, state.threshold.value, state.show.value];
    turn.current++;
    status.begin();
  });
  void [store.state.pinned.value, store.state.show.value];
  return turn.current;
}

function useBodyHeads({ store, mode }: ViewProps): BodyHead[] {
  const [layer, active, mean, now] = [store.layer.value, store.heads.value, store.mean.value, mode.value];
  return useMemo(
    () => [...active, ...(mean ? [null] : [])].map((head) => bodyHead(head, layer, rgb(headColor(head ?? 0, now)), now)),
    [layer, active, mean, now],
  );
}

function layerKeys(event: KeyboardEvent, { store }: ViewProps): void {
  const step = { "[": -1, PageUp: -1, "]": 1, PageDown: 1 }[event.key];
  if (!step || event.ctrlKey || event.metaKey || (event.target as Element).tagName === "SELECT") return;
  stepLayer(store, step);
  event.preventDefault();
}

function prefetch({ store, source, signal }: ViewProps): void {
  const { layers } = store.stream.value;
  const place = layers.indexOf(store.layer.value);
  if (store.part.value) return;
  whenIdle(() => {
    for (const near of [layers[place + 1], layers[place - 1]])
      for (const { stream } of store.parts ?? [store])
        if (near) source.get({ kind: "layer", stream: stream.value.name, layer: near.layer }).catch(() => {});
  }, signal);
}
