// The steps of the sum in words and signs: column titles, and sentences for screen readers.
import type { RulesSpec } from "../types";
import { signed } from "./sums";
import type { Row, StepName } from "./steps";

/** Decimals of scores and of weights, wherever they are printed. */
export const SCORE_DECIMALS = 3;
const WEIGHT_DECIMALS = 3;

/** `÷ √64`, `÷ 16`, `× 0.3`: what the scaling is, in its simplest form. */
export function scalingText({ scaling, dim }: RulesSpec): string {
  const inverse = 1 / scaling;
  const square = Math.round(inverse * inverse);
  const isRoot = square >= 2 && Math.abs(inverse - Math.sqrt(square)) < 1e-5 * inverse;
  if (isRoot && square === dim) return `÷ √${dim}`;
  if (isRoot) return Number.isInteger(Math.sqrt(square)) ? `÷ ${Math.sqrt(square)}` : `÷ √${square}`;
  return `× ${Number(scaling.toPrecision(4))}`;
}

/** Why a merged pair of tokens has no number. */
export function lackingText({ signed: difference }: Row): string {
  return difference ? "in one text only" : "not in this text";
}

export interface Title {
  name: string;
  about: string;
}

export function stepTitle(step: StepName, rules: RulesSpec): Title {
  switch (step) {
    case "dot": return { name: "q · k", about: "sum" };
    case "scaled": return { name: scalingText(rules), about: rules.bias === null && rules.softcap === null ? "score" : "scaled" };
    case "capped": return { name: "softcap", about: `at ±${rules.softcap}` };
    case "bias": return { name: "+ bias", about: "added" };
    case "score": return { name: "=", about: "score" };
    case "mask": return { name: "mask", about: "" };
    case "weight": return { name: "softmax", about: "weight" };
  }
}

/** A step's number for one key, as printed. */
export function stepText(step: StepName, row: Row, key: number): string {
  if (step === "weight") return row.signed ? signed(row.weight[key]!, WEIGHT_DECIMALS, true) : weightText(row.weight[key]!);
  if (!row.visible[key]) return step === "mask" && !Number.isNaN(row.weight[key]!) ? "−∞" : "";
  if (step === "mask") return "0";
  return signed(row[step][key]!, SCORE_DECIMALS, row.signed || step === "bias");
}

export function weightText(weight: number): string {
  if (Number.isNaN(weight)) return "missing";
  if (weight > 0 && weight < 0.5 * 10 ** -WEIGHT_DECIMALS) return `<${(10 ** -WEIGHT_DECIMALS).toFixed(WEIGHT_DECIMALS)}`;
  return weight === 0 ? "0" : weight.toFixed(WEIGHT_DECIMALS);
}

/** The sum for one key in words. */
export function sumSentence(row: Row, key: number, steps: StepName[], rules: RulesSpec, names: [string, string]): string {
  const pair = `query '${names[0]}', key '${names[1]}': `;
  if (Number.isNaN(row.weight[key]!)) return `${pair}${lackingText(row)}`;
  if (!row.visible[key]) return `${pair}hidden by the mask, weight ${row.signed ? stepText("weight", row, key) : 0}`;
  const parts = steps.filter((step) => step !== "mask").map((step) => {
    const text = stepText(step, row, key);
    if (step === "dot") return `q·k is ${text}`;
    if (step === "weight") return `softmax makes the weight ${text}`;
    if (step === "bias") return `bias ${text}`;
    return `${stepTitle(step, rules).name} gives ${text}`;
  });
  return pair + parts.join(", ");
}
