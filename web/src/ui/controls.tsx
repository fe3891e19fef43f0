// What stands above a picture: selects, the layer stepper, the head chips, a small switch.
import type { ComponentChildren } from "preact";
import { useRef } from "preact/hooks";
import { measureText } from "../data/order";
import { css, headColor, inkOn, NEUTRAL, rgb, type Mode, type Rgb } from "../draw/color";
import { soloHead, stackOf, toggleHead, type Store } from "../store";
import type { CellStyle, Show, StreamSpec } from "../types";

export interface Option {
  value: string;
  label: string;
}

export function Select(props: { name: string; label: string; value: string; options: Option[]; onChange(value: string): void }) {
  return (
    <select
      name={props.name} aria-label={props.label} value={props.value}
      onChange={(event) => props.onChange(event.currentTarget.value)}
    >
      {props.options.map(({ value, label }) => (
        <option key={value} value={value} selected={value === props.value}>{label}</option>
      ))}
    </select>
  );
}

export function Field({ label, children }: { label: string; children: ComponentChildren }) {
  return <span class="field"><span aria-hidden="true">{label}</span>{children}</span>;
}

export function StreamSelect({ store, streams }: { store: Store; streams: StreamSpec[] }) {
  const parts = streams.flatMap(({ pair }) => pair ?? []);
  const whole = streams.filter(({ name }) => !parts.includes(name));
  if (whole.length < 2) return null;
  const options = whole.map(({ name, label }) => ({ value: name, label }));
  return (
    <Field label="Attention">
      <Select name="stream" label="Attention stream" value={stackOf(store.stream.value)} options={options} onChange={(v) => (store.state.stream.value = v)} />
    </Field>
  );
}

export function FilterSelect({ store }: { store: Store }) {
  const { filters: options, filter } = store.cut.value;
  if (options.length < 2) return null;
  return (
    <Field label="Tokens">
      <Select name="filter" label="Tokens shown, query to key" value={filter.value} options={options} onChange={(v) => (store.state.filter.value = v)} />
    </Field>
  );
}

/** The layer `step` places further in the stream's own order. */
export function stepLayer(store: Store, step: number): void {
  const { layers } = store.stream.value;
  const next = layers[layers.indexOf(store.layer.value) + step];
  if (next) store.state.layer.value = next.layer;
}

/** The head `step` places further in the layer. */
export function stepHead(store: Store, step: number): void {
  const { heads } = store.layer.value;
  const next = heads[heads.indexOf(store.head.value) + step];
  if (next !== undefined) store.state.head.value = next;
}

export function LayerSelect({ store }: { store: Store }) {
  const options = store.stream.value.layers.map(({ layer }) => optionOf(layer));
  return <Stepper name="layer" label="Layer" options={options} value={String(store.layer.value.layer)} set={(v) => (store.state.layer.value = Number(v))} />;
}

export function HeadSelect({ store }: { store: Store }) {
  const options = store.layer.value.heads.map(optionOf);
  return <Stepper name="head" label="Head" options={options} value={String(store.head.value)} set={(v) => (store.state.head.value = Number(v))} />;
}

export function optionOf(number: number): Option {
  return { value: String(number), label: String(number) };
}

interface StepperProps {
  name: string;
  label: string;
  options: Option[];
  value: string;
  set(value: string): void;
}

/** A select between two buttons for the one before and the one after. */
export function Stepper({ name, label, options, value, set }: StepperProps) {
  const place = options.findIndex((option) => option.value === value);
  const step = (by: number) => set(options[place + by]!.value);
  return (
    <Field label={label}>
      <span class="stepper">
        <button type="button" class="plain" aria-label={`Previous ${name}`} disabled={place === 0} onClick={() => step(-1)}>‹</button>
        <Select name={name} label={label} value={value} options={options} onChange={set} />
        <button type="button" class="plain" aria-label={`Next ${name}`} disabled={place === options.length - 1} onClick={() => step(1)}>›</button>
      </span>
    </Field>
  );
}

export function HeadChips({ store, mode }: { store: Store; mode: Mode }) {
  const all = store.layer.value.heads;
  const active = store.heads.value;
  const mean = store.mean.value;
  const group = useRef<HTMLDivElement>(null);
  const stop = active[0] ?? (mean ? null : all[0]);
  const set = (heads: number[] | null, withMean = mean) => ((store.state.heads.value = heads), (store.state.mean.value = withMean));
  const solo = (head: number) => set(mean ? [head] : soloHead(all, store.heads.value, head), false);
  const keydown = (event: KeyboardEvent) => {
    const chips = [...group.current!.querySelectorAll<HTMLElement>(".chip")];
    const next = chips[chipAfter(event.key, chips.indexOf(event.target as HTMLElement), chips.length)];
    if (next) next.focus(), event.preventDefault();
  };
  return (
    <Field label="Heads">
      <div class="chips" role="group" aria-label="Heads" ref={group} onKeyDown={keydown}>
        {all.length > 1 && (
          <Chip
            head={null} name={`Mean of the ${all.length} heads`} on={mean} stop={stop === null} color={NEUTRAL[mode]}
            toggle={() => set(store.state.heads.value, !mean || !active.length)} solo={() => (mean && !active.length ? set(null, false) : set([], true))}
          />
        )}
        {store.sorted.value.map((head) => (
          <Chip
            key={head} head={head} name={`Head ${head}`} about={measureText(store.stream.value, store.layer.value, head, store.state.sort.value)}
            on={active.includes(head)} stop={head === stop} color={rgb(headColor(head, mode))}
            toggle={() => set(toggleHead(all, active, head, mean))} solo={() => solo(head)}
          />
        ))}
        {all.length > 1 && (
          <button type="button" class="plain" disabled={active.length === all.length} onClick={() => set(null)}>All</button>
        )}
      </div>
    </Field>
  );
}

interface ChipProps {
  head: number | null;
  name: string;
  about?: string;
  on: boolean;
  stop: boolean;
  color: Rgb;
  toggle(): void;
  solo(): void;
}

function Chip({ head, name, about = "", on, stop, color, toggle, solo }: ChipProps) {
  return (
    <button
      type="button" class="chip" data-head={head ?? "mean"} aria-pressed={on} aria-label={name + about} tabIndex={stop ? 0 : -1}
      style={{ "--color": css(color), "--on": inkOn(color) }}
      title={`${name}${about}: click to switch, double-click (or Shift+Enter) for it alone`}
      onClick={(event) => (event.shiftKey ? solo() : toggle())} onDblClick={solo}
    >
      {head ?? "mean"}
    </button>
  );
}

function chipAfter(key: string, at: number, count: number): number {
  if (at < 0) return -1;
  if (key === "ArrowRight" || key === "ArrowDown") return Math.min(at + 1, count - 1);
  if (key === "ArrowLeft" || key === "ArrowUp") return Math.max(at - 1, 0);
  return key === "Home" ? 0 : key === "End" ? count - 1 : -1;
}

const STYLES: Option[] = [{ value: "auto", label: "Auto" }, { value: "lines", label: "Lines" }, { value: "heat", label: "Heat" }];

export function CellSwitch({ store }: { store: Store }) {
  const { cells } = store.state;
  return <Switch name="cells" label="Cells" options={STYLES} value={cells.value} set={(v) => (cells.value = v as CellStyle)} />;
}

const SHOWN: Option[] = [{ value: "both", label: "Side by side" }, { value: "difference", label: "Difference" }];

/** Of a comparison: both, or their difference. */
export function ShowSwitch({ store: { state, parts } }: { store: Store }) {
  return parts && <Switch name="show" label="Show" options={SHOWN} value={state.show.value} set={(v) => (state.show.value = v as Show)} />;
}

/** A few choices side by side: one is always on. */
export function Switch({ name, label, options, value, set }: StepperProps) {
  const keydown = (event: KeyboardEvent) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!step) return;
    const place = (options.findIndex((option) => option.value === value) + step + options.length) % options.length;
    set(options[place]!.value);
    (event.currentTarget as HTMLElement).querySelectorAll("button")[place]!.focus();
    event.preventDefault();
  };
  return (
    <Field label={label}>
      <div class="switch" role="radiogroup" aria-label={label} onKeyDown={keydown}>
        {options.map((option) => (
          <button
            key={option.value} type="button" role="radio" {...{ [`data-${name}`]: option.value }} aria-checked={value === option.value}
            tabIndex={value === option.value ? 0 : -1} onClick={() => set(option.value)}
          >
            {option.label}
          </button>
        ))}
      </div>
    </Field>
  );
}
