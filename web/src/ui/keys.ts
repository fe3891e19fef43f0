// Arrow keys between tokens.
import { sizeOf, type Shown } from "../data/filter";
import { otherSide } from "../data/tokens";
import type { PinnedSpec, SideName } from "../types";

/** Up and down in a column, left and right to the other one, Home and End to its ends. */
export function nextToken(key: string, token: PinnedSpec, shown: Shown, stops: Record<SideName, number>): PinnedSpec | null {
  const range = shown[token.side];
  const move = (index: number) => ({ side: token.side, index: Math.min(Math.max(index, range.start), range.stop - 1) });
  if (key === "ArrowUp") return move(token.index - 1);
  if (key === "ArrowDown") return move(token.index + 1);
  if (key === "Home") return move(range.start);
  if (key === "End") return move(range.stop - 1);
  if ((key === "ArrowLeft" && token.side === "key") || (key === "ArrowRight" && token.side === "query"))
    return across(token, shown, stops);
  return null;
}

/** To the other column: where it was left, or on the same row the first time. */
function across(token: PinnedSpec, shown: Shown, stops: Record<SideName, number>): PinnedSpec {
  const side = otherSide(token.side);
  const range = shown[side];
  const row = Math.min(token.index - shown[token.side].start, sizeOf(range) - 1);
  const left = stops[side];
  const index = left > range.start && left < range.stop ? left : range.start + row;
  return { side, index };
}
