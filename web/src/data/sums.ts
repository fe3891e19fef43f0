// Numbers that visibly add up: rounded one by one, a list and its sum often differ in the last
// digit.

/**
 * The numbers in units of the last decimal, so that they add up to the rounded sum of all; each is
 * off by less than one unit. Those whose rounding costs least are moved.
 */
export function addUp(values: number[], decimals: number): number[] {
  const unit = 10 ** decimals;
  const exact = values.map((value) => value * unit);
  const whole = exact.map((value) => Math.round(value));
  const sum = Math.round(exact.reduce((a, b) => a + b, 0));
  let missing = sum - whole.reduce((a, b) => a + b, 0);
  const step = Math.sign(missing);
  const order = exact.map((value, i) => ({ i, gain: (value - whole[i]!) * step })).sort((a, b) => b.gain - a.gain);
  for (const { i } of order) {
    if (!missing) break;
    whole[i]! += step;
    missing -= step;
  }
  return whole;
}

/** A number of units as text, with a true minus sign. */
export function unitsText(units: number, decimals: number, plus = false): string {
  return signed(units / 10 ** decimals, decimals, plus);
}

/** Fixed decimals, `−` for minus; −0 is 0. */
export function signed(value: number, decimals: number, plus = false): string {
  if (Number.isNaN(value)) return "missing";
  if (!Number.isFinite(value)) return value < 0 ? "−∞" : "∞";
  const text = Math.abs(value).toFixed(decimals);
  const zero = Number(text) === 0;
  return `${value < 0 && !zero ? "−" : plus && !zero ? "+" : ""}${text}`;
}

/** `1 2 5` steps: the largest such number that is not above the value, for scales. */
export function niceBelow(value: number): number {
  if (!(value > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  const lead = value / power;
  return (lead >= 5 ? 5 : lead >= 2 ? 2 : 1) * power;
}

/** The value below which a share of the numbers' magnitudes lies, from a sample of them. */
export function magnitude(values: Float32Array, share: number): number {
  const step = Math.max(1, Math.floor(values.length / 4096));
  const sample: number[] = [];
  for (let i = 0; i < values.length; i += step) sample.push(Math.abs(values[i]!));
  sample.sort((a, b) => a - b);
  return sample[Math.floor(share * (sample.length - 1))] ?? 0;
}
