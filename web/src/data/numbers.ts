// Prints numbers only to the precision that the data hold. Everything works on bounds:
// the lowest and highest value that the true number may have.
import { boundsAt, type Bounds, type Weights } from "./decode";

/** The most decimals (`most` to 2) on which both bounds agree; else a range such as `0.71–0.72`. */
export function formatBounds(bounds: Bounds, most = 4): string {
  if (bounds === null) return "missing";
  const [low, high] = bounds;
  if (high === 0) return "0";
  const least = (10 ** -most).toFixed(most);
  if (high < Number(least) && low.toFixed(most) !== high.toFixed(most)) return `<${least}`;
  for (let decimals = most; decimals >= 2; decimals--) {
    const text = low.toFixed(decimals);
    if (text !== high.toFixed(decimals)) continue;
    return Number(text) === 0 ? `<${(10 ** -decimals).toFixed(decimals)}` : text;
  }
  return `${low.toFixed(2)}–${high.toFixed(2)}`;
}

/** The mean of those numbers that are there; null where none is. */
export function meanOfPresent(values: Bounds[]): Bounds {
  const present = values.filter((value) => value !== null);
  if (!present.length) return null;
  const mean = (end: 0 | 1) => present.reduce((sum, value) => sum + value[end], 0) / present.length;
  return [mean(0), mean(1)];
}

/** What a query gives to no key (to the sink): 1 minus the sum of its row. */
export function sinkBounds(weights: Weights, place: number, query: number): Bounds {
  let low = 1;
  let high = 1;
  for (let key = 0; key < weights.shape[2]; key++) {
    const value = boundsAt(weights, place, query, key);
    if (value === null) return null;
    low -= value[1];
    high -= value[0];
  }
  return [Math.min(Math.max(low, 0), 1), Math.min(Math.max(high, 0), 1)];
}
