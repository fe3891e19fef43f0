// The steps of two models that wrote: side by side, a token pointed at in one told of both; or what
// the second looked at more, or less, than the first.
import { useLayoutEffect, useMemo, useState } from "preact/hooks";
import { between, shortNames } from "../data/difference";
import { formatBounds } from "../data/numbers";
import { shownText } from "../data/tokens";
import { boundsOf, firstOf, largest, rowOf, rowsBetween, sharesOf, type Rows } from "../data/written";
import { css, SHADE, SIGNED } from "../draw/color";
import { Facts, type Told } from "../ui/facts";
import { farthest, partsOf, Player, segmentsOf, Shares, Texts, type Stepping } from "../ui/steps";
import type { ViewProps } from "./frame";

const TOLD = 8;

export interface ComparedStepsProps {
  view: ViewProps;
  /** Of the first and the second. */
  rows: Rows[];
  step: Stepping;
  what: string;
}

export function ComparedSteps({ view, rows, step, what }: ComparedStepsProps) {
  const { spec, store, status, signal, mode: { value: mode } } = view;
  const { state, stream, sides: { value: { query: made, key } } } = store;
  const [pointed, point] = useState<number | null>(null);
  const [first, second] = rows as [Rows, Rows];
  const difference = useMemo(() => rowsBetween(first, second), [first, second]);
  const segments = segmentsOf(key);
  const shares = useMemo(() => store.parts!.map((part, i) => sharesOf(rows[i]!, segments, firstOf(part.sides.value.key))), [first, second, key]);
  const pinned = state.pinned.value?.side === "key" ? state.pinned.value.index : null;
  const pin = (index: number | null) => (state.pinned.value = index === null ? null : { side: "key", index });
  const parts = partsOf(key, segments, mode);
  const both = state.show.value === "both";
  const common = { step, parts, hidden: state.hide_first.value, mode, pinned, pin, point, first: stream.value.steps!.first };
  const at = rows.map((one) => rowOf(one, step.at));
  const top = both ? Math.max(...at.map(farthest)) : undefined;
  const panels = both
    ? store.parts!.map((part, i) => ({ name: part.stream.value.label, rows: rows[i]!, shares: shares[i]!, made: part.sides.value.query, text: spec.sides[part.stream.value.steps!.text]! }))
    : [{ name: store.parts!.map((part) => part.stream.value.label).reverse().join(" minus "), rows: difference, shares: gained(shares, made.kinds), made, text: spec.sides[stream.value.steps!.text]! }];
  useLayoutEffect(status.painted);
  const told = toldOf(store.parts!.map((part) => part.stream.value.label), [...at, rowOf(difference, step.at)], both, key.text, pointed ?? pinned);
  return (
    <>
      <Player step={step} made={made} signal={signal} />
      <div class="reader" style={{ "--shade": css((both ? SHADE : SIGNED)[mode]), "--against": css(SHADE[mode]) }}>
        <div class="texts">
          <div class="pair">
            {panels.map(({ name, ...panel }, i) => (
              <section key={name} aria-label={name} data-part={both ? i : "difference"}>
                <h3>{name}</h3>
                <Shares {...common} {...panel} signed={!both} />
                <Texts {...common} {...panel} top={top} />
              </section>
            ))}
          </div>
        </div>
        <div class="sidebar wide"><Facts told={{ title: shownText(made.text[step.at]!), about: "was made by looking at", ...told, guesses: null }} text={formatBounds} note={what} /></div>
      </div>
    </>
  );
}

/** Shares of the second less those of the first; none where one of them lacks the step. */
function gained([first, second]: number[][][], kinds: string[] | undefined): number[][] {
  return second!.map((shares, step) => shares.map((share, part) => (kinds?.[step] === "alone" ? 0 : share - first![step]![part]!)));
}

/** The strongest keys of the step: of both, or by how much they changed. */
function toldOf(names: string[], rows: Float32Array[], both: boolean, text: string[], pointed: number | null): Pick<Told, "rows" | "pair" | "columns"> {
  const [first, second, difference] = rows as [Float32Array, Float32Array, Float32Array];
  const size = both ? first.map((value, key) => Math.max(value || 0, second[key] || 0)) : difference;
  const keys = largest(size, TOLD);
  const most = Math.abs(size[keys[0] ?? 0]!) || 1;
  const row = (key: number) => {
    const [a, b] = [first, second].map((one) => boundsOf(one[key]!)) as [ReturnType<typeof boundsOf>, ReturnType<typeof boundsOf>];
    return { label: shownText(text[key]!), number: key, bounds: a, all: [a, b, between(a, b)], share: (size[key] || 0) / most };
  };
  return { rows: keys.map(row), pair: pointed === null ? null : row(pointed), columns: [...shortNames(names as [string, string]), "difference"] };
}
