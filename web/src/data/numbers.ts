// Prints numbers only to the precision that the data hold. Everything works on bounds:
// the lowest and highest value that the true number may have.
import { boundsAt, type Bounds, type Outside, type Weights } from "./decode";

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

/** Numbers of any size and sign: as many digits (4 to 1) as both bounds agree on. */
export function preciseText(bounds: Bounds): string {
  if (bounds === null) return "missing";
  const [low, high] = bounds;
  if (low < 0 && high <= 0) return low ? `−${preciseText([-high, -low])}` : "0";
  if (high === 0) return "0";
  for (let digits = 4; digits >= 1; digits--) {
    const text = low.toPrecision(digits);
    if (text === high.toPrecision(digits)) return plainText(text);
  }
  const least = Math.max(-low, high).toPrecision(1);
  return low <= 0 ? `±${plainText(least)}` : `${plainText(low.toPrecision(2))}–${plainText(high.toPrecision(2))}`;
}

/** `0.00001230` → `1.230e−5`: few zeros in front, and no plus in an exponent. */
function plainText(text: string): string {
  const value = Number(text);
  const digits = text.replace(/e.*$/, "").replace(/^0\.0*|\./g, "").length;
  const fits = value === 0 || (value >= 0.001 && value < 1e6);
  return fits ? (text.includes("e") ? String(value) : text) : value.toExponential(Math.max(0, digits - 1)).replace("e+", "e").replace("e-", "e−");
}

/** A difference, with its sign; `0.0000` where it is none as far as is known. */
export function formatSigned(bounds: Bounds, most = 4): string {
  if (bounds === null) return "missing";
  const [low, high] = bounds;
  if (low === 0 && high === 0) return "0";
  const text = (value: number, decimals: number) => {
    const size = Math.abs(value).toFixed(decimals);
    return Number(size) === 0 ? size : `${value < 0 ? "−" : "+"}${size}`;
  };
  for (let decimals = most; decimals >= 2; decimals--) if (text(low, decimals) === text(high, decimals)) return text(low, decimals);
  return `${text(low, 2)} to ${text(high, 2)}`;
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
  const [before, after, factor] = weights.outside?.(place, query) ?? [0, 0, 1];
  let low = 1 - (before + after) * factor;
  let high = 1 - (before + after) / factor;
  for (let key = 0; key < weights.shape[2]; key++) {
    const value = boundsAt(weights, place, query, key);
    if (value === null) return null;
    low -= value[1];
    high -= value[0];
  }
  return [Math.min(Math.max(low, 0), 1), Math.min(Math.max(high, 0), 1)];
}

/** What lies beside the tokens shown: `12.0 % before and 3.1 % after`; `≈` where that is not known so well. */
export function outsideText([before, after, factor]: Outside): string {
  return `${percent(before, factor)} before and ${percent(after, factor)} after`;
}

function percent(share: number, factor: number): string {
  if (share === 0) return "0 %";
  if (share < 0.0005) return "under 0.1 %";
  return factor === 1 ? `${(100 * share).toFixed(1)} %` : `≈ ${(100 * share).toFixed(0)} %`;
}
