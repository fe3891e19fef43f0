// "Why this number": the sum behind one weight, term by term, from neurons to softmax.
import type { ComponentChildren } from "preact";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { sizeOf, type Shown } from "../data/filter";
import { rowOf, type Row } from "../data/steps";
import { signed, unitsText } from "../data/sums";
import { shownText } from "../data/tokens";
import type { HeadVectors } from "../data/vectors";
import { accountOf, rival, shareOfTop, UNIT, type Account, type Listed } from "../data/why";
import { lackingText, SCORE_DECIMALS, scalingText, weightText } from "../data/wording";
import type { Mode } from "../draw/color";
import { css } from "../draw/color";
import { NEGATIVE, POSITIVE } from "../draw/strips";
import type { SideName, SideSpec } from "../types";

export interface WhyProps {
  head: HeadVectors;
  row: Row;
  /** The key whose weight is explained. */
  at: number;
  sides: Record<SideName, SideSpec>;
  shown: Shown;
  mode: Mode;
  where: string;
  close(): void;
  /** Chooses between several heads. */
  which?: ComponentChildren;
}

const LISTED = 8;

export function Why(props: WhyProps) {
  const { head, row, at, sides, where, close, which } = props;
  const [every, setEvery] = useState(false);
  const account = accountOf(head, row, at, every ? head.dim : LISTED);
  const names = `${shownText(sides.query.text[row.query]!)} → ${shownText(sides.key.text[at]!)}`;
  const weight = weightText(row.weight[at]!);
  return (
    <WhyBox title={`Why ${weight}?`} pair={`${row.query}/${at}`} close={close} which={which}>
      <div class="quiet">{names} · query {row.query}, key {at} · {where}</div>
      <div class="sr" aria-live="polite">{`Why ${weight}: ${names}, score ${unitsText(account.score, SCORE_DECIMALS)}`}</div>
      <div class="parts">
        <section>
          <h4>1 · The score, neuron by neuron</h4>
          <Neurons account={account} every={every} setEvery={setEvery} {...props} />
        </section>
        <section>
          <h4>2 · From score to weight</h4>
          {row.visible[at] ? <Chain account={account} {...props} /> : <p data-line="hidden">The mask hides this key from the query, so its weight is 0 whatever the score.</p>}
        </section>
      </div>
    </WhyBox>
  );
}

interface WhysProps extends Omit<WhyProps, "head" | "row" | "sides" | "where"> {
  /** One; of a comparison the first and the second. */
  sums: Pick<WhyProps, "head" | "sides" | "where">[];
  query: number;
}

/** The sums of one pair of tokens, side by side. */
export function Whys({ sums, query, ...common }: WhysProps) {
  const rows = useMemo(() => sums.map(({ head }) => rowOf(head, query)), [query, ...sums.map(({ head }) => head)]);
  return (
    <div class={sums.length > 1 ? "whys" : "whys one"}>
      {sums.map((sum, i) =>
        Number.isNaN(rows[i]!.weight[common.at]!)
          ? <WhyBox key={i} title={sum.where} close={common.close}><p data-line="lacking">One of the two tokens is {lackingText(rows[i]!)}.</p></WhyBox>
          : <Why key={i} {...sum} {...common} row={rows[i]!} />,
      )}
    </div>
  );
}

export function WhyBox({ title, pair, close, which, children }: { title: string; pair?: string; close(): void; which?: ComponentChildren; children: ComponentChildren }) {
  const panel = useRef<HTMLElement>(null);
  useEffect(() => panel.current!.scrollIntoView({ block: "nearest" }), [pair]);
  return (
    <section class="why" ref={panel} aria-label={title} data-why={pair ?? ""}>
      <div class="panelhead">
        <h3>{title}</h3>
        {which}
        <button type="button" class="close" aria-label="Close" title="Close (Escape)" onClick={close}>×</button>
      </div>
      {children}
    </section>
  );
}

type PartProps = WhyProps & { account: Account };

function Neurons({ account, head, mode, every, setEvery }: PartProps & { every: boolean; setEvery(value: boolean): void }) {
  const most = Math.max(...account.terms.map(({ units }) => Math.abs(units)), 1);
  const scaling = head.rules.scaling === 1 ? "" : ` ${scalingText(head.rules)}`;
  return (
    <>
      <div class={every ? "every" : ""}>
        <table>
          <thead><tr><th>neuron</th><th>q</th><th>k</th><th>q × k{scaling}</th><th class="track" /></tr></thead>
          <tbody>
            {account.terms.map((term) => <TermRow key={term.neuron} term={term} most={most} mode={mode} />)}
            {account.rest.count > 0 && (
              <tr data-line="rest"><td colSpan={3}>{account.rest.count} other neurons</td><td data-value>{unitsText(account.rest.units, SCORE_DECIMALS)}</td><td /></tr>
            )}
            <tr class="total" data-line="scaled"><td colSpan={3}>q · k{scaling}</td><td data-value>{unitsText(account.scaled, SCORE_DECIMALS)}</td><td /></tr>
          </tbody>
        </table>
      </div>
      {!every && <Share account={account} />}
      {head.dim > LISTED && <button type="button" class="more" aria-expanded={every} onClick={() => setEvery(!every)}>{every ? `Only the top ${LISTED}` : `All ${head.dim} neurons`}</button>}
    </>
  );
}

function TermRow({ term, most, mode }: { term: Listed; most: number; mode: Mode }) {
  return (
    <tr data-line="term" data-neuron={term.neuron}>
      <td>{term.neuron}</td><td>{signed(term.q, 3)}</td><td>{signed(term.k, 3)}</td>
      <td data-value>{unitsText(term.units, SCORE_DECIMALS)}</td>
      <Track units={term.units} most={most} mode={mode} />
    </tr>
  );
}

/** A bar from the middle: right for what adds, left for what takes away. */
function Track({ units, most, mode }: { units: number; most: number; mode: Mode }) {
  const width = Math.min(1, Math.abs(units) / most) * 40;
  const color = css(units < 0 ? NEGATIVE[mode] : POSITIVE[mode]);
  return <td class="track" aria-hidden="true"><i style={{ left: `${units < 0 ? 42 - width : 42}px`, width: `${width}px`, background: color }} /></td>;
}

function Share({ account }: { account: Account }) {
  const share = shareOfTop(account);
  if (share === null || !account.rest.count) return null;
  const percent = Math.round(share * 100);
  const back = percent > 100 ? "; the others take the rest back" : "";
  return <p data-line="share">The top {account.terms.length} neurons make {percent} % of the score{back}.</p>;
}

function Chain(props: PartProps) {
  const { account, head, row, at } = props;
  const { rules } = head;
  const text = (units: number) => unitsText(units, SCORE_DECIMALS);
  return (
    <>
      <table>
        <tbody>
          <Line name="sum" label={rules.scaling === 1 ? "q · k" : `q · k ${scalingText(rules)}`} value={text(account.scaled)} />
          {rules.softcap !== null && <Line name="capped" label={`softcap: ${rules.softcap} · tanh(score ÷ ${rules.softcap})`} value={text(account.capped)} />}
          {head.bias && <Line name="bias" label="+ bias" value={unitsText(account.bias, SCORE_DECIMALS, true)} />}
          {head.bias && <Line name="score" label="= score" value={text(account.score)} />}
          <Softmax {...props} />
          <Line name="weight" label="= weight" value={weightText(row.weight[at]!)} total />
        </tbody>
      </table>
      <Rival {...props} />
    </>
  );
}

function Line({ name, label, value, total }: { name: string; label: string; value: string; total?: boolean }) {
  return <tr class={total ? "total" : ""} data-line={name}><td class="wide-cell">{label}</td><td data-value>{value}</td></tr>;
}

/** Five decimals here: an exponential needs them to come out right in four. */
function Softmax({ head, row, at, shown }: PartProps) {
  const seen = row.visible.reduce((sum, one) => sum + one, 0);
  const part = sizeOf(shown.key) < head.nKey ? ", also those not shown" : "";
  const sink = row.sinkExp === null ? "" : ` and the sink (${row.sinkExp.toFixed(4)})`;
  const hidden = seen < head.nKey ? " visible" : "";
  return (
    <>
      <Line name="exp" label={`e^(score − largest) = e^(${signed(row.score[at]!, 5)} − ${signed(row.top, 5)})`} value={row.exp[at]!.toFixed(4)} />
      <Line name="total" label={`÷ the same of all ${seen}${hidden} keys${sink}${part}`} value={row.total.toFixed(4)} />
    </>
  );
}

function Rival({ row, at, sides }: PartProps) {
  const other = rival(row, at);
  if (other === null) return null;
  const gap = row.score[at]! - row.score[other]!;
  const factor = Math.exp(Math.abs(gap));
  const times = factor >= 1000 ? "over 1,000" : factor.toPrecision(factor < 10 ? 3 : factor < 100 ? 2 : 3);
  return (
    <p data-line="rival">
      {gap >= 0 ? "Next" : "Largest"}: {shownText(sides.key.text[other]!)} with {weightText(row.weight[other]!)}. Its score is {(Math.round(Math.abs(gap) * UNIT) / UNIT).toFixed(SCORE_DECIMALS)}{" "}
      {gap >= 0 ? "lower" : "higher"}, so {gap >= 0 ? "this" : "its"} weight is e^{Math.abs(gap).toFixed(SCORE_DECIMALS)} = {times} times as large.
    </p>
  );
}
