// The generation view: token by token, what a model looked at when it wrote. The text as a heat
// map, and above it the share of weight that each segment got at every step.
import { render } from "preact";
import { useLayoutEffect, useMemo, useState } from "preact/hooks";
import { firstOf, planeOf, sharesOf, withoutFirst, type Rows } from "../data/written";
import { css, SHADE, shadeScale } from "../draw/color";
import type { Store } from "../store";
import type { Request } from "../types";
import { Field, optionOf, Select, ShowSwitch, Stepper, StreamSelect } from "../ui/controls";
import { Legend } from "../ui/legend";
import { messageOf, Problem, Waiting } from "../ui/note";
import { Facts, partsOf, Player, segmentsOf, Shares, Texts, type Stepping } from "../ui/steps";
import { kindsNote } from "./compared";
import { ComparedSteps } from "./comparedSteps";
import type { View, ViewProps } from "./frame";
import { useNow } from "./load";

export const generationView: View = (el, spec, source, store, around) => {
  render(<GenerationView spec={spec} source={source} store={store} {...around} />, el);
  return () => render(null, el);
};

function GenerationView(props: ViewProps) {
  const { spec, store, status } = props;
  const mode = props.mode.value;
  const signed = isSigned(store);
  const step = useStep(props);
  const loaded = (store.parts ?? [store]).map((one) => useRows(props, one));
  const problem = loaded.find((one) => one.problem)?.problem ?? null;
  const rows = loaded.flatMap((one) => one.rows ?? []);
  const shown = rows.length === loaded.length ? rows : null;
  if (problem) status.failed();
  return (
    <div class="root steps" data-mode={mode} onKeyDown={(event) => viewKeys(event, step)}>
      {spec.title && <h2>{spec.title}</h2>}
      <Bar {...props} />
      {problem ? <Problem message={problem} /> : !shown ? <Waiting /> : store.parts ? <ComparedSteps view={props} rows={shown} step={step} what={whatOf(props)} /> : <Steps {...props} rows={shown[0]!} step={step} />}
      <Legend
        mode={mode} encoding={spec.encoding} accuracy="Weights are carried to three digits." notes={spec.notes} scaleLabel="share of the row's largest (root scale)" scaleBottom={signed ? "−1" : "0"}
        help="← → another token · click a bar or a generated token for its step · point at a token for its weight" note={noteOf(props)}
        scale={shadeScale(signed, mode)}
      />
    </div>
  );
}

function Steps(props: ViewProps & { rows: Rows; step: Stepping }) {
  const { spec, store, status, signal, mode, rows, step } = props;
  const { state } = store;
  const { query: made, key } = store.sides.value;
  const { text, first } = store.stream.value.steps!;
  const segments = segmentsOf(key);
  const [pointed, point] = useState<number | null>(null);
  const shares = useMemo(() => sharesOf(rows, segments), [rows, key]);
  const parts = useMemo(() => partsOf(key, segments, mode.value), [key, mode.value]);
  const pinned = state.pinned.value?.side === "key" ? state.pinned.value.index : null;
  const pin = (index: number | null) => (state.pinned.value = index === null ? null : { side: "key", index });
  const shown = { step, rows, text: spec.sides[text]!, made };
  useLayoutEffect(status.painted);
  return (
    <>
      <Player step={step} made={made} signal={signal} />
      <Shares step={step} shares={shares} parts={parts} made={made} hidden={state.hide_first.value} mode={mode.value} />
      <div class="reader" style={{ "--shade": css(SHADE[mode.value]) }}>
        <Texts {...shown} parts={parts} first={first} pinned={pinned} pin={pin} point={point} />
        <Facts {...shown} pointed={pointed ?? pinned} what={whatOf(props)} pin={pin} />
      </div>
    </>
  );
}

function isSigned({ parts, state }: Store): boolean {
  return parts !== null && state.show.value === "difference";
}

function useStep({ store, status }: ViewProps): Stepping {
  const { step } = store.state;
  const last = store.sides.value.query.text.length - 1;
  const inside = (value: number) => Math.min(Math.max(value, 0), last);
  useNow(() => {
    const { stream, layer, head, state } = store;
    void [stream.value, layer.value, head.value, state.step.value, state.over.value, state.all_layers.value, state.hide_first.value, state.renormalise.value, state.pinned.value, state.show.value];
    status.begin();
  });
  return { at: inside(step.value), last, set: (value) => (step.value = inside(value)) };
}

/** One head is shown; a page may carry the means only. */
function single({ spec, source, store: { state } }: ViewProps): boolean {
  return !state.all_layers.value && state.over.value === "head" && headed({ spec, source });
}

function headed({ spec, source }: Pick<ViewProps, "spec" | "source">): boolean {
  return source.live || spec.carries !== "means";
}

/** Which rows: of every layer together, of the mean over a layer's heads, or of one head. */
function placeOf(props: ViewProps, part: Store): { request: Request; place: number | null; planes: number } {
  const { store } = props;
  const { name: stream, layers } = part.stream.value;
  const layer = part.layer.value;
  if (single(props)) return { request: { kind: "rows", stream, layer: layer.layer }, place: layer.heads.indexOf(store.head.value), planes: layer.heads.length };
  return { request: { kind: "rows", stream }, place: store.state.all_layers.value ? null : layers.indexOf(layer), planes: layers.length };
}

/** The rows shown; those of before stay while the next are on their way. */
function useRows(props: ViewProps, part: Store): { rows: Rows | null; problem: string | null } {
  const { source, store } = props;
  const { state } = store;
  const [loaded, set] = useState<{ rows: Rows | null; problem: string | null }>({ rows: null, problem: null });
  useNow(() => {
    const { request, place, planes } = placeOf(props, part);
    const { query, key } = part.sides.value;
    const size = [planes, query.text.length, key.text.length];
    const current = () => JSON.stringify(placeOf(props, part)) === JSON.stringify({ request, place, planes });
    const arrived = (rows: Rows | null, problem: string | null) => current() && set({ rows, problem });
    source.arrays(request).then(({ named }) => {
      const found = named.get("rows")!;
      if (String(found.shape) === String(size)) return arrived(planeOf(found, place), null);
      throw new Error(`The data have shape [${found.shape}], but the tokens and heads need [${size}]. Save or run the view again.`);
    }).catch((error: unknown) => arrived(null, messageOf(error)));
  });
  const [hide, divide] = [state.hide_first.value, state.renormalise.value];
  const rows = useMemo(() => loaded.rows && (hide ? withoutFirst(loaded.rows, divide, firstOf(part.sides.value.key)) : loaded.rows), [loaded, hide, divide]);
  return { rows, problem: loaded.problem };
}

const FIRST = [{ value: "", label: "shown" }, { value: "hide", label: "hidden" }, { value: "sum", label: "hidden, rows sum to 1" }];

function Bar({ spec, source, store }: ViewProps) {
  const { state } = store;
  const { layers } = store.stream.value;
  const { heads } = store.layer.value;
  const all = state.all_layers.value;
  const setLayer = (value: string) => ((state.all_layers.value = value === "all"), value === "all" || (state.layer.value = Number(value)));
  const setHead = (value: string) => ((state.over.value = value === "mean" ? value : "head"), value === "mean" || (state.head.value = Number(value)));
  const setFirst = (value: string) => ((state.hide_first.value = value !== ""), (state.renormalise.value = value === "sum"));
  return (
    <div class="bar">
      <StreamSelect store={store} streams={spec.streams} />
      <ShowSwitch store={store} />
      {layers.length > 1 && (
        <Stepper name="layer" label="Layer" options={[{ value: "all", label: "all" }, ...layers.map(({ layer }) => optionOf(layer))]} value={all ? "all" : String(store.layer.value.layer)} set={setLayer} />
      )}
      {!all && heads.length > 1 && headed({ spec, source }) && <Stepper name="head" label="Head" options={[{ value: "mean", label: "mean" }, ...heads.map(optionOf)]} value={state.over.value === "head" ? String(store.head.value) : "mean"} set={setHead} />}
      <Field label="First token">
        <Select name="first" label="First token" value={state.hide_first.value ? (state.renormalise.value ? "sum" : "hide") : ""} options={FIRST} onChange={setFirst} />
      </Field>
    </div>
  );
}

/** What the numbers are. */
function whatOf(props: ViewProps): string {
  const { state, stream, layer: { value: { layer, heads } }, head } = props.store;
  if (state.all_layers.value) return `mean over ${stream.value.layers.length} layers and their heads`;
  return `layer ${layer}, ${single(props) ? `head ${head.value}` : `mean over ${heads.length} heads`}`;
}

function noteOf({ store }: ViewProps): string {
  const { state } = store;
  const made = ["A token is made by the row of the token before it", kindsNote(store)].filter(Boolean).join(" · ");
  if (!state.hide_first.value) return made;
  return `${made} · ${state.renormalise.value ? "the first token is left out, and each row divided by what is left" : "the first token is left out"}`;
}

/** Arrow keys step where nothing else wants them. */
function viewKeys(event: KeyboardEvent, { at, set }: Stepping): void {
  if (event.ctrlKey || event.metaKey || event.altKey || (event.target as Element).closest("select, input, .prose")) return;
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (!step) return;
  set(at + step);
  event.preventDefault();
}
