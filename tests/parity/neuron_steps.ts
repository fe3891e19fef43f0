// Computes weights with the page's own code from replies that Python made: argv names a file with
// the layers as JSON; the rows of each head go to standard output as JSON.
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { rowOf } from "../../web/src/data/steps";
import { headVectors, unpackArrays } from "../../web/src/data/vectors";
import type { ArraysMeta, RulesSpec } from "../../web/src/types";

interface Reply {
  meta: ArraysMeta;
  base64: string;
}

interface Layer {
  rules: RulesSpec;
  heads: number;
  vectors: Reply;
  bias: Reply | null;
  mask: Reply | null;
}

const read = (reply: Reply) => unpackArrays(new Uint8Array(gunzipSync(Buffer.from(reply.base64, "base64"))), reply.meta);

function rowsOf({ rules, heads, vectors, bias, mask }: Layer) {
  const arrays = { vectors: read(vectors), bias: bias && read(bias), mask: mask && read(mask) };
  return Array.from({ length: heads }, (_, place) => {
    const head = headVectors(arrays, rules, place);
    return Array.from({ length: head.nQuery }, (_, query) => {
      const { weight, sinkWeight } = rowOf(head, query);
      return { weight: [...weight], sink: sinkWeight };
    });
  });
}

const layers = JSON.parse(readFileSync(process.argv[2]!, "utf8")) as Layer[];
process.stdout.write(JSON.stringify(layers.map(rowsOf)));
