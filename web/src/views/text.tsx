// The text view: a text as it runs, its tokens shaded by the attention they get; or a list of texts
// with what a model said of each.
import { render } from "preact";
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import type { Field } from "../data/field";
import { formatBounds, outsideText, preciseText } from "../data/numbers";
import { numberOf } from "../data/reshape";
import { otherSide, shownText } from "../data/tokens";
import { css, NEUTRAL, SHADE, shadeScale, SIGNED } from "../draw/color";
import { isShare, stackOf, type Store } from "../store";
import type { PinnedSpec, SideName, SideSpec, StreamSpec, TableSpec } from "../types";
import { Beside, Facts, Said, type Told } from "../ui/facts";
import { guessesAt, type Guesses } from "../ui/guesses";
import { Legend } from "../ui/legend";
import { Problem, Waiting } from "../ui/note";
import { Prose } from "../ui/prose";
import { kindsNote } from "./compared";
import { ComparedText } from "./comparedText";
import { closeFirst, Explained, useExplaining } from "./explain";
import type { View, ViewProps } from "./frame";
import { useNow } from "./load";
import { PartPlace, PartSteps, PinnedFar, usePartMoves } from "./partPlace";
import { bodyHead, cutNote, partAccuracy } from "./shown";
import { useAim, type Aim, type BySide } from "./textAim";
import { Bar } from "./textBar";
import { headsOf, ONE, shownLayers, useText } from "./textData";

export const textView: View = (el, spec, source, store, around) => {
  render(<TextView spec={spec} source={source} store={store} {...around} />, el);
  return () => render(null, el);
};

const PAGE = 50;

function TextView(props: ViewProps) {
  const { spec, store, status } = props;
  const mode = props.mode.value;
  const [told, tell] = useState<Told | null>(null);
  const [count, setCount] = useState(PAGE);
  const listed = spec.streams[0]!.document !== undefined;
  const compared = store.parts && (store.state.show.value === "both" ? store.parts.map(({ stream }) => stream.value) : [store.stream.value]);
  const texts = listed ? spec.streams.filter((stream) => matches(props, stream)) : compared ?? [store.stream.value];
  const page = texts.slice(0, count);
  const isWide = ({ columns }: TableSpec) => columns.length > 3;
  const [wide, narrow] = [spec.tables?.filter(isWide) ?? [], spec.tables?.filter((table) => !isWide(table)) ?? []];
  const ready = useReady(props, page);
  const moves = usePartMoves(store);
  const heads = [bodyHead(store.head.value, store.layer.value, NEUTRAL[mode], mode)];
  const why = useExplaining(props, store.layer.value, heads, null);
  useEffect(() => setCount(PAGE), [store.state.search.value, store.state.outcome.value]);
  useLayoutEffect(() => void (page.length || status.painted()));
  return (
    <div class="root" data-mode={mode} onKeyDownCapture={closeFirst(why)} onKeyDown={(event) => event.key === "Escape" && store.state.pinned.value && ((store.state.pinned.value = null), event.preventDefault())}>
      {spec.title && <h2>{spec.title}</h2>}
      <Bar {...props} listed={listed} found={texts.length} />
      {store.part.value && <Part {...props} />}
      <div class="reader" style={{ "--shade": css((isSigned(store) ? SIGNED : SHADE)[mode]), "--against": css(SHADE[mode]) }}>
        <div class="texts" {...(store.part.value && moves)}>
          {compared ? <ComparedText view={props} tell={tell} ready={ready} /> : page.map((stream) => <Text key={stackOf(stream)} view={props} stream={stream} tell={tell} ready={ready} />)}
          {store.part.value && <PartSteps store={store} />}
          {!texts.length && <p class="quiet">No text matches.</p>}
          {texts.length > count && <button type="button" class="plain" onClick={() => setCount(count + PAGE)}>Show {Math.min(PAGE, texts.length - count)} more</button>}
          {wide.map((table) => <Beside key={table.title} table={table} current={undefined} />)}
        </div>
        <div class={narrow.length || store.parts ? "sidebar wide" : "sidebar"}>
          <Facts told={told} text={isShare(store.stream.value) ? formatBounds : preciseText} note={told?.outside} explain={listed || !isOneHead(store) ? undefined : why.explain} />
          {narrow.map((table) => <Beside key={table.title} table={table} current={store.stream.value.quantity?.label} />)}
        </div>
      </div>
      {why.asked && <Explained view={props} layer={store.layer.value} heads={heads} {...why} />}
      <Foot {...props} />
    </div>
  );
}

/** Of a long text: which of its tokens are shown, and what the pinned one attends to beside them. */
function Part(view: ViewProps) {
  const { store } = view;
  const { state } = store;
  const [stream, heads] = [store.stream.value, store.layer.value.heads];
  const layers = shownLayers(stream, state.all_layers.value, state.layer.value).map(({ layer }) => layer);
  const over = state.over.value;
  const about = [over === "head" ? `head ${store.head.value}` : `${over} of ${heads.length} heads`, layers.length > 1 ? `mean of ${layers.length} layers` : `layer ${layers[0]}`].join(", ");
  return (
    <>
      <PartPlace store={store} one={stream.query === stream.key} />
      <PinnedFar view={view} of={{ layers, places: ONE, over: headsOf(store), about }} />
    </>
  );
}

/** Weights of one head of a text shown whole, between tokens: those that come about by one sum. */
function isOneHead({ state, stream, part }: Store): boolean {
  return !part.value && !state.all_layers.value && state.over.value === "head" && !state.words.value && !state.renormalise.value && (stream.value.quantity?.name ?? "weight") === "weight";
}

function isSigned({ stream, parts, state }: Store): boolean {
  return stream.value.quantity?.signed ?? (parts !== null && state.show.value === "difference");
}

function Foot({ spec, source, store, mode: { value: mode } }: ViewProps) {
  const { quantity, query } = store.stream.value;
  const signed = isSigned(store);
  const pairs = spec.sides[query]!.text.length > 1;
  return (
    <Legend
      mode={mode} encoding={spec.encoding} notes={spec.notes} scaleLabel="share of the largest (root scale)" scale={shadeScale(signed, mode)} scaleBottom={signed ? "−1" : "0"}
      note={[quantity && `${quantity.label}: ${quantity.about}`, kindsNote(store), cutNote(store.cut.value, 0, null)].filter(Boolean).join(" · ")}
      help={pairs ? "Point at a token: what it attends to (with Shift: who attends to it) · click to pin" : "Point at a token for its number"}
      {...(store.part.value && { accuracy: partAccuracy({ spec, source, store }) })}
      {...(!isShare(store.stream.value) && { accuracy: "Numbers are carried within 0.004 % of the largest." })}
    />
  );
}

/** "drawn" once every text of the page is shaded. */
function useReady({ store, status }: ViewProps, page: StreamSpec[]) {
  const done = useRef(new Set<string>());
  useNow(() => {
    const { stream, layer, cut, head, state: s } = store;
    void [stream.value, layer.value, cut.value, head.value, s.all_layers.value, s.over.value, s.column.value, s.words.value, s.search.value, s.outcome.value, s.pinned.value, s.show.value];
    void store.part.value;
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

export interface TextProps {
  view: ViewProps;
  stream: StreamSpec;
  tell(told: Told): void;
  ready(name: string): void;
}

/** One text; or both, where queries and keys are different tokens. */
function Text(props: TextProps) {
  return <Shaded {...props} {...useText(props.view, props.stream)} whole={props.stream} />;
}

export interface ShadedProps extends TextProps, ReturnType<typeof useText> {
  /** The stream that the state names, which may be the difference of this one and another. */
  whole: StreamSpec;
  columns?: Columns | undefined;
  /** Texts that have the same shade for the same number; none: this one alone. */
  alike?: Field[] | undefined;
}

/** What is told of each number of a comparison. */
export interface Columns {
  sides: BySide<SideSpec>;
  names: string[];
  fields: Field[];
}

export function Shaded(props: ShadedProps) {
  const { view, stream, whole, ready, cut, groups, field, problem, columns, alike } = props;
  const aim = useAim(view, whole, cut.sides, groups);
  const { subject } = aim;
  const target = subject ? otherSide(subject.side) : "key";
  const values = useMemo(() => field && valuesOf(field, subject), [field, subject?.side, subject?.index]);
  const shades = useMemo(() => values && shadesOf(values, groups[target], Math.max(...(alike?.map((one) => valuesOf(one, subject)) ?? [values]).map(largest))), [values, groups, target]);
  const drawn = useRef(false);
  drawn.current ||= values !== null;
  useLayoutEffect(() => void (values && ready(stream.name)));
  useLayoutEffect(() => {
    if (field && values && !aim.elsewhere && (aim.told || !stream.document))
      props.tell({ ...toldOf(field, values, aim, columns?.sides ?? cut.sides, groups, stream.quantity?.label ?? "attention", columns), guesses: guessesOf(stream, aim, cut.sides, groups) });
  }, [field, values, aim.partner, aim.told, aim.elsewhere, aim.at?.side, aim.at?.index]);
  if (problem) return view.status.failed(), <Problem message={problem} />;
  if (!drawn.current) return <Waiting />;
  const members = (token: PinnedSpec | null, side: SideName) => (token && ((aim.one && !aim.apart) || token.side === side) && !aim.fixed ? groups[token.side][token.index]! : NONE);
  return (
    <section class="doc">
      {stream.document && <Said {...stream.document} />}
      {(aim.one || aim.fixed ? ["key"] as const : SIDES).map((side) => (
        <Prose
          key={side} side={cut.sides[side]} label={aim.one || aim.fixed ? "Text" : `${side} tokens`} shades={side === target || aim.one ? shades ?? (stream.part === undefined ? null : EMPTY) : shades && EMPTY}
          active={members(subject, side)} pinned={members(aim.pinned, side)} point={(index, shift) => aim.point(side, index, shift)} pin={(index, shift) => aim.pin(side, index, shift)}
        />
      ))}
    </section>
  );
}

const SIDES = ["query", "key"] as const;
const NONE: number[] = [];
const EMPTY = new Float64Array();

function valuesOf(field: Field, subject: PinnedSpec | null): Float64Array {
  return subject ? (subject.side === "query" ? field.row : field.column)(subject.index) : field.received();
}

function largest(values: Float64Array): number {
  return values.reduce((most, value) => Math.max(most, Math.abs(value) || 0), 0);
}

/** The root of each token's share of the largest number: faint ones can be seen beside a sink. */
function shadesOf(values: Float64Array, groups: number[][], top: number): Float64Array {
  const root = (share: number) => Math.sign(share) * Math.sqrt(Math.abs(share));
  return Float64Array.from(groups.flatMap((group, i) => group.map(() => root(values[i]! / (top || 1)))));
}

const TOLD = 8;

function toldOf(field: Field, values: Float64Array, { subject, partner, fixed }: Aim, sides: BySide<SideSpec>, groups: BySide<number[][]>, what: string, columns?: Columns): Omit<Told, "guesses"> {
  const target = subject ? otherSide(subject.side) : "key";
  const name = (side: SideName, place: number) => groups[side][place]!.map((i) => shownText(sides[side].text[i]!)).join("");
  const bounds = (place: number, of = field) => !subject ? of.receivedBounds(place) : subject.side === "query" ? of.bounds(subject.index, place) : of.bounds(place, subject.index);
  const rank = (place: number) => (Number.isNaN(values[place]!) ? -1 : Math.abs(values[place]!));
  const order = [...values.keys()].sort((a, b) => rank(b) - rank(a)).slice(0, TOLD);
  const row = (place: number) => ({ label: name(target, place), bounds: bounds(place), all: columns?.fields.map((of) => bounds(place, of)), share: (values[place]! || 0) / (rank(order[0]!) || 1), of: subject ? pairOf(subject, place) : undefined });
  const number = subject && numberOf(sides[subject.side], groups[subject.side][subject.index]![0]!);
  return {
    title: !subject || fixed ? "Strongest" : name(subject.side, subject.index),
    about: fixed ? what : !subject ? `mean over ${field.outside ? "the " : ""}${groups.query.length} queries${field.outside ? " shown" : ""}` : `${subject.side} ${number} ${subject.side === "query" ? "attends to" : "is attended to by"}`,
    pair: partner === null ? null : row(partner),
    rows: order.map(row),
    outside: field.outside && subject?.side !== "key" ? `${outsideText(field.outside(subject?.index ?? null))} the tokens shown` : undefined,
    columns: columns?.names,
  };
}

function pairOf({ side, index }: PinnedSpec, other: number): { query: number; key: number } {
  return side === "query" ? { query: index, key: other } : { query: other, key: index };
}

/** What was predicted at the token pointed at, or at the one pinned. */
function guessesOf({ predicted }: StreamSpec, { at, one }: Aim, sides: BySide<SideSpec>, groups: BySide<number[][]>): Guesses | null {
  if (!predicted || !at || (at.side === "key" && !one)) return null;
  const index = groups[at.side][at.index]!.at(-1)!;
  return guessesAt(predicted, sides[at.side], index);
}
