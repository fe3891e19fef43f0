// What is pointed at in a text, and what is pinned: the token that the shades are about, and maybe
// one on the other side.
import { useMemo, useState } from "preact/hooks";
import { placeOf, shownPin } from "../data/reshape";
import { stackOf } from "../store";
import type { PinnedSpec, SideName, SideSpec, StreamSpec } from "../types";
import { useTold } from "../ui/told";
import type { ViewProps } from "./frame";

export type BySide<T> = Record<SideName, T>;

export interface Aim {
  /** What the shades are about, and the one on the other side that is pointed at: places of groups. */
  subject: PinnedSpec | null;
  partner: number | null;
  pinned: PinnedSpec | null;
  /** What is pointed at, or else pinned. */
  at: PinnedSpec | null;
  /** Something here is pointed at or pinned. */
  told: boolean;
  /** It is pointed at in another text, which tells. */
  elsewhere: boolean;
  /** Queries and keys are the same tokens; there is only one number a token. */
  one: boolean;
  /** They are, but the pinned query is not among those of a long text that are shown. */
  apart: boolean;
  fixed: boolean;
  point(side: SideName, index: number | null, shift: boolean): void;
  pin(side: SideName, index: number, shift: boolean): void;
}

export function useAim({ store: { state, link } }: ViewProps, stream: StreamSpec, sides: BySide<SideSpec>, groups: BySide<number[][]>): Aim {
  const [own, setAimed] = useState<PinnedSpec | null>(null);
  useTold(link?.token, own);
  const aimed = own ?? link?.token.value ?? null;
  const one = stream.query === stream.key;
  const apart = one && placeOf(sides.query, 0) !== placeOf(sides.key, 0);
  const fixed = !one && sides.query.text.length === 1;
  const places = useMemo(() => {
    const of = (all: number[][]) => all.flatMap((group, place) => group.map(() => place));
    return { query: of(groups.query), key: of(groups.key) };
  }, [groups]);
  const at = (side: SideName, index: number, shift: boolean): PinnedSpec => {
    const role = one ? (apart || state.column.value !== shift ? "key" : "query") : side;
    return { side: role, index: places[role][index]! };
  };
  const pins = shownPin(state.pinned, sides);
  const held = state.stream.value === stackOf(stream) && !fixed ? pins.value : null;
  const pinned = held && { side: held.side, index: places[held.side][held.index]! };
  const subject: PinnedSpec | null = fixed ? { side: "query", index: 0 } : pinned ?? aimed;
  const partner = aimed && (fixed || (pinned && (one || aimed.side !== pinned.side))) ? aimed.index : null;
  return {
    subject: aimed && partner === null ? aimed : subject, partner, pinned, at: own ?? pinned, told: Boolean(own ?? pinned), elsewhere: !own && Boolean(link?.token.value), one, apart, fixed,
    point: (side, index, shift) => setAimed(index === null ? null : at(side, index, shift)),
    pin(side, index, shift) {
      const token = at(side, index, shift);
      state.stream.value = stackOf(stream);
      if (apart) return void (state.pinned.value = { side: "query", index: placeOf(sides.key, index) });
      if (!fixed) pins.value = same(token, pinned) ? null : { side: token.side, index: groups[token.side][token.index]![0]! };
    },
  };
}

function same(a: PinnedSpec, b: PinnedSpec | null): boolean {
  return a.side === b?.side && a.index === b.index;
}
