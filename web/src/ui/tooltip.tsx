// What is known about the token, or the pair of tokens, under the pointer or the focus.
import { formatBounds, meanOfPresent, sinkBounds } from "../data/numbers";
import { numberOf } from "../data/reshape";
import { missingHeads, missingPartners, otherSide, pairBounds, shownText, type Partner } from "../data/tokens";
import type { Shown } from "../data/filter";
import type { Bounds, Weights } from "../data/decode";
import type { PinnedSpec, SideName, SideSpec } from "../types";
import type { BodyHead } from "./body";

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
  place: Record<string, string>;
}

const MOST_HEADS = 16;

export function Tooltip(props: TooltipProps) {
  return (
    <div role="tooltip" class="tooltip" style={props.place}>
      {props.partner === null ? <TokenFacts {...props} /> : <PairFacts {...props} partner={props.partner} />}
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

function TokenFacts({ token, sides, shown, weights, told: heads, about, sinks, strongest }: TooltipProps) {
  const missing = missingHeads(weights, heads.map((head) => head.place), token, shown[otherSide(token.side)]);
  const gone = missingPartners(weights, heads.map((head) => head.place), token, shown[otherSide(token.side)]);
  const other = sides[otherSide(token.side)];
  const mean = (heads.length > 1 ? `mean of ${heads.length} heads` : heads[0]!.name) + about;
  return (
    <>
      <Name side={token.side} index={token.index} spec={sides[token.side]} />
      <div class="quiet">{token.side === "query" ? "attends to" : "attended to by"} ({mean})</div>
      <table>
        {strongest.slice(0, 3).map(({ index, mean }) => (
          <Row key={index} label={shownText(other.text[index]!)} value={mean} />
        ))}
        {gone > 0 && missing < heads.length && <tr><td class="quiet">{gone} {gone === 1 ? "weight" : "weights"} missing</td></tr>}
        {missing > 0 && <tr><td class="quiet">missing in {missing} of {heads.length} heads</td></tr>}
        {!strongest.length && missing < heads.length && <tr><td class="quiet">no weight above 0.005 here</td></tr>}
        {sinks && token.side === "query" && (
          <Row label="to sink" value={meanOfPresent(heads.map((head) => sinkBounds(weights, head.place, token.index)))} />
        )}
      </table>
    </>
  );
}

function Row({ label, value, color }: { label: string; value: Bounds; color?: string }) {
  return (
    <tr>
      <td class="label">{color && <i class="swatch" style={{ background: color }} />}{label}</td>
      <td class="value">{formatBounds(value)}</td>
    </tr>
  );
}

function PairFacts({ token, partner, sides, weights, heads, told, about, explains, sinks }: TooltipProps & { partner: number }) {
  const query = token.side === "query" ? token.index : partner;
  const key = token.side === "query" ? partner : token.index;
  const bounds = pairBounds(weights, heads.map((head) => head.place), { side: "query", index: query }, key);
  const rows = heads.map((head, i) => ({ head, value: bounds[i]! }));
  if (rows.length > MOST_HEADS) rows.sort((a, b) => (b.value?.[1] ?? -1) - (a.value?.[1] ?? -1));
  return (
    <>
      <Name side="query" index={query} spec={sides.query} />
      <Name side="key" index={key} spec={sides.key} />
      {(rows.length > 6 || about) && <div class="quiet">weight by head{about}</div>}
      <table class={rows.length > 6 ? "two" : ""}>
        {rows.slice(0, MOST_HEADS).map(({ head, value }) => (
          <Row key={head.number} label={rows.length > 6 ? String(head.number ?? "mean") : head.name} value={value} color={head.css} />
        ))}
      </table>
      {rows.length > MOST_HEADS && <div class="quiet">and {rows.length - MOST_HEADS} heads with less</div>}
      {told.length > 1 && <table><Row label="mean" value={meanOfPresent(bounds)} /></table>}
      {sinks && <table><Row label={`query ${numberOf(sides.query, query)} to sink`} value={meanOfPresent(told.map((h) => sinkBounds(weights, h.place, query)))} /></table>}
      {explains && <div class="quiet small">Why? Click its number, or Enter</div>}
    </>
  );
}
