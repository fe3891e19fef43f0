// What stands above a text: what is shown of it and how its numbers are put together; above a list
// of texts, the search.
import { groupsOf } from "../data/field";
import { methodsOf, stackOf } from "../store";
import type { Outcome, Over } from "../types";
import { Field as Labelled, optionOf, Select, ShowSwitch, Stepper, StreamSelect, Switch, type Option } from "../ui/controls";
import { SpecialSelect } from "../ui/display";
import type { ViewProps } from "./frame";

export function Bar({ spec, store, listed, found }: ViewProps & { listed: boolean; found: number }) {
  const { state } = store;
  const stream = store.stream.value;
  const sides = store.sides.value;
  const pairs = sides.query.text.length > 1;
  const worded = Object.values(sides).some((side) => groupsOf(side, true).length < side.text.length);
  return (
    <div class="bar">
      {listed ? <Search {...{ spec, store, found }} /> : <Choice {...{ spec, store }} />}
      {pairs && stream.query === stream.key && (
        <Switch name="column" label="Shade" options={DIRECTIONS} value={String(state.column.value)} set={(value) => ((state.column.value = value === "true"), (state.pinned.value = null))} />
      )}
      {worded && pairs && !store.parts && <Check name="words" label="Words" value={state.words} />}
      <ShowSwitch store={store} />
      <SpecialSelect store={store} />
    </div>
  );
}

const DIRECTIONS: Option[] = [{ value: "false", label: "what it attends to" }, { value: "true", label: "who attends to it" }];
const OUTCOMES: Option[] = ["all", "right", "wrong"].map((value) => ({ value, label: value }));

function Check({ name, label, value }: { name: string; label: string; value: { value: boolean } }) {
  return <label class="field"><input type="checkbox" name={name} checked={value.value} onChange={(event) => (value.value = event.currentTarget.checked)} />{label}</label>;
}

type BarProps = Pick<ViewProps, "spec" | "store">;

/** Layer and head, or all of them together. */
function Choice({ spec, store }: BarProps) {
  const { state } = store;
  const { layers } = store.stream.value;
  const heads = store.layer.value.heads;
  const all = (name: string) => ({ value: name, label: name });
  const setLayer = (value: string) => ((state.all_layers.value = value === "all"), value === "all" || (state.layer.value = Number(value)));
  const setHead = (value: string) => {
    state.over.value = (value === "mean" || value === "max" ? value : "head") as Over;
    if (state.over.value === "head") state.head.value = Number(value);
  };
  return (
    <>
      <StreamSelect store={store} streams={spec.streams.filter(({ name, stack }) => !stack || stack === name)} />
      <Method spec={spec} store={store} />
      {layers.length > 1 && (
        <Stepper name="layer" label="Layer" options={[all("all"), ...layers.map(({ layer }) => optionOf(layer))]} value={state.all_layers.value ? "all" : String(store.layer.value.layer)} set={setLayer} />
      )}
      {heads.length > 1 && (
        <Stepper name="head" label="Head" options={[all("mean"), ...(store.parts ? [] : [all("max")]), ...heads.map(optionOf)]} value={state.over.value === "head" ? String(store.head.value) : state.over.value} set={setHead} />
      )}
    </>
  );
}

/** What the shades are: weights, rollout, ...; the same text, layer and head where there are any. */
function Method({ spec, store }: BarProps) {
  const stream = store.stream.value;
  const methods = methodsOf(spec, stackOf(stream));
  if (methods.length < 2) return null;
  const options = methods.map(({ quantity }) => ({ value: quantity!.name, label: quantity!.label }));
  return (
    <Labelled label="Shown">
      <Select name="quantity" label="What is shown" value={stream.quantity!.name} options={options} onChange={(value) => (store.state.quantity.value = value)} />
    </Labelled>
  );
}

function Search({ spec, store: { state }, found }: BarProps & { found: number }) {
  return (
    <>
      <Labelled label="Search">
        <input type="search" name="search" aria-label="Search texts, labels and predictions" value={state.search.value} onInput={(event) => (state.search.value = event.currentTarget.value)} />
      </Labelled>
      {spec.streams.some(({ document }) => document!.right !== null) && (
        <Switch name="outcome" label="Prediction" options={OUTCOMES} value={state.outcome.value} set={(value) => (state.outcome.value = value as Outcome)} />
      )}
      <span class="note" aria-live="polite">{found} of {spec.streams.length} texts</span>
    </>
  );
}
