// The model view's detail: one head as a head view body, in a panel of its own.
import { useComputed, type ReadonlySignal } from "@preact/signals";
import { useMemo } from "preact/hooks";
import { css, layerColor, rgb } from "../draw/color";
import { keyOf, type CellSpec, type Request } from "../types";
import { Body, type BodyHead } from "../ui/body";
import { Problem, Waiting } from "../ui/note";
import type { ViewProps } from "./frame";
import { useWeights } from "./load";

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
  const color = css(rgb(layerColor(cell.layer, mode)));
  const heads = useMemo<BodyHead[]>(() => {
    const layer = store.stream.value.layers.find((l) => l.layer === cell.layer)!;
    return [{ number: cell.head, place: layer.heads.indexOf(cell.head), css: color }];
  }, [cell, color]);
  const title = `Layer ${cell.layer}, head ${cell.head}`;
  if (ready && loaded.problem) props.status.failed();
  return (
    <section class={`panel ${props.className}`} data-detail={`${cell.layer}/${cell.head}`} aria-label={title} style={props.style}>
      <div class="panelhead">
        <i class="swatch" style={{ background: color }} />
        <h3>{title}</h3>
        <button type="button" class="close" aria-label="Close" title="Close (Escape)" onClick={close}>×</button>
      </div>
      {ready && loaded.problem ? <Problem message={loaded.problem} /> : !loaded.weights ? <Waiting /> : (
        <Body
          key={store.stream.value.name} weights={ready ? loaded.weights : null} heads={heads} sides={store.sides.value} shown={store.filter.value}
          pinned={store.state.pinned} sinks={store.stream.value.sinks} mode={mode} compact turn={props.turn}
          painted={() => ready && props.painted()}
        />
      )}
    </section>
  );
}
