// The same text of two traces: side by side, what is pointed at in one pointed at in the other; or
// one text shaded by what the second has more, or less, than the first.
import { useMemo } from "preact/hooks";
import { fieldBetween } from "../data/field";
import { shortNames } from "../data/difference";
import { Shaded, type TextProps } from "./text";
import { useCut, useText } from "./textData";

export function ComparedText({ view, tell, ready }: Omit<TextProps, "stream">) {
  const { store } = view;
  const whole = store.stream.value;
  const streams = store.parts!.map(({ stream }) => stream.value);
  const texts = streams.map((stream) => useText(view, stream));
  const merged = useCut(view, whole);
  const names = streams.map(({ label }) => label) as [string, string];
  const [first, second] = texts.map(({ field }) => field);
  const difference = useMemo(() => (first && second ? fieldBetween(first, second) : null), [first, second]);
  const columns = useMemo(
    () => (difference ? { sides: merged.cut.sides, names: [...shortNames(names), "difference"], fields: [first!, second!, difference] } : undefined),
    [difference, merged.cut],
  );
  const common = { view, tell, ready, whole, columns };
  if (store.state.show.value === "difference")
    return (
      <section data-part="difference" aria-label={`${names[1]} minus ${names[0]}`}>
        <h3>{names[1]} minus {names[0]}</h3>
        <Shaded {...common} {...merged} stream={whole} field={difference} problem={texts[0]!.problem ?? texts[1]!.problem} />
      </section>
    );
  return (
    <div class="pair">
      {texts.map((text, i) => (
        <section key={i} data-part={i} aria-label={names[i]}>
          <h3>{names[i]}</h3>
          <Shaded {...common} {...text} stream={streams[i]!} field={columns ? text.field : null} alike={columns?.fields.slice(0, 2)} />
        </section>
      ))}
    </div>
  );
}
