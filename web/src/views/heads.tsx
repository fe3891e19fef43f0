// The heads view: one measure of every head as a layer × head map, the heads as a list to sort, and
// one of them opened.
import { render } from "preact";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { measureName, valuesOf } from "../data/order";
import { css, inkOn, type Mode } from "../draw/color";
import { colorOf, type Look } from "../draw/map";
import { MISSING } from "../draw/scale";
import type { Store } from "../store";
import type { CellSpec } from "../types";
import { ColorBar } from "../ui/colorBar";
import { Field, FilterSelect, Select, ShowSwitch, StreamSelect } from "../ui/controls";
import { Grid, type Face, type GridRow } from "../ui/grid";
import { errorText, MapFoot } from "../ui/legend";
import { useWidth } from "../ui/width";
import type { View, ViewProps } from "./frame";
import { gridSize } from "./geometry";
import { HeadList, numberOf, sameHead as same, type Head } from "./headList";
import { useNow } from "./load";
import { Axes, CellTip, hoveredAt, useOpen, type Hovered } from "./model";
import { Opened, sinkOf, sinkText } from "./openedHead";

export const headsView: View = (el, spec, source, store, around) => {
  render(<HeadsView spec={spec} source={source} store={store} {...around} />, el);
  return () => render(null, el);
};

const COLORBAR = 84;
/** Room for the list beside the map, from this width on. */
const LIST = 376;
const BESIDE = 760;

function HeadsView(props: ViewProps) {
  const { spec, store, status } = props;
  const mode = props.mode.value;
  const [root, box] = [useRef<HTMLDivElement>(null), useRef<HTMLDivElement>(null)];
  const [hovered, setHovered] = useState<Hovered | null>(null);
  const { open, toggle, close } = useOpen(store, root);
  const heads = useMemo(() => headsOf(store), [store.stream.value, store.state.measure.value]);
  const look = lookOf(heads, mode, store.parts !== null);
  const width = useWidth(box);
  const most = Math.max(...store.stream.value.layers.map((layer) => layer.heads.length));
  const size = gridSize(width - COLORBAR - (width < BESIDE ? 0 : LIST), most, 48);
  useNow(() => {
    void [store.stream.value, store.state.measure.value, open.value, props.mode.value];
    status.begin();
  });
  useEffect(() => void (open.value || status.painted()));
  const hover = (cell: CellSpec | null, el: HTMLElement | null) => setHovered(cell && el ? hoveredAt(cell, el, root.current!) : null);
  const at = hovered && heads.find((head) => same(head, hovered.cell));
  return (
    <div class="root" data-mode={mode} ref={root} onKeyDown={(event) => event.key === "Escape" && open.value && (close(), event.preventDefault())}>
      {spec.title && <h2>{spec.title}</h2>}
      <div class="bar">
        <StreamSelect store={store} streams={spec.streams} />
        <MeasureSelect store={store} />
        {open.value && <FilterSelect store={store} />}
        {open.value && <ShowSwitch store={store} />}
      </div>
      <div class="model wraps" ref={box}>
        <div class="mapbox"><div class="gridbox">
          <Axes size={size} heads={most} sort="number" />
          <div class="gridscroll faces">
            <Grid
              key={store.stream.value.name} rows={store.stream.value.layers as GridRow[]} sorted={false} size={size} open={open.value} toggle={toggle}
              canvases={NONE} below={null} hover={hover} face={(layer, head) => faceOf(heads.find((one) => same(one, { layer, head }))!, look, size.cell)}
            />
          </div>
        </div>
        <ColorBar look={look} height={Math.min(220, Math.max(90, store.stream.value.layers.length * (size.cell + size.gap)))} label={`${measureName(measureOf(store))}${heads.some(({ both }) => both) ? ", difference" : ""}`} /></div>
        <HeadList sink={(head) => sinkOf(store, head) !== null} heads={heads} open={open.value} toggle={toggle} titles={titlesOf(store, heads)} width={LIST - 20} colorOf={(head) => faceOf(head, look, 0).color} />
      </div>
      {open.value && <Opened view={props} close={close} />}
      {hovered && at && <CellTip {...hovered} store={store} by={measureOf(store)} more={` · ${at.pattern}${sinkText(store, at, " · ")}`} root={root.current!} />}
      <MapFoot mode={mode} notes={spec.notes} help="Click a cell or a row to open its head" accuracy={`Measures are means over the queries; numbers have four digits. ${props.source.live ? "" : errorText(spec)}`} />
    </div>
  );
}

const NONE = new Map<number, HTMLCanvasElement>();

function measureOf({ stream, state }: Store): string {
  const { measures } = stream.value;
  return (measures.find(({ name }) => name === state.measure.value) ?? measures[0])?.name ?? "";
}

function titlesOf(store: Store, heads: Head[]) {
  const [first, second] = (store.parts ?? [store, store]).map(({ stream }) => stream.value.label) as [string, string];
  const difference = heads.some(({ both }) => both);
  return { head: "head", first, second, value: difference ? "difference" : measureName(measureOf(store)), pattern: "pattern" };
}

function headsOf(store: Store): Head[] {
  const stream = store.stream.value;
  return stream.layers.flatMap((layer, i) => {
    const values = valuesOf(stream, layer, measureOf(store));
    const parts = store.parts?.map((part) => valuesOf(part.stream.value, part.stream.value.layers[i]!, measureOf(store)));
    return layer.heads.map((head, j) => ({
      layer: layer.layer, head, value: values?.[j] ?? null, pattern: measureName(stream.patterns?.[i]?.[j] ?? ""),
      both: parts?.[0] && parts[1] ? [parts[0][j] ?? null, parts[1][j] ?? null] : null,
    }));
  });
}

/** Shares have colours from 0 to 1, other measures and differences up to their largest number. */
function lookOf(heads: Head[], mode: Mode, fit: boolean): Look {
  const values = heads.flatMap(({ value }) => (value === null ? [] : [value]));
  const largest = Math.max(0, ...values.map(Math.abs));
  const signed = values.some((value) => value < 0) || heads.some(({ both }) => both);
  return { scale: { kind: "linear", high: largest <= 1 && !fit ? 1 : largest || 1, signed, decades: 3 }, blocks: "max", mode };
}

function faceOf({ value, pattern }: Head, look: Look, cell: number): Face {
  const color = value === null ? MISSING[look.mode] : colorOf(look, value);
  const text = numberOf(value);
  return { color: css(color), ink: inkOn(color), text: cell >= 27 && value !== null ? short(value) : "", label: pattern ? `${text}, ${pattern}` : text };
}

function short(value: number): string {
  return Math.abs(value) >= 10 ? value.toFixed(0) : value.toFixed(Math.abs(value) >= 1 ? 1 : 2).replace("-", "−");
}

function MeasureSelect({ store }: { store: Store }) {
  const options = store.stream.value.measures.map(({ name }) => ({ value: name, label: measureName(name) }));
  return (
    <Field label="Measure">
      <Select name="measure" label="Measure" value={measureOf(store)} options={options} onChange={(v) => (store.state.measure.value = v)} />
    </Field>
  );
}
