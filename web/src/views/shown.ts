// What a body gets of a layer, as the state wants it: without hidden tokens, renormalised, with
// the mean as one more head; and the words for all that.
import { useMemo } from "preact/hooks";
import type { Weights } from "../data/decode";
import { headName } from "../data/order";
import { reshaped, shownPin, sumBelow, type Plan } from "../data/reshape";
import { css, NEUTRAL, type Mode, type Rgb } from "../draw/color";
import type { Cut, Store } from "../store";
import type { LayerSpec } from "../types";
import type { BodyHead } from "../ui/body";
import { ACCURACY, errorText } from "../ui/legend";
import type { ViewProps } from "./frame";

/** The layer's weights, and all else that a body needs to show them. */
export function useShown(store: Store, loaded: Weights | null) {
  const { plan, sides, filter } = store.cut.value;
  const weights = useMemo(() => loaded && reshaped(loaded, plan), [loaded, plan]);
  const pinned = useMemo(() => shownPin(store.state.pinned, sides), [sides]);
  const sinks = store.stream.value.sinks && !plan.query && !plan.key;
  return { weights, sides, shown: filter, pinned, sinks, threshold: store.state.threshold.value, about: plan.renormalise ? "renormalised" : "" };
}

/** A head of a layer, or its mean, which stands behind the layer's heads. */
export function bodyHead(head: number | null, layer: LayerSpec, color: Rgb, mode: Mode): BodyHead {
  const place = head === null ? layer.heads.length : layer.heads.indexOf(head);
  return { number: head, name: headName(head, layer), place, css: css(head === null ? NEUTRAL[mode] : color) };
}

/** How exact the weights of a part of a long input are. */
export function partAccuracy({ spec, source, store }: Pick<ViewProps, "spec" | "source" | "store">): string {
  if (!source.live && !store.layer.value.rules) return ACCURACY[spec.encoding];
  return (!source.live && errorText(spec)) || "Weights are exact; only those of the tokens shown are computed.";
}

/** What is not shown, in words. */
export function cutNote({ plan }: Cut, threshold: number, sum: { below: number; all: number } | null): string {
  return [tokensNote(plan), threshold > 0 ? `${leastNote(threshold)}${sum ? `: ${shareText(sum)} of the weight` : ""}` : ""].filter(Boolean).join(" · ");
}

function tokensNote({ query, key, renormalise }: Plan): string {
  if (!query && !key) return "";
  return renormalise ? "special tokens hidden, rows renormalised without them" : "special tokens hidden: rows sum to less than 1";
}

function leastNote(threshold: number): string {
  return `weights below ${threshold} are not drawn`;
}

function shareText({ below, all }: { below: number; all: number }): string {
  const percent = all ? (100 * below) / all : 0;
  return percent > 0 && percent < 1 ? "under 1 %" : `${Math.round(percent)} %`;
}

/** How much of the weight of these heads the threshold hides; null without one. */
export function useBelow(store: Store, weights: Weights | null, heads: BodyHead[]): { below: number; all: number } | null {
  const threshold = store.state.threshold.value;
  const shown = store.cut.value.filter;
  return useMemo(
    () => (weights && threshold > 0 ? sumBelow(weights, heads.map(({ place }) => place), shown, threshold) : null),
    [weights, heads, shown, threshold],
  );
}
