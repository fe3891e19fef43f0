// The words and numbers of the expanded neuron view: column titles, a row of steps a key, and what
// one cell says.
import { sizeOf, type Shown } from "../data/filter";
import type { Row } from "../data/steps";
import { signed } from "../data/sums";
import { shownText } from "../data/tokens";
import { productAt, type HeadVectors } from "../data/vectors";
import { lackingText, SCORE_DECIMALS, stepText, stepTitle, weightText, type Title } from "../data/wording";
import type { RulesSpec, SideName, SideSpec } from "../types";
import type { View } from "./body";
import type { Span, StripLayout } from "./stripLayout";
import type { AimedCell } from "./stripPointing";

export function StripTitles({ layout, rules, keyHead }: { layout: StripLayout; rules: RulesSpec; keyHead: string }) {
  const { strips, steps } = layout;
  return (
    <div class="titles">
      <ColumnTitle span={layout.query} side="query" name="query" about="attends" />
      <ColumnTitle span={strips.q} name="q" about="vector" data="q" />
      <ColumnTitle span={layout.key} name="key" about="attended to" />
      <ColumnTitle span={strips.k} name="k" about={keyHead || "vector"} data="k" />
      <ColumnTitle span={strips.product} name="q × k" about="by neuron" data="product" />
      {steps.map(({ name, ...span }) => <ColumnTitle key={name} span={span} {...stepTitle(name, rules)} data={name} sum={name !== "weight"} />)}
    </div>
  );
}

interface ColumnTitleProps extends Title {
  span: Span;
  side?: SideName;
  data?: string;
  sum?: boolean;
}

function ColumnTitle({ span, name, about, side, data, sum }: ColumnTitleProps) {
  const classes = ["title", "strip", ...(side === "query" || sum ? ["end"] : [])];
  return (
    <div class={classes.join(" ")} data-column={data} title={about} style={{ left: `${span.left}px`, width: `${span.width}px` }}>
      <b>{name}</b>
      {about.length * 5.9 <= span.width && <span>{about}</span>}
    </div>
  );
}

interface SumsProps {
  row: Row;
  shown: Shown;
  layout: StripLayout;
  view: View;
  explained: number | null;
  sink: number | null;
}

/** One line of numbers a key in the window; they repeat what is drawn, and are read out on focus. */
export function Sums({ row, shown, layout, view, explained, sink }: SumsProps) {
  const count = sizeOf(shown.key);
  const first = Math.max(0, Math.floor(view.top / layout.row) - 2);
  const last = Math.min(count, Math.ceil((view.top + view.height) / layout.row) + 2);
  const keys = Array.from({ length: Math.max(0, last - first) }, (_, i) => shown.key.start + first + i);
  const top = (key: number) => ({ top: `${(key - shown.key.start) * layout.row}px`, lineHeight: `${layout.row}px` });
  return (
    <div class="sums" aria-hidden="true">
      {keys.map((key) => (
        <div key={key} class={sumsClass(row, key, explained)} data-key={key} style={top(key)}>
          {layout.steps.map(({ name, left, width }) => (
            <span key={name} data-step={name} style={{ left: `${left}px`, width: `${width}px` }}>{stepText(name, row, key)}</span>
          ))}
          {!row.visible[key] && (key === keys[0] || row.visible[key - 1] === 1 || Number.isNaN(row.weight[key]!)) && <Hidden layout={layout} why={Number.isNaN(row.weight[key]!) ? lackingText(row) : "hidden by the mask"} />}
        </div>
      ))}
      {sink !== null && last === count && <SinkRow row={row} sink={sink} layout={layout} style={top(shown.key.stop)} />}
    </div>
  );
}

function sumsClass(row: Row, key: number, explained: number | null): string {
  return ["sum", ...(row.visible[key] ? [] : ["hidden"]), ...(key === explained ? ["explained"] : [])].join(" ");
}

function Hidden({ layout: { strips }, why }: { layout: StripLayout; why: string }) {
  return <em style={{ left: `${strips.product.left}px` }}>{why}</em>;
}

/** A learned sink: a logit that takes its share and leads to no token. */
function SinkRow({ row, sink, layout, style }: { row: Row; sink: number; layout: StripLayout; style: Record<string, string> }) {
  const score = layout.steps.filter(({ name }) => name !== "mask" && name !== "weight").at(-1)!;
  const weight = layout.steps.at(-1)!;
  const at = ({ left, width }: Span) => ({ left: `${left}px`, width: `${width}px` });
  return (
    <div class="sum sink" data-key="sink" style={style}>
      <em style={{ left: `${layout.key.left + 10}px` }}>learned sink: a share that no token gets</em>
      <span data-step={score.name} style={at(score)}>{signed(sink, SCORE_DECIMALS)}</span>
      <span data-step="weight" style={at(weight)}>{weightText(row.sinkWeight ?? 0)}</span>
    </div>
  );
}

interface CellTipProps {
  head: HeadVectors;
  row: Row | null;
  cell: AimedCell;
  sides: Record<SideName, SideSpec>;
  shown: Shown;
  layout: StripLayout;
  room: View;
  top: number;
  shift: number;
}

const TITLES = 38;
const TIP_WIDTH = 250;

/** `neuron 17: q 1.2345 × k −0.4123 = −0.509`, beside the cell. */
export function CellTip({ head, row, cell, sides, shown, layout, room, top, shift }: CellTipProps) {
  const { strip, index, neuron } = cell;
  const side = strip === "q" ? "query" : "key";
  const place = index - shown[side].start;
  const x = layout.strips[strip].left + (neuron % layout.cell.perLine) * layout.cell.width - shift;
  const y = place * layout.row - top + TITLES;
  const style = {
    left: `${Math.min(Math.max(x - TIP_WIDTH / 2, 0), Math.max(0, room.width - TIP_WIDTH))}px`,
    top: `${y - 6}px`, transform: "translateY(-100%)",
  };
  const token = shownText(sides[side].text[index]!);
  return (
    <div role="tooltip" class="tooltip neuron-tip" data-neuron={neuron} style={style}>
      <div class="name"><b>neuron {neuron}</b><span class="quiet">{strip === "q" || !row ? `${side} ${token}` : `${shownText(sides.query.text[row.query]!)} → ${token}`}</span></div>
      <div class="product">{cellSum(head, row, cell)}</div>
    </div>
  );
}

function cellSum(head: HeadVectors, row: Row | null, cell: AimedCell): string {
  const { queries, keys, dim, of } = head;
  const { strip, index, neuron } = cell;
  if (of) return `${cellSum(of[0], row, cell)} → ${cellSum(of[1], row, cell)}: ${signed(differenceAt(head, row, cell), 3, true)}`;
  if (strip === "q") return `q ${signed(queries[index * dim + neuron]!, 4)}`;
  const k = keys[index * dim + neuron]!;
  if (!row) return `k ${signed(k, 4)}`;
  const q = queries[row.query * dim + neuron]!;
  return `q ${signed(q, 4)} × k ${signed(k, 4)} = ${signed(q * k, 3)}`;
}

function differenceAt(head: HeadVectors, row: Row | null, { strip, index, neuron }: AimedCell): number {
  if (strip !== "q" && row) return productAt(head, row.query, index, neuron);
  return (strip === "q" ? head.queries : head.keys)[index * head.dim + neuron]!;
}
