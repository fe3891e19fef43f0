// The head that the heads view opens, as a heat map, and how much of it rests on tokens that move
// little.
import { useComputed } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { valuesOf } from "../data/order";
import type { Store } from "../store";
import type { CellSpec } from "../types";
import type { ViewProps } from "./frame";
import { useWindow } from "./mapPanel";
import { Maps } from "./maps";
import type { MapOf } from "./plane";

/** From this share on, what a head gives to a token is called a sink. */
const SINK = 0.4;
const SINKS = [["first_token", "the first token"], ["special", "special tokens"]] as const;

export interface Sink {
  on: string;
  weight: number;
  /** Share of what is moved; null where values were not recorded. */
  norm: number | null;
}

/** The first token, or the special ones, where most of a head's weight goes there; no difference is a sink. */
export function sinkOf({ stream, parts }: Store, { layer, head }: CellSpec): Sink | null {
  if (parts) return null;
  const { layers } = stream.value;
  const row = layers.find((one) => one.layer === layer)!;
  const share = (name: string) => valuesOf(stream.value, row, name)?.[row.heads.indexOf(head!)] ?? null;
  const found = SINKS.map(([name, on]) => ({ on, weight: share(name) ?? 0, norm: share(`${name}_norm`) }));
  const most = found[1]!.weight > found[0]!.weight + 0.1 ? found[1]! : found[0]!;
  return most.weight >= SINK ? most : null;
}

/** `sink on the first token: 61 % of weight, 12 % of norm`. */
export function sinkText(store: Store, cell: CellSpec, before = ""): string {
  const sink = sinkOf(store, cell);
  if (!sink) return "";
  const percent = (share: number) => `${Math.round(share * 100)} %`;
  return `${before}sink on ${sink.on}: ${percent(sink.weight)} of weight${sink.norm === null ? "" : `, ${percent(sink.norm)} of norm`}`;
}

export function Opened({ view, close }: { view: ViewProps; close(): void }) {
  const { store } = view;
  const map = useComputed<MapOf>(() => {
    const stream = store.stream.value;
    const { layer, head } = store.state.opened.value ?? { layer: -1, head: null };
    const row = stream.layers.find((one) => one.layer === layer) ?? stream.layers[0]!;
    return { stream, layer: row, head: head ?? row.heads[0]!, over: "head", quantity: stream.quantities![0]! };
  });
  const window = useWindow(view);
  const panel = useRef<HTMLElement>(null);
  const { layer, head } = map.value;
  useEffect(() => panel.current!.scrollIntoView({ block: "nearest" }), [layer.layer, head]);
  const title = `Layer ${layer.layer}, head ${head}`;
  const sink = sinkText(store, { layer: layer.layer, head });
  return (
    <section class="panel" ref={panel} data-detail={`${layer.layer}/${head}`} aria-label={title}>
      <div class="panelhead">
        <h3>{title}</h3>
        <button type="button" class="close" aria-label="Close" title="Close (Escape)" onClick={close}>×</button>
      </div>
      {sink && <span class="badge">{sink}</span>}
      <Maps view={view} map={map} window={window} />
    </section>
  );
}
