// The heat maps of a view: one; or those of two traces side by side, which move together and point at
// the same cells; or one of their difference.
import { useComputed, type ReadonlySignal } from "@preact/signals";
import { useMemo } from "preact/hooks";
import type { Store } from "../store";
import { shared } from "../ui/status";
import type { ViewProps } from "./frame";
import { MapPanel, type MapWindow } from "./mapPanel";
import { useFeed, type MapOf } from "./plane";

interface MapsProps {
  view: ViewProps;
  map: ReadonlySignal<MapOf>;
  window: MapWindow;
}

export function Maps(props: MapsProps) {
  return props.view.store.parts ? <Compared {...props} /> : <One {...props} />;
}

function One({ view, map, window }: MapsProps) {
  return <MapPanel view={view} map={map} fed={useFeed(view.source, view.spec, map).value} window={window} />;
}

/** The same map of one of the two traces. */
function partOf(map: MapOf, { stream, sides }: Store, names: MapOf["names"]): MapOf {
  const { layers, quantities } = stream.value;
  void sides.value;
  return { ...map, stream: stream.value, layer: layers.find(({ layer }) => layer === map.layer.layer)!, quantity: quantities![0]!, names: names! };
}

function Compared({ view, map, window }: MapsProps) {
  const { spec, source, store, status } = view;
  const parts = store.parts!;
  const maps = parts.map((part) => useComputed(() => partOf(map.value, part, store.sides.value)));
  const whole = useComputed<MapOf>(() => ({ ...map.value, pair: [maps[0]!.value, maps[1]!.value] }));
  const feds = maps.map((one) => useFeed(source, spec, one).value);
  const difference = useFeed(source, spec, whole).value;
  const statuses = useMemo(() => shared(status, 2), []);
  const names = parts.map(({ stream }) => stream.value.label);
  const linked = { cell: store.link!.cell, sides: store.sides.value, of: feds.map(({ feed }, i) => ({ name: names[i]!, feed })) };
  if (store.state.show.value === "difference")
    return (
      <section data-part="difference" aria-label={`${names[1]} minus ${names[0]}`}>
        <MapPanel view={view} map={whole} fed={difference} window={window} linked={linked} />
      </section>
    );
  return (
    <div class="pair">
      {parts.map((part, i) => (
        <section key={i} aria-label={names[i]} data-part={i}>
          <h3>{names[i]}</h3>
          <MapPanel view={{ ...view, store: part, status: statuses[i]! }} map={maps[i]!} fed={feds[i]!} window={window} linked={linked} />
        </section>
      ))}
    </div>
  );
}
