// The model view's detail: one head as a head view body, in a panel of its own.
import { useComputed, type ReadonlySignal } from "@preact/signals";
import { useMemo } from "preact/hooks";
import { headName } from "../data/order";
import { layerColor, rgb } from "../draw/color";
import { keyOf, type CellSpec, type Request } from "../types";
import { Body, type BodyHead } from "../ui/body";
import { Problem, Waiting } from "../ui/note";
import { closeFirst, Explained, useExplaining } from "./explain";
import type { ViewProps } from "./frame";
import { useWeights } from "./load";
import { bodyHead, cutNote, useBelow, useShown } from "./shown";

export interface DetailProps extends ViewProps {
  open: ReadonlySignal<CellSpec | null>;
  className: string;
  style: Record<string, string>;
  turn: number;
  painted(): void;
  close(): void;
}

export function Detail(props: DetailProps) {
  const { spec, source, store, open, close } = props;
  const mode = props.mode.value;
  const cell = open.value!;
  const request = useComputed<Request | null>(() =>
    open.value && { kind: "layer", stream: store.stream.value.name, layer: open.value.layer });
  const loaded = useWeights(source, request, spec).value;
  const ready = request.value !== null && loaded.key === keyOf(request.value);
  const layer = store.stream.value.layers.find((l) => l.layer === cell.layer)!;
  const heads = useMemo<BodyHead[]>(() => [bodyHead(cell.head, layer, rgb(layerColor(cell.layer, mode)), mode)], [cell, layer, mode]);
  const shown = useShown(store, ready ? loaded.weights : null);
  const threshold = store.state.threshold.value;
  const below = useBelow(store, shown.weights, heads);
  const why = useExplaining(props, layer, heads, shown.weights);
  const title = `Layer ${cell.layer}, ${headName(cell.head, layer)}`;
  if (ready && loaded.problem) props.status.failed();
  return (
    <section class={`panel ${props.className}`} data-detail={`${cell.layer}/${cell.head ?? "mean"}`} aria-label={title} style={props.style} onKeyDownCapture={closeFirst(why)}>
      <div class="panelhead">
        <i class="swatch" style={{ background: heads[0]!.css }} />
        <h3>{title}</h3>
        <button type="button" class="close" aria-label="Close" title="Close (Escape)" onClick={close}>×</button>
      </div>
      {ready && loaded.problem ? <Problem message={loaded.problem} /> : !loaded.weights ? <Waiting /> : (
        <Body
          key={store.stream.value.name} {...shown} heads={heads} mode={mode} compact turn={props.turn}
          painted={() => ready && props.painted()} explain={why.explain}
        />
      )}
      {why.asked && <Explained view={props} layer={layer} heads={heads} {...why} />}
      {threshold > 0 && <div class="quiet small">{cutNote(store.cut.value, threshold, below)}</div>}
    </section>
  );
}
