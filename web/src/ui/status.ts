// `data-attnscope-state` on the host element: what tests and benchmarks wait for.
import { pause } from "../data/pause";

export interface Status {
  /** Something changed that will be painted. */
  begin(): void;
  /** It has been painted: "drawn" once the browser has shown it. */
  painted(): void;
  failed(): void;
}

export function statusOf(host: HTMLElement, signal: AbortSignal): Status {
  let turn = 0;
  let first = true;
  const set = (state: string) => host.setAttribute("data-attnscope-state", state);
  return {
    begin() {
      turn++;
      if (!first) set("drawing");
    },
    painted() {
      const mine = turn;
      const shown = () => {
        if (mine !== turn || signal.aborted) return;
        first = false;
        set("drawn");
      };
      requestAnimationFrame(() => void pause().then(shown));
    },
    failed() {
      turn++;
      first = false;
      set("error");
    },
  };
}

/** For several pictures of one view: painted when all of them are. */
export function shared(status: Status, count: number): Status[] {
  const done = Array<boolean>(count).fill(false);
  return done.map((_, place) => ({
    ...status,
    begin: () => ((done[place] = false), status.begin()),
    painted: () => ((done[place] = true), done.every(Boolean) && status.painted()),
  }));
}
