// Above a heat map: search for a token, the strongest cells as a list, zoom by hand.
import { useMemo, useRef, useState } from "preact/hooks";
import { contains, type Shown } from "../data/filter";
import type { Feed } from "../data/planes";
import { cellIn, strongest, type Strong } from "../data/strongest";
import { tilesOf, type TileAt } from "../data/tiles";
import { shownText } from "../data/tokens";
import type { PairSpec, SideName, SideSpec } from "../types";
import { boundsOf, knownOf, numberText } from "./mapNumbers";
import { zoomed } from "./mapLayout";

export interface Finder {
  text: string;
  setText(text: string): void;
  /** Tokens that contain it, of either side. */
  matches: Record<SideName, Set<number>>;
  /** Where the cursor goes, one after the other. */
  cells: PairSpec[];
}

/** What is searched for; where both sides are the same tokens, each match is a row and a column. */
export function useFinder(sides: Record<SideName, SideSpec>, world: Shown, cursor: PairSpec | null): Finder {
  const [text, setText] = useState("");
  const matches = useMemo(() => {
    const needle = text.trim().toLowerCase();
    const of = (side: SideName) => {
      const found = new Set<number>();
      if (needle) sides[side].text.forEach((token, index) => contains(world[side], index) && token.toLowerCase().includes(needle) && found.add(index));
      return found;
    };
    return { query: of("query"), key: of("key") };
  }, [sides, world, text]);
  const own = sides.query === sides.key;
  const near = cursor ?? { query: world.query.start, key: world.key.start };
  const both = [...matches.query].filter((index) => own && matches.key.has(index)).map((index) => ({ query: index, key: index }));
  const rows = own && both.length === matches.query.size ? both : [...matches.query].map((query) => ({ query, key: near.key }));
  const columns = rows === both ? [] : [...matches.key].map((key) => ({ query: near.query, key }));
  return { text, setText, matches, cells: [...rows, ...columns] };
}

export interface FinderBarProps {
  finder: Finder;
  window: Shown;
  world: Shown;
  listed: boolean;
  setListed(listed: boolean): void;
  show(window: Shown): void;
  go(cell: PairSpec): void;
}

export function FinderBar({ finder, window, world, listed, setListed, show, go }: FinderBarProps) {
  const { text, setText, cells } = finder;
  const [place, setPlace] = useState(-1);
  const step = (by: number) => {
    if (!cells.length) return;
    const next = (Math.max(place, by < 0 ? 0 : -1) + by + cells.length) % cells.length;
    setPlace(next);
    go(cells[next]!);
  };
  const keydown = (event: KeyboardEvent) => {
    event.stopPropagation();
    if (event.key === "Enter") step(event.shiftKey ? -1 : 1);
    else if (event.key === "Escape") setText("");
    else return;
    event.preventDefault();
  };
  const zoom = (factor: number) => show(zoomed(window, world, factor, { x: 0.5, y: 0.5 }));
  return (
    <div class="bar finder">
      <span class="field">
        <input
          type="search" placeholder="Find a token" aria-label="Find a token: Enter for the next, Shift+Enter for the one before" value={text}
          onInput={(event) => (setText(event.currentTarget.value), setPlace(-1))} onKeyDown={keydown}
        />
        {text && <output>{cells.length ? `${place < 0 ? "" : `${place + 1} of `}${cells.length}` : "none"}</output>}
      </span>
      <button type="button" class="plain" aria-expanded={listed} title="List the strongest cells (s: the next)" onClick={() => setListed(!listed)}>Strongest</button>
      <span class="stepper">
        <button type="button" class="plain" aria-label="Zoom in" title="Zoom in (+)" onClick={() => zoom(1 / 2)}>+</button>
        <button type="button" class="plain" aria-label="Zoom out" title="Zoom out (−)" onClick={() => zoom(2)}>−</button>
        <button type="button" class="plain" aria-label="Show all" title="Show all (0)" onClick={() => show(world)}>⤢</button>
      </span>
    </div>
  );
}

const LISTED = 12;

/** The strongest cells of what was shown when the list was opened; blocks become cells as those come. */
export function useStrongest(feed: Feed | null, window: Shown, step: number, listed: boolean, turn: number): Strong[] {
  const kept = useRef<{ feed: Feed | null; list: Strong[] }>({ feed: null, list: [] });
  if (!listed) kept.current = { feed: null, list: [] };
  else if (feed && (kept.current.feed !== feed || !feed.complete || !kept.current.list.length)) kept.current = { feed, list: strongest(feed, window, step, LISTED) };
  void turn;
  return kept.current.list;
}

/** Tiles that it takes to tell the cells of blocks. */
export function tilesFor(list: Strong[], feed: Feed): TileAt[] {
  return list.flatMap(({ block }) => tilesOf(block, 1, feed.plane.size));
}

export interface StrongestListProps {
  list: Strong[];
  feed: Feed;
  sides: Record<SideName, SideSpec>;
  cursor: PairSpec | null;
  go(cell: PairSpec): void;
  close(): void;
}

export function StrongestList({ list, feed, sides, cursor, go, close }: StrongestListProps) {
  return (
    <section class="strongest" aria-label="Strongest cells">
      <div class="panelhead">
        <h3>Strongest</h3>
        <button type="button" class="close" aria-label="Close" onClick={close}>×</button>
      </div>
      <ol>
        {list.map(({ block, value }, i) => {
          const cell = cellIn(feed, block);
          const known = cell && knownOf(feed, cell, 1);
          const text = known && "bounds" in known ? numberText(known.bounds) : numberText(boundsOf(feed, value, block.query));
          return (
            <li key={i}>
              <button type="button" disabled={!cell} aria-current={cell !== undefined && cursor?.query === cell.query && cursor.key === cell.key} onClick={() => cell && go(cell)}>
                <span>{cell ? <>{shownText(sides.query.text[cell.query]!)} → {shownText(sides.key.text[cell.key]!)} <i>{cell.query}, {cell.key}</i></> : "…"}</span>
                <b>{text}</b>
              </button>
            </li>
          );
        })}
      </ol>
      <p class="quiet">Of the part shown, at most two of a key.</p>
    </section>
  );
}
