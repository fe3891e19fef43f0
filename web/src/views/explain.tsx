// "Why this number" beside any picture of weights: asks for the layer's queries and keys, and says
// how to see the sum where the page does not carry them.
import { useEffect, useMemo, useState } from "preact/hooks";
import { boundsAt, type Weights } from "../data/decode";
import { rowOf } from "../data/steps";
import { placeOf } from "../data/reshape";
import type { HeadVectors } from "../data/vectors";
import type { LayerSpec } from "../types";
import type { BodyHead } from "../ui/body";
import { Select } from "../ui/controls";
import { messageOf, Waiting } from "../ui/note";
import { Why, WhyBox } from "../ui/why";
import type { ViewProps } from "./frame";
import { headOf, loadLayer } from "./vectors";

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

/** Which weight is explained: of the heads shown, the one with the largest weight to begin with. */
export function useExplaining({ store }: ViewProps, layer: LayerSpec, heads: BodyHead[], weights: Weights | null): Explaining {
  const [asked, choose] = useState<Asked | null>(null);
  const { sides } = store.cut.value;
  useEffect(() => choose(null), [store.stream.value]);
  const explain = (query: number, key: number) => {
    const most = (place: number) => (weights && boundsAt(weights, place, query, key)?.[1]) ?? -1;
    const [head] = candidates(heads, layer).sort((a, b) => most(layer.heads.indexOf(b)) - most(layer.heads.indexOf(a)));
    choose({ query: placeOf(sides.query, query), key: placeOf(sides.key, key), head: head! });
  };
  return { asked: asked && layer.rules && layer.heads.includes(asked.head) ? asked : null, explain: layer.rules ? explain : undefined, choose };
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

/** The panel; the head can be changed where several are shown. */
export function Explained({ view, layer, heads, asked, choose }: ExplainedProps) {
  const { store, mode } = view;
  const { head, problem } = useVectors(view, layer, asked!);
  const row = useMemo(() => head && rowOf(head, asked!.query), [head, asked!.query]);
  const close = () => choose(null);
  const names = candidates(heads, layer).map((number) => ({ value: String(number), label: `head ${number}` }));
  const which = names.length > 1 && (
    <Select name="explained" label="Head explained" value={String(asked!.head)} options={names} onChange={(value) => choose({ ...asked!, head: Number(value) })} />
  );
  const where = `layer ${layer.layer}, head ${asked!.head}${store.cut.value.plan.renormalise ? ", before renormalising" : ""}`;
  if (head && row)
    return <Why head={head} row={row} at={asked!.key} sides={store.sides.value} shown={store.cut.value.filter} mode={mode.value} where={where} close={close} which={which} />;
  return <WhyBox title="Why this number?" close={close} which={which}>{problem ? <p>{hint(view, layer, asked!, problem)}</p> : <Waiting />}</WhyBox>;
}

function useVectors({ source, store, spec }: ViewProps, layer: LayerSpec, { head }: Asked) {
  const [loaded, set] = useState<{ head: HeadVectors | null; problem: string | null }>({ head: null, problem: null });
  const stream = store.stream.value;
  useEffect(() => {
    let current = true;
    loadLayer(source, stream, layer)
      .then((arrays) => headOf(arrays, { stream, layer, place: layer.heads.indexOf(head) }, spec))
      .then(
        (made) => current && set({ head: made, problem: null }),
        (error: unknown) => current && set({ head: null, problem: messageOf(error) }),
      );
    return () => void (current = false);
  }, [stream, layer, head]);
  return loaded;
}

/** A page that carries weights only is not damaged: the neuron view has the sum. */
function hint({ spec, source }: ViewProps, { layer }: LayerSpec, { head, query }: Asked, problem: string) {
  if (spec.carries !== "weights" || source.live) return problem;
  return <>This page carries no queries and keys, which would make it much larger. In Python, <code>trace.neuron_view(layer={layer}, head={head}, query={query})</code> shows the sum, and so does this view as <code>.widget()</code>.</>;
}
