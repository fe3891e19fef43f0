// Bodies of a view: one; or those of two traces side by side, which point at the same tokens; or one
// of their difference.
import { useComputed, type ReadonlySignal } from "@preact/signals";
import { useMemo, useRef } from "preact/hooks";
import type { Weights } from "../data/decode";
import { differenceOf, shortNames, STRONG } from "../data/difference";
import { css, type Mode } from "../draw/color";
import { signedColors } from "../draw/scale";
import type { Store } from "../store";
import { keyOf, type Request } from "../types";
import { Body, type BodyHead, type BodyProps } from "../ui/body";
import type { ViewProps } from "./frame";
import { useWeights } from "./load";
import { layerRequest } from "./part";
import { useShown } from "./shown";

export interface LoadedLayer {
  /** All of it is the layer that was asked for. */
  ready: boolean;
  /** Of each trace compared, or the only one: null until they are here; the last ones stay. */
  weights: Weights[] | null;
  problem: string | null;
}

/** The weights of one layer of the store's stream. */
export function useLayer({ source, spec, store }: ViewProps, layer: ReadonlySignal<number | null>): LoadedLayer {
  const all = (store.parts ?? [store]).map((one) => {
    const request = useComputed<Request | null>(() => (layer.value === null ? null : layerRequest(one, layer.value)));
    const loaded = useWeights(source, request, spec).value;
    return { ...loaded, ready: request.value !== null && loaded.key === keyOf(request.value) };
  });
  const weights = all.flatMap((one) => one.weights ?? []);
  const problem = all.find((one) => one.ready && one.problem)?.problem ?? null;
  return { ready: all.every(({ ready }) => ready), weights: weights.length === all.length ? weights : null, problem };
}

type Shown = Pick<BodyProps, "weights" | "sides" | "shown" | "pinned" | "sinks" | "about" | "columns" | "signed" | "link"> & { threshold: number; name: string };

/** What each body shows of a layer. */
export function usePanels(store: Store, weights: Weights[] | null, mode: Mode): Shown[] {
  const stores = store.parts ?? [store];
  const shown = stores.map((one, i) => useShown(one, weights?.[i] ?? null));
  const whole = useShown(store, null);
  const [first, second] = shown.map((one) => one.weights);
  const difference = useMemo(() => (store.parts && first && second ? differenceOf(first, second) : null), [first, second]);
  const [a, b] = stores.map((one) => one.stream.value.label) as [string, string];
  const columns = useMemo(
    () => {
      if (!difference) return null;
      const [before, after] = shortNames([a, b]);
      return { sides: whole.sides, of: [{ name: before, weights: first! }, { name: after, weights: second! }, { name: "difference", weights: difference }] };
    },
    [difference, whole.sides],
  );
  const signed = useMemo(() => signedColors(mode).map((color) => css(color)) as [string, string], [mode]);
  if (!store.parts) return [{ ...shown[0]!, name: "" }];
  const common = { columns: columns ?? undefined, link: store.link };
  if (store.state.show.value === "difference") return [{ ...whole, weights: difference, threshold: Math.min(1, STRONG * whole.threshold), signed, ...common, name: `${b} minus ${a}` }];
  return shown.map((one, i) => ({ ...one, ...common, name: stores[i]!.stream.value.label }));
}

interface BodiesProps {
  panels: Shown[];
  heads: BodyHead[];
  mode: Mode;
  compact: boolean;
  turn: number;
  painted(): void;
  explain: BodyProps["explain"];
  expand?: BodyProps["expand"];
  moved?: boolean;
  guess?: BodyProps["guess"];
}

/** Of several pictures, what each calls once it is painted: "painted" is told when all are. */
export function usePainted(count: number, turn: number, painted: () => void) {
  const done = useRef<number[]>([]);
  return (place: number) => () => {
    done.current[place] = turn;
    if (Array.from({ length: count }, (_, i) => done.current[i]).every((at) => at === turn)) painted();
  };
}

export function Bodies({ panels, turn, painted, ...rest }: BodiesProps) {
  const one = usePainted(panels.length, turn, painted);
  if (!panels[0]!.name) return <Body {...panels[0]!} {...rest} turn={turn} painted={painted} />;
  return (
    <div class="pair">
      {panels.map((panel, i) => (
        <section key={panel.name} aria-label={panel.name} data-part={panels.length > 1 ? i : "difference"}>
          <h3>{panel.name}</h3>
          <Body {...panel} {...rest} compact={rest.compact || panels.length > 1} turn={turn} painted={one(i)} />
        </section>
      ))}
    </div>
  );
}

/** The colour bar of a difference, from all lost to all gained. */
export function signedScale(store: Store, mode: Mode, style: "lines" | "heat" = "lines") {
  const [a, b] = store.parts!.map((one) => one.stream.value.label);
  const [more, less] = signedColors(mode);
  return {
    scale: (share: number) => ({ color: share < 0.5 ? less : more, alpha: Math.abs(2 * share - 1) ** (style === "heat" ? 0.5 : 1) }),
    scaleLabel: `${b} minus ${a}`, scaleBottom: `−${1 / STRONG}`, scaleTop: `+${1 / STRONG}`,
  };
}

/** How tokens are marked that the two texts have not in common. */
export function kindsNote({ parts, sides }: Store): string {
  if (!parts) return "";
  const kinds = new Set([...(sides.value.query.kinds ?? []), ...(sides.value.key.kinds ?? [])]);
  const notes = [kinds.has("replaced") && "underlined: replaced", kinds.has("alone") && "dashed: in one text only, so there is no difference"];
  return notes.filter(Boolean).join(" · ");
}
