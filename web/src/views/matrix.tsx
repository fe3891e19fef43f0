// The matrix view: one head, or a layer's heads put together, as a heat map that is read, zoomed
// and moved like a map.
import { useComputed } from "@preact/signals";
import { render } from "preact";
import { topStep } from "../data/tiles";
import type { Store } from "../store";
import type { Blocks, ColorScale, Over } from "../types";
import { Field, FilterSelect, LayerSelect, optionOf, Select, ShowSwitch, stepHead, stepLayer, Stepper, StreamSelect, Switch, type Option } from "../ui/controls";
import { ACCURACY, errorText, MapFoot } from "../ui/legend";
import type { View, ViewProps } from "./frame";
import { sizeOfMap, useWindow } from "./mapPanel";
import { Maps } from "./maps";
import { hasWords, overWords, quantitiesOf, wholeLayer, type MapOf } from "./plane";

export const matrixView: View = (el, spec, source, store, around) => {
  render(<MatrixView spec={spec} source={source} store={store} {...around} />, el);
  return () => render(null, el);
};

function MatrixView(props: ViewProps) {
  const { spec, source, store } = props;
  const map = useComputed<MapOf>(() => {
    const [stream, layer, { quantity: wanted, words, over }] = [store.stream.value, store.layer.value, store.state];
    const quantities = store.parts ? stream.quantities! : quantitiesOf(source, stream, layer);
    const between = words.value && hasWords(source, stream);
    const quantity = (!between && quantities.find(({ name }) => name === wanted.value)) || quantities[0]!;
    const tokens = { stream, layer, head: store.head.value, over: over.value, quantity };
    return between ? overWords(tokens) : tokens;
  });
  const window = useWindow(props);
  return (
    <div class="root" data-mode={props.mode.value} onKeyDown={(event) => viewKeys(event, store)}>
      {spec.title && <h2>{spec.title}</h2>}
      <Bar {...props} map={map.value} />
      <Maps view={props} map={map} window={window} />
      <MapFoot mode={props.mode.value} notes={spec.notes} help={HELP} accuracy={accuracyOf(props, map.value)} />
    </div>
  );
}

const HELP = "Drag to select a part · click into the map, then the wheel zooms and, zoomed in, dragging moves it (Shift+drag selects) · Escape: all of it";

const COLORS: Option[] = [{ value: "root", label: "Root" }, { value: "linear", label: "Linear" }, { value: "log", label: "Log" }];
const LEVELS: Option[] = [{ value: "", label: "Tokens" }, { value: "words", label: "Words" }];
const BLOCKS: Option[] = [{ value: "max", label: "Max" }, { value: "mean", label: "Mean" }];

function Bar({ spec, source, store, map }: ViewProps & { map: MapOf }) {
  const { words, cursor } = store.state;
  const quantities = map.words || store.parts ? [] : quantitiesOf(source, map.stream, map.layer).map(({ name, label }) => ({ value: name, label }));
  return (
    <div class="bar">
      <StreamSelect store={store} streams={spec.streams} />
      <LayerSelect store={store} />
      {!wholeLayer(map) && <HeadsSelect store={store} />}
      {quantities.length > 1 && (
        <Field label="Show">
          <Select name="quantity" label="What is shown" value={map.quantity.name} options={quantities} onChange={(v) => (store.state.quantity.value = v)} />
        </Field>
      )}
      {hasWords(source, map.stream) && (
        <Switch name="level" label="Between" options={LEVELS} value={map.words ? "words" : ""} set={(v) => ((words.value = v === "words"), (cursor.value = null))} />
      )}
      <FilterSelect store={store} />
      <ShowSwitch store={store} />
      <Looks store={store} map={map} />
    </div>
  );
}

/** One head, or all of the layer put together. */
function HeadsSelect({ store: { state, layer, head, parts } }: { store: Store }) {
  const { heads } = layer.value;
  const all = heads.length > 1 ? (parts ? ["mean"] : ["mean", "max"]).map((over) => ({ value: over, label: `${over} of ${heads.length}` })) : [];
  const set = (value: string) => {
    state.over.value = (all.some((option) => option.value === value) ? value : "head") as Over;
    if (state.over.value === "head") state.head.value = Number(value);
  };
  const value = state.over.value === "head" ? String(head.value) : state.over.value;
  return <Stepper name="head" label="Head" options={[...heads.map(optionOf), ...all]} value={value} set={set} />;
}

/** How numbers become colours. */
function Looks({ store, map: { quantity } }: { store: Store; map: MapOf }) {
  const { state } = store;
  const { color, fit, blocks } = state;
  const ranges = [{ value: "", label: `${quantity.signed && state.show.value === "difference" ? "±" : "0–"}${quantity.high}` }, { value: "fit", label: "Fit" }];
  return (
    <>
      <Switch name="color" label="Colours" options={COLORS} value={color.value} set={(v) => (color.value = v as ColorScale)} />
      {quantity.high !== null && <Switch name="fit" label="up to" options={ranges} value={fit.value ? "fit" : ""} set={(v) => (fit.value = v === "fit")} />}
      {topStep(sizeOfMap(store)) > 1 && <Switch name="blocks" label="Blocks" options={BLOCKS} value={blocks.value} set={(v) => (blocks.value = v as Blocks)} />}
    </>
  );
}

function accuracyOf({ spec, source }: ViewProps, { layer, quantity }: MapOf): string {
  const about = quantity.name === "weight" ? "" : `${quantity.about} `;
  if (quantity.carried) return `${about}Numbers are carried within 0.05 %.`;
  if (source.live) return `${about}Numbers of cells are exact, those of blocks within 0.05 %.`;
  if (layer.rules && spec.precision) return about + errorText(spec);
  return about + (layer.rules ? "Numbers are computed here from the model's queries and keys." : ACCURACY[spec.encoding]);
}

function viewKeys(event: KeyboardEvent, store: Store): void {
  if (event.ctrlKey || event.metaKey || event.altKey || /SELECT|INPUT/.test((event.target as Element).tagName)) return;
  const layer = { "[": -1, PageUp: -1, "]": 1, PageDown: 1 }[event.key];
  const head = { "{": -1, ",": -1, "}": 1, ".": 1 }[event.key];
  if (layer) stepLayer(store, layer);
  else if (head) (store.state.over.value = "head"), stepHead(store, head);
  else return;
  event.preventDefault();
}
