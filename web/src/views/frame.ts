// What a view is given beside its element, spec, source and store: colour mode, state, lifetime.
import type { ReadonlySignal } from "@preact/signals";
import type { Mode } from "../draw/color";
import type { Store } from "../store";
import type { Source } from "../source/cache";
import type { Spec } from "../types";
import type { Status } from "../ui/status";

export interface Surroundings {
  mode: ReadonlySignal<Mode>;
  status: Status;
  signal: AbortSignal;
}

export interface ViewProps extends Surroundings {
  spec: Spec;
  source: Source;
  store: Store;
}

export type View = (el: HTMLElement, spec: Spec, source: Source, store: Store, around: Surroundings) => () => void;
