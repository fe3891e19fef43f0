// What is said about a token: its text for the eye, its strongest partners, a sentence for
// screen readers.
import type { PinnedSpec, SideSpec, SideName } from "../types";
import { boundsAt, type Bounds, type Weights } from "./decode";
import { numberAt } from "./difference";
import type { Range } from "./filter";
import { formatBounds, formatSigned, meanOfPresent } from "./numbers";

export interface Partner {
  index: number;
  mean: Bounds;
  signed?: boolean | undefined;
}

export function partnerText({ mean, signed }: Partner, most?: number): string {
  return (signed ? formatSigned : formatBounds)(mean, most);
}

export function otherSide(side: SideName): SideName {
  return side === "query" ? "key" : "query";
}

export function shownText(text: string): string {
  return text === "" ? "∅" : text;
}

/** The bounds of each head's weight between `token` and `partner` on the other side. */
export function pairBounds(weights: Weights, places: number[], token: PinnedSpec, partner: number): Bounds[] {
  const [query, key] = token.side === "query" ? [token.index, partner] : [partner, token.index];
  return places.map((place) => boundsAt(weights, place, query, key));
}

/** The `count` tokens of the other side with the largest mean weight over the heads that have one. */
export function strongest(
  weights: Weights, places: number[], token: PinnedSpec, others: Range, count: number, least = 0.005,
): Partner[] {
  const means: { index: number; mean: number }[] = [];
  for (let other = others.start; other < others.stop; other++) {
    const [query, key] = token.side === "query" ? [token.index, other] : [other, token.index];
    let [sum, present] = [0, 0];
    for (const place of places) {
      const weight = numberAt(weights, place, query, key);
      if (!Number.isNaN(weight)) (sum += weight), present++;
    }
    const mean = present ? sum / present : 0;
    if (Math.abs(mean) >= least || least < 0) means.push({ index: other, mean: Math.abs(mean) });
  }
  means.sort((a, b) => b.mean - a.mean || a.index - b.index);
  return means.slice(0, count).map(({ index }) => ({
    index,
    mean: meanOfPresent(pairBounds(weights, places, token, index)),
    signed: weights.signed,
  }));
}

/** How many of the others have no weight at all with the token, in any of the heads. */
export function missingPartners(weights: Weights, places: number[], token: PinnedSpec, others: Range): number {
  let count = 0;
  for (let other = others.start; other < others.stop; other++)
    if (pairBounds(weights, places, token, other).every((bounds) => bounds === null)) count++;
  return count;
}

/** How many of the heads have no weight at all between the token and the others. */
export function missingHeads(weights: Weights, places: number[], token: PinnedSpec, others: Range): number {
  const missing = (place: number) => {
    for (let other = others.start; other < others.stop; other++)
      if (pairBounds(weights, [place], token, other)[0] !== null) return false;
    return true;
  };
  return places.filter(missing).length;
}

/** `query 'cat': 0.42 to 'sat', 0.11 to 'the'`; for a key `0.42 from 'sat'`. */
export function sentence(token: PinnedSpec, own: SideSpec, other: SideSpec, partners: Partner[]): string {
  const link = token.side === "query" ? "to" : "from";
  const named = partners
    .slice(0, 3)
    .map((partner) => `${partnerText(partner, 3)} ${link} '${shownText(other.text[partner.index]!)}'`);
  const rest = named.length ? named.join(", ") : `no weight above 0.005 ${link} the tokens shown`;
  return `${token.side} '${shownText(own.text[token.index]!)}': ${rest}`;
}
