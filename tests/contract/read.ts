// Reads replies that Python wrote, with the front end's own modules, and says what it read.
// argv: a file with the questions as JSON; the answers go to standard output as JSON.
import { readFileSync } from "node:fs";
import { boundsAt, codeAt, decode, weightTable } from "../../web/src/data/decode";
import { formatBounds, meanOfPresent, sinkBounds } from "../../web/src/data/numbers";
import { keyOf, VERSION, type ReplyMeta, type Request } from "../../web/src/types";

interface Question {
  meta: ReplyMeta;
  base64: string;
}

const asked = JSON.parse(readFileSync(process.argv[2]!, "utf8")) as { replies: Question[]; requests: Request[] };

async function read({ meta, base64 }: Question) {
  const weights = await decode({ meta, bytes: Uint8Array.from(Buffer.from(base64, "base64")) });
  const [heads, queries, keys] = weights.shape;
  const table = weightTable(weights.encoding);
  const [values, bounds, texts, means, sinks] = [[], [], [], [], []] as [unknown[], unknown[], string[], string[], string[]];
  for (let query = 0; query < queries; query++) {
    for (let head = 0; head < heads; head++) sinks.push(formatBounds(sinkBounds(weights, head, query)));
    for (let key = 0; key < keys; key++) {
      const all = Array.from({ length: heads }, (_, head) => boundsAt(weights, head, query, key));
      means.push(formatBounds(meanOfPresent(all)));
      for (let head = 0; head < heads; head++) {
        const value = table[codeAt(weights, head, query, key)]!;
        values.push(Number.isNaN(value) ? null : value);
        bounds.push(all[head]);
        texts.push(formatBounds(all[head]!));
      }
    }
  }
  return { shape: weights.shape, values, bounds, texts, means, sinks };
}

const replies = await Promise.all(asked.replies.map(read));
process.stdout.write(JSON.stringify({ version: VERSION, keys: asked.requests.map(keyOf), replies }));
