// The image view: a picture, and over it how much weight a token gives to each patch, or gets
// from it; beside it the same for every head of the layer.
import { useComputed, useSignal, type Signal } from "@preact/signals";
import { render } from "preact";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { fromBase64 } from "../data/decode";
import { NEUTRAL } from "../draw/color";
import { patchColor } from "../draw/patches";
import type { PinnedSpec, SideName } from "../types";
import { HeadChips, LayerSelect, ShowSwitch, stepLayer, StreamSelect } from "../ui/controls";
import { Legend } from "../ui/legend";
import { Problem, Waiting } from "../ui/note";
import { useLayer, usePanels } from "./compared";
import { closeFirst, Explained, useExplaining } from "./explain";
import type { View, ViewProps } from "./frame";
import { Large, patchNumbers, placesOf, Small, topOf, type PartProps } from "./imageParts";
import { useNow } from "./load";
import { bodyHead } from "./shown";
import "../ui/patchStyle";

export const imageView: View = (el, spec, source, store, around) => {
  render(<ImageView spec={spec} source={source} store={store} {...around} />, el);
  return () => render(null, el);
};

function ImageView(props: ViewProps) {
  const { spec, store } = props;
  const grid = spec.image!;
  const loaded = useLayer(props, useComputed(() => store.layer.value.layer));
  const panels = usePanels(store, loaded.ready ? loaded.weights : null, props.mode.value);
  const pictures = [usePicture(grid.png), usePicture(grid.other ?? grid.png)];
  const hovered = useSignal<number | null>(null);
  const side = useSignal<SideName>(spec.state.pinned?.side ?? "query");
  const done = useTurns(props, side);
  const heads = store.heads.value.map((head) => bodyHead(head, store.layer.value, NEUTRAL[props.mode.value], props.mode.value));
  const why = useExplaining(props, store.layer.value, heads, panels[0]!.weights);
  if (loaded.problem) props.status.failed();
  const pinned = store.state.pinned.value;
  const token: PinnedSpec = { side: side.value, index: pinned?.index ?? hovered.value ?? 0 };
  const pin = (index: number | null) => (store.state.pinned.value = index === null ? null : { side: side.value, index });
  const alike = panels.flatMap(({ weights }) => weights ?? []);
  const painted = (place: number) => () => void (done.add(place).size === panels.length && props.status.painted());
  const kept = useRef<PartProps[]>([]);
  if (alike.length) kept.current = alike.map<PartProps>((weights, i) => ({
    view: props, grid, token, hovered, pin, explain: why.explain, weights, alike, columns: panels[i]!.columns, painted: painted(i), picture: pictures[panels.length > 1 ? i : Number(weights.signed ?? 0)]!,
  }));
  const parts = kept.current;
  return (
    <div class="root" data-mode={props.mode.value} onKeyDown={(event) => layerKeys(event, props)} onKeyDownCapture={closeFirst(why)}>
      {spec.title && <h2>{spec.title}</h2>}
      <div class="bar">
        <StreamSelect store={store} streams={spec.streams} />
        <LayerSelect store={store} />
        <ShowSwitch store={store} />
        <HeadChips store={store} mode={props.mode.value} />
        <Direction side={side} pinned={store.state.pinned} />
      </div>
      {loaded.problem ? <Problem message={loaded.problem} /> : !parts.length ? <Waiting /> : <Parts parts={parts} names={panels.map(({ name }) => name)} />}
      {why.asked && <Explained view={props} layer={store.layer.value} heads={heads} {...why} />}
      <Foot view={props} parts={parts} />
    </div>
  );
}

/** One picture with its small ones beside it; or those of two traces, each under its name. */
function Parts({ parts, names }: { parts: PartProps[]; names: string[] }) {
  const one = (part: PartProps) => <div class="image"><Large {...part} /><Small {...part} /></div>;
  if (!names[0]) return one(parts[0]!);
  return (
    <div class="pair">
      {parts.map((part, i) => (
        <section key={names[i]} aria-label={names[i]} data-part={parts.length > 1 ? i : "difference"}>
          <h3>{names[i]}</h3>
          {one(part)}
        </section>
      ))}
    </div>
  );
}

/** The picture; null until it is decoded. */
function usePicture(png: string): ImageBitmap | null {
  const [picture, set] = useState<ImageBitmap | null>(null);
  useEffect(() => {
    let live = true;
    createImageBitmap(new Blob([fromBase64(png)], { type: "image/png" })).then((made) => live && set(made), () => {});
    return () => void (live = false);
  }, [png]);
  return picture;
}

const WAYS: [SideName, string][] = [["query", "looks at"], ["key", "is looked at by"]];

function Direction({ side, pinned }: { side: Signal<SideName>; pinned: Signal<PinnedSpec | null> }) {
  const choose = (way: SideName) => {
    side.value = way;
    if (pinned.value) pinned.value = { ...pinned.value, side: way };
  };
  return (
    <span class="field">
      <span class="switch" role="radiogroup" aria-label="Direction" onKeyDown={(event) => event.key.startsWith("Arrow") && choose(side.value === "query" ? "key" : "query")}>
        {WAYS.map(([way, label]) => (
          <button key={way} type="button" role="radio" data-way={way} aria-checked={side.value === way} tabIndex={side.value === way ? 0 : -1} onClick={() => choose(way)}>{label}</button>
        ))}
      </span>
    </span>
  );
}

function Foot({ view, parts }: { view: ViewProps; parts: PartProps[] }) {
  const { spec, store, mode } = view;
  const [first] = parts;
  const top = first ? topOf(first, placesOf(view)).toPrecision(2) : "0";
  const signed = first?.weights.signed;
  const [before, after] = store.parts?.map(({ stream }) => stream.value.label) ?? [];
  const note = `Each map has a colour scale of its own, up to its ${signed ? "largest difference" : parts.length > 1 ? "strongest patch in either trace" : "strongest patch"}`;
  return (
    <Legend
      mode={mode.value} encoding={spec.encoding} notes={spec.notes} scale={(share) => (signed ? patchColor(2 * share - 1, true) : patchColor(share))}
      {...(signed ? { scaleLabel: `${after} minus ${before}`, scaleBottom: `−${top}`, scaleTop: `+${top}` } : { scaleLabel: "weight", scaleTop: top })}
      help="Hover a patch to select it · click to pin · then hover for the weight between two" note={note + useBeside(view, parts)}
    />
  );
}

/** What goes to tokens that are no patches, in words. */
function useBeside(view: ViewProps, parts: PartProps[]): string {
  const [first] = parts;
  const { side, index } = first?.token ?? {};
  const rest = useMemo(() => parts.map(({ grid, weights, token }) => {
    const values = patchNumbers(grid, weights, placesOf(view), token).filter((value) => !Number.isNaN(value));
    return 1 - values.reduce((sum, value) => sum + value, 0);
  }), [...parts.map(({ weights }) => weights), side, index, view.store.heads.value]);
  if (!first?.grid.first || side === "key" || first.weights.signed) return "";
  return ` · ${rest.map((share) => `${Math.round(Math.max(share, 0) * 100)} %`).join(" → ")} goes to tokens beside the patches`;
}

/** Which pictures have been painted since the state last changed. */
function useTurns({ store, status }: ViewProps, side: Signal<SideName>): Set<number> {
  const done = useRef(new Set<number>());
  useNow(() => {
    const { stream, layer, heads, state } = store;
    void [stream.value, layer.value, heads.value, state.pinned.value, state.show.value, side.value];
    done.current.clear();
    status.begin();
  });
  return done.current;
}

function layerKeys(event: KeyboardEvent, { store }: ViewProps): void {
  const step = { "[": -1, PageUp: -1, "]": 1, PageDown: 1 }[event.key];
  if (!step || event.ctrlKey || event.metaKey || (event.target as Element).tagName === "SELECT") return;
  stepLayer(store, step);
  event.preventDefault();
}
