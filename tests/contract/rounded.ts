// Reads layers whose queries and keys came in eight bits a number, as a saved page does, and says
// what it computes of them. argv: a file with the questions as JSON.
import { readFileSync } from "node:fs";
import { boundsOff } from "../../web/src/data/planes";
import { fromDense } from "../../web/src/data/decode";
import { rowsOfVectors } from "../../web/src/data/rows";
import { decodeArrays, headVectors, type Arrays } from "../../web/src/data/vectors";
import type { ArraysMeta, RulesSpec } from "../../web/src/types";

interface Packed {
  meta: ArraysMeta;
  text: string;
  size: number;
}

interface Question {
  rules: RulesSpec;
  heads: number;
  /** By key head. */
  rounded: Record<number, Packed>;
  bias: Packed | null;
  mask: Packed | null;
}

const arraysOf = (packed: Packed | null) => packed && decodeArrays({ meta: packed.meta, bytes: fromDense(packed.text, packed.size) });

async function answer({ rules, heads, rounded, bias, mask }: Question) {
  const shared = { bias: await arraysOf(bias), mask: await arraysOf(mask) };
  const vectors = new Map<number, Arrays>();
  for (const [keyHead, packed] of Object.entries(rounded)) vectors.set(Number(keyHead), (await arraysOf(packed))!);
  return Array.from({ length: heads }, (_, place) => {
    const keyHead = rules.key_head[place]!;
    const head = headVectors({ vectors: vectors.get(keyHead)!, keyHead, ...shared }, rules, place);
    const [weights, scores] = [false, true].map((scored) => [...rowsOfVectors(head, scored)(0, head.nQuery)]) as [number[], number[]];
    const row = (i: number) => ({ start: Math.floor(i / head.nKey), stop: Math.floor(i / head.nKey) + 1 });
    const { weight, ratio, score } = head.off!;
    const bounds = weights.map((value, i) => (value === -Infinity ? null : boundsOff({ most: weight, share: ratio }, value, row(i))));
    const scoreBounds = scores.map((value, i) => (value === -Infinity ? null : boundsOff({ most: score, share: null }, value, row(i))));
    const text = (value: number) => (Number.isFinite(value) ? value : null);
    return { queries: [...head.queries], keys: [...head.keys], weights: weights.map(text), bounds, scores: scoreBounds };
  });
}

const asked = JSON.parse(readFileSync(process.argv[2]!, "utf8")) as Question[];
process.stdout.write(JSON.stringify(await Promise.all(asked.map(answer))));
