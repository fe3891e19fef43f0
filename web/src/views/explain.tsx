// "Why this number" beside any picture of weights: asks for the layer's queries and keys, and says
// how to see the sum where the page does not carry them.
import { useEffect, useState } from "preact/hooks";
import type { Weights } from "../data/decode";
import { numberAt } from "../data/difference";
import { placeOf } from "../data/reshape";
import type { HeadVectors } from "../data/vectors";
import type { Store } from "../store";
import type { LayerSpec } from "../types";
import type { BodyHead } from "../ui/body";
import { Select } from "../ui/controls";
import { messageOf, Waiting } from "../ui/note";
import { Whys, WhyBox } from "../ui/why";
import type { ViewProps } from "./frame";
import { loadRow, type HeadOf } from "./vectors";

export const WHY_HELP = "click a number, or a line of a pinned token: why this weight";

/** A pair of tokens, by their numbers in the trace, and the head whose weight is explained. */
export interface Asked {
  query: number;
  key: number;
  head: number;
}

export interface Explaining {
  asked: Asked | null;
  /** Opens the panel for a pair of shown tokens; undefined where the layer keeps weights only. */
  explain: ((query: number, key: number) => void) | undefined;
  choose(asked: Asked | null): void;
}

/** The streams whose weights are explained: of a comparison those of both traces. */
function explainedIn({ store }: ViewProps, { layer }: LayerSpec): { part: Store; row: LayerSpec }[] {
  return (store.parts ?? [store]).map((part) => ({ part, row: part.stream.value.layers.find((row) => row.layer === layer)! }));
}

/** Which weight is explained: of the heads shown, the one with the largest number to begin with. */
export function useExplaining(view: ViewProps, layer: LayerSpec, heads: BodyHead[], weights: Weights | null): Explaining {
  const { store } = view;
  const [asked, choose] = useState<Asked | null>(null);
  const { sides } = store.cut.value;
  useEffect(() => choose(null), [store.stream.value]);
  const explain = (query: number, key: number) => {
    const size = (head: number) => (weights && Math.abs(numberAt(weights, layer.heads.indexOf(head), query, key))) || 0;
    const [head] = candidates(heads, layer).sort((a, b) => size(b) - size(a));
    choose({ query: placeOf(sides.query, query), key: placeOf(sides.key, key), head: head! });
  };
  const known = (view.source.live || !view.spec.precision) && explainedIn(view, layer).every(({ row }) => row?.rules);
  return { asked: asked && known && layer.heads.includes(asked.head) ? asked : null, explain: known ? explain : undefined, choose };
}

/** Escape closes the panel before anything else. */
export function closeFirst({ asked, choose }: Explaining) {
  return (event: KeyboardEvent) => {
    if (event.key !== "Escape" || !asked) return;
    choose(null);
    event.stopPropagation();
    event.preventDefault();
  };
}

/** The heads shown; all where only their mean is. */
function candidates(heads: BodyHead[], layer: LayerSpec): number[] {
  const own = heads.flatMap(({ number }) => number ?? []);
  return own.length ? own : [...layer.heads];
}

export interface ExplainedProps extends Explaining {
  view: ViewProps;
  layer: LayerSpec;
  heads: BodyHead[];
}

/** The panel, of a comparison one a trace; the head can be changed where several are shown. */
export function Explained(props: ExplainedProps) {
  const { view, layer, heads, asked, choose } = props;
  const { store, mode } = view;
  const parts = explainedIn(view, layer);
  const loaded = parts.map(({ part, row }) => useRow(view, { stream: part.stream.value, layer: row, head: asked!.head }, asked!.query));
  const found = loaded.flatMap(({ head }) => head ?? []);
  const problem = loaded.find((one) => one.problem)?.problem;
  const close = () => choose(null);
  const names = candidates(heads, layer).map((number) => ({ value: String(number), label: `head ${number}` }));
  const which = names.length > 1 && (
    <Select name="explained" label="Head explained" value={String(asked!.head)} options={names} onChange={(value) => choose({ ...asked!, head: Number(value) })} />
  );
  const where = `layer ${layer.layer}, head ${asked!.head}${store.cut.value.plan.renormalise ? ", before renormalising" : ""}`;
  if (found.length < parts.length)
    return <WhyBox title="Why this number?" close={close} which={which}>{problem ? <p>{hint(view, layer, asked!, problem)}</p> : <Waiting />}</WhyBox>;
  const sums = parts.map(({ part }, i) => ({ head: found[i]!, sides: part.sides.value, where: store.parts ? `${part.stream.value.label}, ${where}` : where }));
  return <Whys sums={sums} query={asked!.query} at={asked!.key} shown={store.part.value ? store.filter.value : store.cut.value.filter} mode={mode.value} close={close} which={which} />;
}

interface Row {
  of: string;
  head: HeadVectors | null;
  problem: string | null;
}

/** A head with what its sums for a query need; null while that is on its way. */
export function useRow({ source, spec }: ViewProps, { stream, layer, head }: HeadOf, query: number): Omit<Row, "of"> {
  const of = [stream.name, layer.layer, head].join("/");
  const [loaded, setLoaded] = useState<Row>({ of, head: null, problem: null });
  useEffect(() => {
    let current = true;
    const set = (row: Omit<Row, "of">) => current && setLoaded({ of, ...row });
    loadRow(source, spec, { stream, layer, head }, query).then((made) => set({ head: made, problem: null }), (error: unknown) => set({ head: null, problem: messageOf(error) }));
    return () => void (current = false);
  }, [of, query]);
  if (loaded.of !== of) return { head: null, problem: null };
  const fits = loaded.head && query >= loaded.head.first && query < loaded.head.first + loaded.head.nQuery;
  return fits ? loaded : { ...loaded, head: null };
}

/** A page that carries weights only is not damaged: the neuron view has the sum. */
function hint({ spec, source, store }: ViewProps, { layer }: LayerSpec, { head, query }: Asked, problem: string) {
  if (spec.carries !== "weights" || source.live) return problem;
  return <>This page carries no queries and keys, which would make it much larger. In Python, <code>{store.parts ? "comparison" : "trace"}.neuron_view(layer={layer}, head={head}, query={query})</code> shows the sum, and so does this view as <code>.widget()</code>.</>;
}
