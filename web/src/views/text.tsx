// The text view: a text as it runs, its tokens shaded by the attention they get; or a list of texts
// with what a model said of each.
import { render } from "preact";
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import type { Bounds, Weights } from "../data/decode";
import { fieldOf, grouped, groupsOf, type Field } from "../data/field";
import { formatBounds } from "../data/numbers";
import { numberOf, reshaped, shownPin, type Plan } from "../data/reshape";
import { otherSide, shownText } from "../data/tokens";
import { cutOf } from "../store";
import { css, SHADE } from "../draw/color";
import type { DocumentSpec, LayerSpec, Outcome, Over, PinnedSpec, Request, SideName, SideSpec, StreamSpec } from "../types";
import { Field as Labelled, optionOf, Stepper, StreamSelect, Switch, type Option } from "../ui/controls";
import { SpecialSelect } from "../ui/display";
import { Legend } from "../ui/legend";
import { messageOf, Problem, Waiting } from "../ui/note";
import { Prose } from "../ui/prose";
import type { View, ViewProps } from "./frame";
import { checked, useNow } from "./load";
import { cutNote } from "./shown";

export const textView: View = (el, spec, source, store, around) => {
  render(<TextView spec={spec} source={source} store={store} {...around} />, el);
  return () => render(null, el);
};

/** What is told beside the text: a token, the strongest on the other side, and maybe a pair. */
interface Told {
  title: string;
  about: string;
  rows: Row[];
  pair: Row | null;
}

interface Row {
  label: string;
  bounds: Bounds;
  share: number;
}

const PAGE = 50;

function TextView(props: ViewProps) {
  const { spec, store, status } = props;
  const mode = props.mode.value;
  const [told, tell] = useState<Told | null>(null);
  const [count, setCount] = useState(PAGE);
  const listed = spec.streams[0]!.document !== undefined;
  const texts = listed ? spec.streams.filter((stream) => matches(props, stream)) : [store.stream.value];
  const page = texts.slice(0, count);
  const ready = useReady(props, page);
  useEffect(() => setCount(PAGE), [store.state.search.value, store.state.outcome.value]);
  useLayoutEffect(() => void (page.length || status.painted()));
  return (
    <div class="root" data-mode={mode} onKeyDown={(event) => event.key === "Escape" && store.state.pinned.value && ((store.state.pinned.value = null), event.preventDefault())}>
      {spec.title && <h2>{spec.title}</h2>}
      <Bar {...props} listed={listed} found={texts.length} />
      <div class="reader" style={{ "--shade": css(SHADE[mode]) }}>
        <div class="texts">
          {page.map((stream) => <Text key={stream.name} view={props} stream={stream} tell={tell} ready={ready} />)}
          {!texts.length && <p class="quiet">No text matches.</p>}
          {texts.length > count && <button type="button" class="plain" onClick={() => setCount(count + PAGE)}>Show {Math.min(PAGE, texts.length - count)} more</button>}
        </div>
        <Facts told={told} />
      </div>
      <Legend
        mode={mode} encoding={spec.encoding} notes={spec.notes} scaleLabel="share of the largest (root scale)" note={cutNote(store.cut.value, 0, null)}
        help="Point at a token: what it attends to (with Shift: who attends to it) · click to pin" scale={(share) => ({ color: SHADE[mode], alpha: Math.sqrt(share) })}
      />
    </div>
  );
}

/** "drawn" once every text of the page is shaded. */
function useReady({ store, status }: ViewProps, page: StreamSpec[]) {
  const done = useRef(new Set<string>());
  useNow(() => {
    const { stream, layer, cut, head, state: s } = store;
    void [stream.value, layer.value, cut.value, head.value, s.all_layers.value, s.over.value, s.column.value, s.words.value, s.search.value, s.outcome.value, s.pinned.value];
    done.current.clear();
    status.begin();
  });
  return (name: string) => {
    done.current.add(name);
    if (page.every((stream) => done.current.has(stream.name))) status.painted();
  };
}

function matches({ spec, store }: ViewProps, { document, key }: StreamSpec): boolean {
  const { search, outcome } = store.state;
  const { id, label, prediction, right } = document!;
  if (outcome.value !== "all" && right !== (outcome.value === "right")) return false;
  const { text, spaced } = spec.sides[key]!;
  const words = text.map((token, i) => (spaced!.includes(i) ? ` ${token}` : token)).join("");
  return [id, ...label, ...prediction, words].join("\n").toLowerCase().includes(search.value.trim().toLowerCase());
}

function Bar({ spec, store, listed, found }: ViewProps & { listed: boolean; found: number }) {
  const { state } = store;
  const stream = store.stream.value;
  const sides = store.sides.value;
  const pairs = sides.query.text.length > 1;
  const worded = Object.values(sides).some((side) => groupsOf(side, true).length < side.text.length);
  return (
    <div class="bar">
      {listed ? <Search {...{ spec, store, found }} /> : <Choice {...{ spec, store }} />}
      {pairs && stream.query === stream.key && (
        <Switch name="column" label="Shade" options={DIRECTIONS} value={String(state.column.value)} set={(value) => ((state.column.value = value === "true"), (state.pinned.value = null))} />
      )}
      {worded && pairs && <Check name="words" label="Words" value={state.words} />}
      <SpecialSelect store={store} />
    </div>
  );
}

const DIRECTIONS: Option[] = [{ value: "false", label: "what it attends to" }, { value: "true", label: "who attends to it" }];
const OUTCOMES: Option[] = ["all", "right", "wrong"].map((value) => ({ value, label: value }));

function Check({ name, label, value }: { name: string; label: string; value: { value: boolean } }) {
  return <label class="field"><input type="checkbox" name={name} checked={value.value} onChange={(event) => (value.value = event.currentTarget.checked)} />{label}</label>;
}

type BarProps = Pick<ViewProps, "spec" | "store">;

/** Layer and head, or all of them together. */
function Choice({ spec, store }: BarProps) {
  const { state } = store;
  const { layers } = store.stream.value;
  const heads = store.layer.value.heads;
  const all = (name: string) => ({ value: name, label: name });
  const setLayer = (value: string) => ((state.all_layers.value = value === "all"), value === "all" || (state.layer.value = Number(value)));
  const setHead = (value: string) => {
    state.over.value = (value === "mean" || value === "max" ? value : "head") as Over;
    if (state.over.value === "head") state.head.value = Number(value);
  };
  return (
    <>
      <StreamSelect store={store} streams={spec.streams} />
      {layers.length > 1 && (
        <Stepper name="layer" label="Layer" options={[all("all"), ...layers.map(({ layer }) => optionOf(layer))]} value={state.all_layers.value ? "all" : String(store.layer.value.layer)} set={setLayer} />
      )}
      {heads.length > 1 && (
        <Stepper name="head" label="Head" options={[all("mean"), all("max"), ...heads.map(optionOf)]} value={state.over.value === "head" ? String(store.head.value) : state.over.value} set={setHead} />
      )}
    </>
  );
}

function Search({ spec, store: { state }, found }: BarProps & { found: number }) {
  return (
    <>
      <Labelled label="Search">
        <input type="search" name="search" aria-label="Search texts, labels and predictions" value={state.search.value} onInput={(event) => (state.search.value = event.currentTarget.value)} />
      </Labelled>
      {spec.streams.some(({ document }) => document!.right !== null) && (
        <Switch name="outcome" label="Prediction" options={OUTCOMES} value={state.outcome.value} set={(value) => (state.outcome.value = value as Outcome)} />
      )}
      <span class="note" aria-live="polite">{found} of {spec.streams.length} texts</span>
    </>
  );
}

interface TextProps {
  view: ViewProps;
  stream: StreamSpec;
  tell(told: Told): void;
  ready(name: string): void;
}

type BySide<T> = Record<SideName, T>;

/** One text; or both, where queries and keys are different tokens. */
function Text(props: TextProps) {
  const { view, stream, ready } = props;
  const { store: { state }, spec } = view;
  const cut = useMemo(() => cutOf({ query: spec.sides[stream.query]!, key: spec.sides[stream.key]! }, state, false), [stream, state.hide_special.value, state.renormalise.value]);
  const words = state.words.value;
  const groups = useMemo(() => ({ query: groupsOf(cut.sides.query, words), key: groupsOf(cut.sides.key, words) }), [cut, words]);
  const { weights, problem } = useLayers(view, stream);
  const field = useField(view, stream, weights, cut.plan, groups);
  const aim = useAim(view, stream, cut.sides, groups);
  const { subject } = aim;
  const target = subject ? otherSide(subject.side) : "key";
  const values = useMemo(() => field && (subject ? (subject.side === "query" ? field.row : field.column)(subject.index) : field.received()), [field, subject?.side, subject?.index]);
  const shades = useMemo(() => values && shadesOf(values, groups[target]), [values, groups, target]);
  const drawn = useRef(false);
  drawn.current ||= values !== null;
  useLayoutEffect(() => void (values && ready(stream.name)));
  useLayoutEffect(() => {
    if (field && values && (aim.told || !stream.document)) props.tell(toldOf(field, values, aim, cut.sides, groups));
  }, [field, values, aim.partner, aim.told]);
  if (problem) return view.status.failed(), <Problem message={problem} />;
  if (!drawn.current) return <Waiting />;
  const members = (token: PinnedSpec | null, side: SideName) => (token && (aim.one || token.side === side) && !aim.fixed ? groups[token.side][token.index]! : NONE);
  return (
    <section class="doc">
      {stream.document && <Said {...stream.document} />}
      {(aim.one || aim.fixed ? ["key"] as const : SIDES).map((side) => (
        <Prose
          key={side} side={cut.sides[side]} label={aim.one || aim.fixed ? "Text" : `${side} tokens`} shades={side === target || aim.one ? shades : shades && EMPTY}
          active={members(subject, side)} pinned={members(aim.pinned, side)} point={(index, shift) => aim.point(side, index, shift)} pin={(index, shift) => aim.pin(side, index, shift)}
        />
      ))}
    </section>
  );
}

const SIDES = ["query", "key"] as const;
const NONE: number[] = [];
const EMPTY = new Float64Array();

/** The root of each token's share of the largest number: faint ones can be seen beside a sink. */
function shadesOf(values: Float64Array, groups: number[][]): Float64Array {
  const top = values.reduce((most, value) => (value > most ? value : most), 0) || 1;
  return Float64Array.from(groups.flatMap((group, i) => group.map(() => Math.sqrt(values[i]! / top))));
}

/** The layers that are shown, once all are there. */
function useLayers({ source, spec, store: { state } }: ViewProps, stream: StreamSpec): { weights: Weights[] | null; problem: string | null } {
  const layers = shownLayers(stream, state.all_layers.value, state.layer.value);
  const key = `${stream.name}/${layers.map(({ layer }) => layer)}`;
  const [loaded, set] = useState<{ key: string; weights: Weights[] | null; problem: string | null }>({ key: "", weights: null, problem: null });
  useEffect(() => {
    let current = true;
    const get = async ({ layer }: LayerSpec) => {
      const request: Request = { kind: "layer", stream: stream.name, layer };
      const { weights, problem } = checked(await source.get(request), request, spec);
      if (!weights) throw new Error(problem!);
      return weights;
    };
    Promise.all(layers.map(get)).then(
      (weights) => current && set({ key, weights, problem: null }),
      (error: unknown) => current && set({ key, weights: null, problem: messageOf(error) }),
    );
    return () => void (current = false);
  }, [key]);
  return loaded.key === key ? loaded : { weights: null, problem: null };
}

function shownLayers({ layers }: StreamSpec, all: boolean, layer: number): LayerSpec[] {
  return all ? layers : [layers.find((one) => one.layer === layer) ?? layers[0]!];
}

function useField({ store: { state } }: ViewProps, stream: StreamSpec, weights: Weights[] | null, plan: Plan, groups: BySide<number[][]>): Field | null {
  const [over, head] = [state.over.value, state.head.value];
  return useMemo(() => {
    if (!weights) return null;
    const layers = shownLayers(stream, state.all_layers.value, state.layer.value).map(({ heads }, i) => ({
      weights: reshaped(weights[i]!, plan),
      places: over === "head" ? [Math.max(0, heads.indexOf(head!))] : heads.map((_, place) => place),
    }));
    return grouped(fieldOf(layers, over), groups.query, groups.key);
  }, [weights, plan, groups, over, head]);
}

interface Aim {
  /** What the shades are about, and the one on the other side that is pointed at: places of groups. */
  subject: PinnedSpec | null;
  partner: number | null;
  pinned: PinnedSpec | null;
  /** Something here is pointed at or pinned. */
  told: boolean;
  /** Queries and keys are the same tokens; there is only one number a token. */
  one: boolean;
  fixed: boolean;
  point(side: SideName, index: number | null, shift: boolean): void;
  pin(side: SideName, index: number, shift: boolean): void;
}

function useAim({ store: { state } }: ViewProps, stream: StreamSpec, sides: BySide<SideSpec>, groups: BySide<number[][]>): Aim {
  const [aimed, setAimed] = useState<PinnedSpec | null>(null);
  const one = stream.query === stream.key;
  const fixed = !one && sides.query.text.length === 1;
  const places = useMemo(() => {
    const of = (all: number[][]) => all.flatMap((group, place) => group.map(() => place));
    return { query: of(groups.query), key: of(groups.key) };
  }, [groups]);
  const at = (side: SideName, index: number, shift: boolean): PinnedSpec => {
    const role = one ? (state.column.value !== shift ? "key" : "query") : side;
    return { side: role, index: places[role][index]! };
  };
  const pins = shownPin(state.pinned, sides);
  const held = state.stream.value === stream.name && !fixed ? pins.value : null;
  const pinned = held && { side: held.side, index: places[held.side][held.index]! };
  const subject: PinnedSpec | null = fixed ? { side: "query", index: 0 } : pinned ?? aimed;
  const partner = aimed && (fixed || (pinned && (one || aimed.side !== pinned.side))) ? aimed.index : null;
  return {
    subject: aimed && partner === null ? aimed : subject, partner, pinned, told: Boolean(aimed ?? pinned), one, fixed,
    point: (side, index, shift) => setAimed(index === null ? null : at(side, index, shift)),
    pin(side, index, shift) {
      const token = at(side, index, shift);
      state.stream.value = stream.name;
      if (!fixed) pins.value = same(token, pinned) ? null : { side: token.side, index: groups[token.side][token.index]![0]! };
    },
  };
}

function same(a: PinnedSpec, b: PinnedSpec | null): boolean {
  return a.side === b?.side && a.index === b.index;
}

const TOLD = 8;

function toldOf(field: Field, values: Float64Array, { subject, partner, fixed }: Aim, sides: BySide<SideSpec>, groups: BySide<number[][]>): Told {
  const target = subject ? otherSide(subject.side) : "key";
  const name = (side: SideName, place: number) => groups[side][place]!.map((i) => shownText(sides[side].text[i]!)).join("");
  const bounds = (place: number) => !subject ? field.receivedBounds(place) : subject.side === "query" ? field.bounds(subject.index, place) : field.bounds(place, subject.index);
  const rank = (place: number) => (Number.isNaN(values[place]!) ? -1 : values[place]!);
  const order = [...values.keys()].sort((a, b) => rank(b) - rank(a)).slice(0, TOLD);
  const row = (place: number) => ({ label: name(target, place), bounds: bounds(place), share: rank(place) / (rank(order[0]!) || 1) });
  const number = subject && numberOf(sides[subject.side], groups[subject.side][subject.index]![0]!);
  return {
    title: !subject || fixed ? "Strongest" : name(subject.side, subject.index),
    about: fixed ? "attention" : !subject ? `mean over ${groups.query.length} queries` : `${subject.side} ${number} ${subject.side === "query" ? "attends to" : "is attended to by"}`,
    pair: partner === null ? null : row(partner),
    rows: order.map(row),
  };
}

/** Beside the text: it covers none of it. */
function Facts({ told }: { told: Told | null }) {
  const line = ({ label, bounds, share }: Row) => (
    <tr><td class="label"><i style={{ width: `${Math.max(0, 60 * share)}px` }} />{label}</td><td class="value">{formatBounds(bounds)}</td></tr>
  );
  if (!told) return <aside class="facts quiet">Point at a token for its number.</aside>;
  return (
    <aside class="facts" aria-live="polite">
      <b>{told.title}</b> <span class="quiet">{told.about}</span>
      {told.pair && <table class="pair">{line(told.pair)}</table>}
      <table>{told.rows.map(line)}</table>
    </aside>
  );
}

/** What is known of a document beside its text. */
function Said({ id, label, prediction, right, posterior }: DocumentSpec) {
  const named = (name: string, values: string[]) => values.length > 0 && <span><span class="quiet">{name}</span> {values.join(", ")}</span>;
  const best = [...posterior].sort((a, b) => b.value - a.value).slice(0, 4);
  return (
    <div class="about">
      <b>{id}</b>
      {named("label", label)}
      {named("prediction", prediction)}
      {right !== null && <span class={right ? "right" : "wrong"}>{right ? "✓ right" : "✗ wrong"}</span>}
      {best.map(({ name, value }) => (
        <span key={name} class="posterior"><i style={{ width: `${Math.min(Math.max(value, 0), 1) * 40}px` }} />{name} {value.toFixed(3)}</span>
      ))}
      {posterior.length > best.length && <span class="quiet">and {posterior.length - best.length} more</span>}
    </div>
  );
}
