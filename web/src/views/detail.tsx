// The model view's detail: one head as a head view body, in a panel of its own.
import { useComputed, type ReadonlySignal } from "@preact/signals";
import { useMemo } from "preact/hooks";
import { headName } from "../data/order";
import { layerColor, rgb } from "../draw/color";
import type { CellSpec } from "../types";
import type { BodyHead } from "../ui/body";
import { Problem, Waiting } from "../ui/note";
import { Bodies, useLayer, usePanels } from "./compared";
import { closeFirst, Explained, useExplaining } from "./explain";
import type { ViewProps } from "./frame";
import { bodyHead, cutNote, useBelow } from "./shown";

export interface DetailProps extends ViewProps {
  open: ReadonlySignal<CellSpec | null>;
  className: string;
  style: Record<string, string>;
  turn: number;
  painted(): void;
  close(): void;
}

export function Detail(props: DetailProps) {
  const { store, open, close } = props;
  const mode = props.mode.value;
  const cell = open.value!;
  const loaded = useLayer(props, useComputed(() => open.value?.layer ?? null));
  const { ready } = loaded;
  const layer = store.stream.value.layers.find((l) => l.layer === cell.layer)!;
  const heads = useMemo<BodyHead[]>(() => [bodyHead(cell.head, layer, rgb(layerColor(cell.layer, mode)), mode)], [cell, layer, mode]);
  const panels = usePanels(store, ready ? loaded.weights : null, mode);
  const weights = store.parts ? null : panels[0]!.weights;
  const threshold = store.state.threshold.value;
  const below = useBelow(store, weights, heads);
  const why = useExplaining(props, layer, heads, weights);
  const title = `Layer ${cell.layer}, ${headName(cell.head, layer)}`;
  if (loaded.problem) props.status.failed();
  return (
    <section class={`panel ${props.className}`} data-detail={`${cell.layer}/${cell.head ?? "mean"}`} aria-label={title} style={props.style} onKeyDownCapture={closeFirst(why)}>
      <div class="panelhead">
        <i class="swatch" style={{ background: heads[0]!.css }} />
        <h3>{title}</h3>
        <button type="button" class="close" aria-label="Close" title="Close (Escape)" onClick={close}>×</button>
      </div>
      {loaded.problem ? <Problem message={loaded.problem} /> : !loaded.weights ? <Waiting /> : (
        <Bodies
          key={store.stream.value.name} panels={panels} heads={heads} mode={mode} compact turn={props.turn}
          painted={() => ready && props.painted()} explain={why.explain}
        />
      )}
      {why.asked && <Explained view={props} layer={layer} heads={heads} {...why} />}
      {threshold > 0 && <div class="quiet small">{cutNote(store.cut.value, threshold, below)}</div>}
    </section>
  );
}
