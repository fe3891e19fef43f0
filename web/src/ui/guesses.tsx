// The most probable tokens at a token, as a language model predicted them.
import { placeOf } from "../data/reshape";
import { shownText } from "../data/tokens";
import type { PredictedSpec, SideSpec } from "../types";
import { addStyle } from "./style";

export interface Guesses {
  label: string;
  rows: { token: string; probability: number }[];
}

/** What was predicted at a token, which may be one of those left where others are hidden. */
export function guessesAt({ following, tokens, probabilities }: PredictedSpec, side: SideSpec, index: number): Guesses {
  const place = placeOf(side, index);
  const label = `${following ? "predicted after" : "predicted for"} ${shownText(side.text[index]!)}`;
  return { label, rows: tokens[place]!.map((token, i) => ({ token, probability: probabilities[place]![i]! })) };
}

export function Guessed({ label, rows }: Guesses) {
  return (
    <div class="guesses">
      <b>{label}</b>
      <table>
        {rows.map(({ token, probability }, rank) => (
          <tr key={rank}><td class="label"><i style={{ width: `${60 * probability}px` }} />{shownText(token)}</td><td class="value">{probability >= 0.001 ? probability.toFixed(3) : "<0.001"}</td></tr>
        ))}
      </table>
    </div>
  );
}

addStyle(`
.guesses { margin-top: 9px; padding-top: 8px; border-top: 1px solid var(--line); }
.guesses i { display: inline-block; height: 8px; border-radius: 2px; margin-right: 6px; background: var(--shade, var(--strong)); }
.guesses table { width: 100%; border-collapse: collapse; margin-top: 5px; }
.guesses .value { text-align: right; font-variant-numeric: tabular-nums; padding-left: 10px; }
.tooltip .guesses i { display: none; }
.tooltip .guesses .label { max-width: 84px; }
.guessed { flex: 0 1 210px; align-self: flex-start; position: sticky; top: 10px; font-size: 12.5px; padding: 10px 13px; background: var(--panel); border: 1px solid var(--line); border-radius: 10px; overflow-wrap: anywhere; }
.guessed .guesses { margin: 0; padding: 0; border: 0; }
`);
