// When a grid of small pictures is painted, and when it and the head opened in it both are.
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { pixelRatio } from "../draw/canvas";
import type { CellSpec } from "../types";
import type { GridRow } from "../ui/grid";
import { messageOf } from "../ui/note";
import type { ViewProps } from "./frame";
import type { GridSize } from "./geometry";
import { useNow } from "./load";
import { paintGrid, type Below } from "./paint";

/** Repaints the grid when its picture changes; "drawn" when grid and open detail both are. */
export function usePainting(props: ViewProps, rows: GridRow[], size: GridSize | null, style: "lines" | "heat", open: CellSpec | null) {
  const { store, source, status, mode, signal } = props;
  const canvases = useMemo(() => new Map<number, HTMLCanvasElement>(), []);
  const done = useRef({ turn: 0, grid: false, detail: false });
  const [problem, setProblem] = useState<string | null>(null);
  const [below, setBelow] = useState<Below>(null);
  useNow(() => {
    const { stream, cut, state } = store;
    void [stream.value, cut.value, state.cells.value, state.pinned.value, state.opened.value, state.sort.value, state.threshold.value, state.show.value];
    done.current.turn++;
    done.current.detail = false;
    status.begin();
  });
  void store.state.pinned.value;
  const settle = () => {
    if (done.current.grid && (done.current.detail || !open)) status.painted();
  };
  const pair = useMemo(() => store.parts?.map((part) => part.stream.value), [store.stream.value]);
  const [stream, cut, threshold] = [store.stream.value, store.cut.value, store.state.threshold.value];
  const ratio = size && canvases.size ? pixelRatio([...canvases.values()][0]!) : globalThis.devicePixelRatio || 1;
  useEffect(() => {
    if (!size) return;
    let current = true;
    done.current.grid = false;
    paintGrid({ stream, pair, rows, cut, threshold, style, mode: mode.value, size, ratio }, source, canvases, () => current && !signal.aborted)
      .then((whole) => whole && (setProblem(null), setBelow(whole.below), (done.current.grid = true), latest.current()))
      .catch((error: unknown) => current && (setProblem(messageOf(error)), status.failed()));
    return () => void (current = false);
  }, [stream, rows, cut, threshold, style, mode.value, size, ratio]);
  const latest = useRef(settle);
  latest.current = settle;
  useEffect(() => latest.current());
  return { canvases, problem, below, turn: done.current.turn, detail: () => ((done.current.detail = true), settle()) };
}
