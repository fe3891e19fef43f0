// The difference of two layers' weights, second minus first, as a layer of twice as many heads: what
// each gained, and behind all of them what each lost. Whatever draws weights draws both halves, each
// in a colour, STRONG times as strong as weights: most differences are small. Whoever prints one asks
// for its bounds, which are signed.
import { boundsAt, codeAt, missingCode, nearestCode, weightTable, type Bounds, type Weights } from "./decode";

/** A difference of 1 / STRONG or more has full colour. */
export const STRONG = 2;

export function differenceOf(first: Weights, second: Weights): Weights {
  const { encoding, shape: [heads, queries, keys] } = first;
  const [table, missing] = [weightTable(encoding), missingCode(encoding)];
  const count = first.codes.length;
  const codes = new (first.codes.constructor as typeof Uint16Array)(2 * count);
  for (let at = 0; at < count; at++) {
    const [a, b] = [first.codes[at]!, second.codes[at]!];
    const drawn = a === b ? 0 : Math.min(1, STRONG * Math.abs(table[b]! - table[a]!));
    if (a === missing || b === missing) codes[at] = missing;
    else codes[b > a ? at : count + at] = nearestCode(encoding, drawn);
  }
  const bounds = (place: number, query: number, key: number) => between(boundsAt(first, place % heads, query, key), boundsAt(second, place % heads, query, key));
  return { ...first, shape: [2 * heads, queries, keys], codes, bounds, signed: true };
}

/** Names for narrow columns: long ones without the parts in front that both have. */
export function shortNames(names: [string, string]): [string, string] {
  const parts = names.map((name) => name.split(/(?<=[/ _:-])/));
  const apart = parts[0]!.findIndex((part, i) => part !== parts[1]![i]);
  const short = (name: string, i: number) => (name.length > 10 && apart > 0 ? `…${parts[i]!.slice(apart).join("")}` : name);
  return [short(names[0], 0), short(names[1], 1)];
}

/** Between which values the second less the first lies. */
export function between(first: Bounds, second: Bounds): Bounds {
  return first && second && [second[0] - first[1], second[1] - first[0]];
}

/** About the number of a pair of tokens; of a difference with its sign; NaN where it is missing. */
export function numberAt(weights: Weights, place: number, query: number, key: number): number {
  if (!weights.signed) return weightTable(weights.encoding)[codeAt(weights, place, query, key)]!;
  const bounds = boundsAt(weights, place, query, key);
  return bounds ? (bounds[0] + bounds[1]) / 2 : NaN;
}

/** How many heads a difference has: as many places further on is what each lost. */
export function halfOf({ shape: [heads] }: Weights): number {
  return heads / 2;
}
