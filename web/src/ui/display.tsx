// Options of what is shown of the heads, behind one button: their order, the mean over them,
// special tokens, and the least weight that is drawn.
import { useState } from "preact/hooks";
import { measureName } from "../data/order";
import { withoutSpecial } from "../data/reshape";
import type { Store } from "../store";
import { Field, Select } from "./controls";

/** Least weights to choose from: fine where most weights are. */
const LEAST = [0, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9];

export function Display({ store, mean }: { store: Store; mean?: boolean }) {
  const { state } = store;
  const changed = state.sort.value !== "number" || state.hide_special.value || state.threshold.value > 0 || (mean && state.mean.value);
  const [open, setOpen] = useState(Boolean(changed));
  return (
    <>
      <button type="button" class="plain" aria-expanded={open} onClick={() => setOpen(!open)}>Options</button>
      {open && (
        <div class="bar options">
          {mean && <MeanSwitch store={store} />}
          <SortSelect store={store} />
          <SpecialSelect store={store} />
          <Threshold store={store} />
        </div>
      )}
    </>
  );
}

function MeanSwitch({ store: { state } }: { store: Store }) {
  return (
    <label class="field">
      <input type="checkbox" name="mean" checked={state.mean.value} onChange={(event) => (state.mean.value = event.currentTarget.checked)} />
      Mean of heads
    </label>
  );
}

function SortSelect({ store }: { store: Store }) {
  const { sort } = store.state;
  const { measures, layers } = store.stream.value;
  if (!measures.length || layers.every(({ heads }) => heads.length < 2)) return null;
  const options = ["number", ...measures.map(({ name }) => name)].map((name) => ({ value: name, label: measureName(name) }));
  const known = options.some(({ value }) => value === sort.value) ? sort.value : "number";
  return (
    <Field label="Sort heads by">
      <Select name="sort" label="Sort heads by" value={known} options={options} onChange={(value) => (sort.value = value)} />
    </Field>
  );
}

const SPECIAL = [
  { value: "", label: "shown" }, { value: "hide", label: "hidden" }, { value: "sum", label: "hidden, rows sum to 1" },
];

export function SpecialSelect({ store }: { store: Store }) {
  const { hide_special, renormalise } = store.state;
  const { query, key } = store.sides.value;
  if (!withoutSpecial(query) && !withoutSpecial(key)) return null;
  const value = hide_special.value ? (renormalise.value ? "sum" : "hide") : "";
  const choose = (chosen: string) => ((hide_special.value = chosen !== ""), (renormalise.value = chosen === "sum"));
  return (
    <Field label="Special tokens">
      <Select name="special" label="Special tokens" value={value} options={SPECIAL} onChange={choose} />
    </Field>
  );
}

function Threshold({ store: { state } }: { store: Store }) {
  const { threshold } = state;
  const text = threshold.value ? String(threshold.value) : "off";
  return (
    <Field label="Least weight">
      <input
        type="range" name="threshold" aria-label="Least weight drawn" aria-valuetext={text} min={0} max={LEAST.length - 1}
        value={LEAST.findLastIndex((least) => least <= threshold.value)} onInput={(event) => (threshold.value = LEAST[Number(event.currentTarget.value)]!)}
      />
      <output>{text}</output>
    </Field>
  );
}
