// What is known about the token, or the pair of tokens, under the pointer or the focus.
import { formatBounds, formatSigned, meanOfPresent, outsideText, sinkBounds } from "../data/numbers";
import { meanOutside, numberOf } from "../data/reshape";
import { missingHeads, missingPartners, otherSide, pairBounds, shownText, type Partner } from "../data/tokens";
import type { Shown } from "../data/filter";
import type { Weights } from "../data/decode";
import type { PinnedSpec, SideName, SideSpec } from "../types";
import type { BodyHead } from "./body";
import { Guessed, type Guesses } from "./guesses";

export interface TooltipProps {
  token: PinnedSpec;
  /** A token of the other side, for the pair's own numbers. */
  partner: number | null;
  sides: Record<SideName, SideSpec>;
  shown: Shown;
  weights: Weights;
  heads: BodyHead[];
  /** What is printed for all heads together: the mean alone where it is shown. */
  told: BodyHead[];
  /** What was done to the weights: "rows renormalised". */
  about: string;
  /** A click tells how a weight comes about. */
  explains: boolean;
  sinks: boolean;
  strongest: Partner[];
  /** What is printed of each pair, where that is more than its weight. */
  columns?: { name: string; weights: Weights }[] | undefined;
  /** What was predicted at the token. */
  guesses: Guesses | null;
  place: Record<string, string>;
}

const MOST_HEADS = 16;

/** Pixels between the columns of tokens that numbers side by side need. */
const BESIDE = 230;

export function Tooltip(props: TooltipProps) {
  const narrow = props.columns && parseFloat(props.place.maxWidth ?? "") < BESIDE;
  return (
    <div role="tooltip" class={`tooltip${props.columns ? " columns" : ""}${narrow ? " narrow" : ""}`} style={props.place}>
      {narrow ? <NarrowFacts {...props} /> : props.partner === null ? <TokenFacts {...props} /> : <PairFacts {...props} partner={props.partner} />}
      {props.guesses && <Guessed {...props.guesses} />}
    </div>
  );
}

export function Name({ side, index, spec }: { side: SideName; index: number; spec: SideSpec }) {
  const [text, raw] = [spec.text[index] ?? "", spec.raw[index] ?? ""];
  const segment = spec.segments.length > 1 && spec.segments.find((s) => index >= s.start && index < s.stop);
  return (
    <div class="name">
      <b>{shownText(text)}</b>
      <span class="quiet">
        {side} {numberOf(spec, index)}
        {segment ? ` · ${segment.name}` : ""}
        {raw !== text && <> · <code>{raw}</code></>}
      </span>
    </div>
  );
}

function TokenFacts({ token, sides, shown, weights, told: heads, about, sinks, strongest, columns }: TooltipProps) {
  const missing = missingHeads(weights, heads.map((head) => head.place), token, shown[otherSide(token.side)]);
  const gone = missingPartners(weights, heads.map((head) => head.place), token, shown[otherSide(token.side)]);
  const other = sides[otherSide(token.side)];
  const mean = (heads.length > 1 ? `mean of ${heads.length} heads` : heads[0]!.name) + about;
  return (
    <>
      <Name side={token.side} index={token.index} spec={sides[token.side]} />
      <div class="quiet">{token.side === "query" ? "attends to" : "attended to by"} ({mean})</div>
      <table>
        {strongest.length > 0 && <Heading columns={columns} />}
        {strongest.slice(0, 3).map(({ index }) => (
          <Row key={index} label={shownText(other.text[index]!)} values={textsOf(weights, columns, heads, token, index)} />
        ))}
        {gone > 0 && missing < heads.length && <tr><td class="quiet" colSpan={4}>{gone} {gone === 1 ? "weight" : "weights"} missing</td></tr>}
        {missing > 0 && <tr><td class="quiet" colSpan={4}>missing in {missing} of {heads.length} heads</td></tr>}
        {!strongest.length && missing < heads.length && <tr><td class="quiet" colSpan={4}>no weight above 0.005 here</td></tr>}
        {weights.outside && token.side === "query" && <tr><td class="quiet" colSpan={4}>{outsideText(meanOutside(heads.map(({ place }) => weights.outside!(place, token.index))))} the keys shown</td></tr>}
        {sinks && token.side === "query" && (
          <Row label="to sink" values={[formatBounds(meanOfPresent(heads.map((head) => sinkBounds(weights, head.place, token.index))))]} />
        )}
      </table>
    </>
  );
}

/** Of a comparison where there is little room: one number a line; of a token, what changed most. */
function NarrowFacts(props: TooltipProps) {
  const { token, partner, sides, weights, told, about, columns, strongest } = props;
  const other = otherSide(token.side);
  const mean = (told.length > 1 ? `mean of ${told.length} heads` : told[0]!.name) + about;
  const texts = (index: number) => textsOf(weights, columns, told, token, index);
  const rows = partner === null ? strongest.slice(0, 3).map(({ index }) => [shownText(sides[other].text[index]!), texts(index).at(-1)!] as const) : columns!.map(({ name }, i) => [name, texts(partner)[i]!] as const);
  const text = (side: SideName, index: number) => <b>{shownText(sides[side].text[index]!)}</b>;
  return (
    <>
      <div class="name">{text(token.side, token.index)}{partner !== null && <>{token.side === "query" ? "→" : "←"} {text(other, partner)}</>}</div>
      <div class="quiet small">{partner === null ? `difference ${token.side === "query" ? "to" : "from"}, ` : ""}{mean}</div>
      <table>{rows.map(([label, value], i) => <Row key={i} label={label} values={[value]} />)}</table>
    </>
  );
}

function Row({ label, values, color }: { label: string; values: string[]; color?: string }) {
  return (
    <tr>
      <td class="label">{color && <i class="swatch" style={{ background: color }} />}{label}</td>
      {values.map((value, i) => <td key={i} class="value">{value}</td>)}
    </tr>
  );
}

function Heading({ columns }: Pick<TooltipProps, "columns">) {
  return columns ? <tr class="quiet small"><td />{columns.map(({ name }) => <td key={name} class="value">{name}</td>)}</tr> : null;
}

/** The mean over the heads between a token and its partner: a text a column. */
function textsOf(weights: Weights, columns: TooltipProps["columns"], heads: BodyHead[], token: PinnedSpec, partner: number): string[] {
  const places = heads.map(({ place }) => place);
  return (columns ?? [{ weights }]).map((one) => (one.weights.signed ? formatSigned : formatBounds)(meanOfPresent(pairBounds(one.weights, places, token, partner)), columns ? 3 : 4));
}

function PairFacts({ token, partner, sides, weights, heads, told, about, explains, sinks, columns }: TooltipProps & { partner: number }) {
  const query = token.side === "query" ? token.index : partner;
  const key = token.side === "query" ? partner : token.index;
  const bounds = pairBounds(weights, heads.map((head) => head.place), { side: "query", index: query }, key);
  const rows = heads.map((head, i) => ({ head, value: bounds[i]! }));
  const texts = (all: BodyHead[]) => textsOf(weights, columns, all, { side: "query", index: query }, key);
  if (rows.length > MOST_HEADS) rows.sort((a, b) => (b.value?.[1] ?? -1) - (a.value?.[1] ?? -1));
  return (
    <>
      <Name side="query" index={query} spec={sides.query} />
      <Name side="key" index={key} spec={sides.key} />
      {(rows.length > 6 || about) && <div class="quiet">weight by head{about}</div>}
      <table class={rows.length > 6 && !columns ? "two" : ""}>
        <Heading columns={columns} />
        {rows.slice(0, MOST_HEADS).map(({ head }) => (
          <Row key={head.number} label={rows.length > 6 ? String(head.number ?? "mean") : head.name} values={texts([head])} color={head.css} />
        ))}
        {columns && told.length > 1 && <Row label="mean" values={texts(told)} />}
      </table>
      {rows.length > MOST_HEADS && <div class="quiet">and {rows.length - MOST_HEADS} heads with less</div>}
      {!columns && told.length > 1 && <table><Row label="mean" values={[formatBounds(meanOfPresent(bounds))]} /></table>}
      {sinks && <table><Row label={`query ${numberOf(sides.query, query)} to sink`} values={[formatBounds(meanOfPresent(told.map((h) => sinkBounds(weights, h.place, query))))]} /></table>}
      {explains && <div class="quiet small">Why? Click its number, or Enter</div>}
    </>
  );
}
