// One weight as a sum: neurons by contribution, then the steps from score to share. All numbers
// are rounded together, so that what is printed adds up.
import type { Row } from "./steps";
import { termsOf, type Term } from "./steps";
import { addUp } from "./sums";
import type { HeadVectors } from "./vectors";
import { SCORE_DECIMALS } from "./wording";

export const UNIT = 10 ** SCORE_DECIMALS;

/** A neuron's part in units of the last decimal printed. */
export interface Listed extends Term {
  units: number;
}

export interface Account {
  terms: Listed[];
  /** What the neurons not listed make together, and how many they are. */
  rest: { units: number; count: number };
  /** In the same units: sum of all neurons, after the softcap, the bias, and what enters the softmax. */
  scaled: number;
  capped: number;
  bias: number;
  score: number;
}

export function accountOf(head: HeadVectors, row: Row, key: number, listed: number): Account {
  const all = termsOf(head, row.query, key);
  const top = all.slice(0, listed);
  const rest = all.slice(listed).reduce((sum, { part }) => sum + part, 0);
  const units = addUp([...top.map(({ part }) => part), ...(all.length > listed ? [rest] : [])], SCORE_DECIMALS);
  const scaled = units.reduce((sum, unit) => sum + unit, 0);
  const capped = head.rules.softcap === null ? scaled : Math.round(row.capped[key]! * UNIT);
  const score = Math.round(row.score[key]! * UNIT);
  return {
    terms: top.map((term, i) => ({ ...term, units: units[i]! })),
    rest: { units: all.length > listed ? units.at(-1)! : 0, count: all.length - top.length },
    scaled, capped,
    bias: head.bias ? score - capped : 0,
    score: head.bias ? score : capped,
  };
}

/** `The top 8 neurons make 62 % of the score`: null where parts of both signs make a share meaningless. */
export function shareOfTop({ terms, scaled }: Account): number | null {
  const top = terms.reduce((sum, { units }) => sum + units, 0);
  const share = top / scaled;
  return Math.abs(scaled) >= UNIT / 20 && share > 0 ? share : null;
}

/** The key with the largest weight beside the one explained. */
export function rival(row: Row, key: number): number | null {
  let best: number | null = null;
  row.weight.forEach((weight, other) => {
    if (other !== key && row.visible[other] && (best === null || weight > row.weight[best]!)) best = other;
  });
  return best;
}
