// What a view shows, drawn again: its boxes, texts and canvases, in the order of the page, on a
// real canvas (PNG) or a recorder (SVG). Controls that only a screen needs are left out.
import { replays } from "../draw/canvas";
import type { Recorder } from "./recorder";

export type Pen = CanvasRenderingContext2D | Recorder;

const SKIPPED = ".sr, .tooltip, .stepper button, button.plain, .field:has(.switch), .switch, .close, .sign, input, .help, .foot a";
/** Larger drawings become an image in an SVG. */
const LARGEST = 4_000_000;

export function drawView(pen: Pen, root: HTMLElement): void {
  const { left, top, width, height } = root.getBoundingClientRect();
  pen.save();
  pen.translate(-left, -top);
  pen.fillStyle = getComputedStyle(root).backgroundColor;
  pen.fillRect(left, top, width, height);
  element(pen, root, 1, 0);
  pen.restore();
}

/** `around` is the opacity and `turn` the rotation of what it stands in. */
function element(pen: Pen, el: Element, around: number, turn: number): void {
  const style = getComputedStyle(el);
  if (el.matches(SKIPPED) || style.display === "none" || style.visibility === "hidden") return;
  const box = el.getBoundingClientRect();
  const alpha = around * Number(style.opacity);
  turn += angleOf(style);
  pen.save();
  pen.globalAlpha = alpha;
  if (el.tagName !== "SELECT") ground(pen, box, style);
  if (el instanceof HTMLCanvasElement) picture(pen, el, box);
  else if (el instanceof HTMLSelectElement) letters(pen, el.selectedOptions[0]?.text ?? "", box.left + 9, box, style, 0);
  else children(pen, el, box, style, alpha, turn);
  pen.restore();
}

function angleOf({ transform, writingMode }: CSSStyleDeclaration): number {
  const [a, b] = transform.match(/matrix\(([^,]+), ([^,]+)/)?.slice(1).map(Number) ?? [1, 0];
  return Math.atan2(b!, a!) + (writingMode.startsWith("vertical") ? Math.PI / 2 : 0);
}

function children(pen: Pen, el: Element, box: DOMRect, style: CSSStyleDeclaration, alpha: number, turn: number): void {
  const clipped = style.overflowX !== "visible" || style.overflowY !== "visible";
  if (clipped) pen.beginPath(), pen.rect(box.left, box.top, box.width, box.height), pen.clip();
  for (const child of el.childNodes) {
    if (child instanceof Text) words(pen, child, el, style, turn);
    else if (child instanceof Element) {
      const { top, bottom } = child.getBoundingClientRect();
      if (!clipped || (bottom > box.top && top < box.bottom)) element(pen, child, alpha, turn);
      pen.globalAlpha = alpha;
    }
  }
}

function ground(pen: Pen, { left, top, width, height }: DOMRect, style: CSSStyleDeclaration): void {
  const radius = parseFloat(style.borderTopLeftRadius) || 0;
  const shape = (inset: number) => {
    pen.beginPath();
    pen.roundRect(left + inset, top + inset, width - 2 * inset, height - 2 * inset, Math.max(0, radius - inset));
  };
  if (!/rgba\(.*, 0\)|transparent/.test(style.backgroundColor)) {
    pen.fillStyle = style.backgroundColor;
    shape(0);
    pen.fill();
  }
  const ring = style.boxShadow.match(/^(\S.*\)) 0px 0px 0px ([\d.]+)px( inset)?$/);
  if (ring) {
    const line = Number(ring[2]);
    [pen.strokeStyle, pen.lineWidth] = [ring[1]!, line];
    shape(ring[3] ? line / 2 : -line / 2);
    pen.stroke();
  }
  borders(pen, left, top, width, height, style, shape);
}

function borders(
  pen: Pen, left: number, top: number, width: number, height: number, style: CSSStyleDeclaration, shape: (inset: number) => void,
): void {
  const [t, r, b, l] = [style.borderTopWidth, style.borderRightWidth, style.borderBottomWidth, style.borderLeftWidth].map(parseFloat) as [number, number, number, number];
  if (t && t === r && t === b && t === l) {
    [pen.strokeStyle, pen.lineWidth] = [style.borderTopColor, t];
    shape(t / 2);
    return pen.stroke();
  }
  const side = (color: string, x: number, y: number, w: number, h: number) => {
    if (!w || !h) return;
    pen.fillStyle = color;
    pen.fillRect(x, y, w, h);
  };
  side(style.borderTopColor, left, top, width, t);
  side(style.borderBottomColor, left, top + height - b, width, b);
  side(style.borderLeftColor, left, top, l, height);
  side(style.borderRightColor, left + width - r, top, r, height);
}

function words(pen: Pen, node: Text, el: Element, style: CSSStyleDeclaration, turn: number): void {
  if (!node.data.trim()) return;
  const range = el.ownerDocument.createRange();
  range.selectNodeContents(node);
  const rects = [...range.getClientRects()];
  if (Math.abs(Math.sin(turn)) > 0.5) return turned(pen, node.data, rects[0], style, turn);
  const lines = rects.length > 1 ? linesOf(node, range) : [[node.data, rects[0]] as const];
  const own = el.getBoundingClientRect();
  for (const [text, rect] of lines) {
    if (!rect?.width) continue;
    const over = style.textOverflow === "ellipsis" && rect.width > own.width + 0.5;
    letters(pen, text, rect.left, rect, style, over ? own.width : rect.width, over);
  }
}

/** The lines that a text is broken into. */
function linesOf(node: Text, range: Range): [string, DOMRect][] {
  const lines: [string, DOMRect][] = [];
  const places = [...node.data.matchAll(/\S+\s*/g)];
  for (const { 0: word, index } of places) {
    range.setStart(node, index);
    range.setEnd(node, index + word.trimEnd().length);
    const rect = range.getBoundingClientRect();
    const last = lines.at(-1);
    if (last && Math.abs(last[1].top - rect.top) < 2)
      lines[lines.length - 1] = [`${last[0]} ${word.trimEnd()}`, new DOMRect(last[1].left, last[1].top, rect.right - last[1].left, rect.height)];
    else lines.push([word.trimEnd(), rect]);
  }
  return lines;
}

function letters(pen: Pen, text: string, left: number, rect: DOMRect, style: CSSStyleDeclaration, width: number, cut = false): void {
  pen.font = `${style.fontStyle === "normal" ? "" : "italic "}${style.fontWeight} ${style.fontSize} ${style.fontFamily}`;
  pen.fillStyle = style.color;
  const size = parseFloat(style.fontSize);
  const shown = cut ? shortened(text, pen.font, width) : text;
  const taken = cut || !width ? measured(shown, pen.font) : width;
  pen.fillText(shown.trimEnd(), left, rect.top + rect.height / 2 + size * 0.35, taken);
}

let measuring: CanvasRenderingContext2D | null = null;

function measured(text: string, font: string): number {
  measuring ??= document.createElement("canvas").getContext("2d")!;
  measuring.font = font;
  return measuring.measureText(text).width;
}

function shortened(text: string, font: string, width: number): string {
  let end = text.length;
  while (end && measured(`${text.slice(0, end)}…`, font) > width) end--;
  return `${text.slice(0, end)}…`;
}

/** A text that runs up or down. */
function turned(pen: Pen, text: string, rect: DOMRect | undefined, style: CSSStyleDeclaration, turn: number): void {
  if (!rect?.height) return;
  pen.save();
  pen.translate(rect.left + rect.width / 2, rect.top + rect.height / 2);
  pen.rotate(turn);
  letters(pen, text, -rect.height / 2, new DOMRect(0, -rect.width / 2, rect.height, rect.width), style, rect.height);
  pen.restore();
}

function picture(pen: Pen, canvas: HTMLCanvasElement, box: DOMRect): void {
  if (!canvas.width || !box.width) return;
  const replay = replays.get(canvas);
  if (!replay) return pen.drawImage(canvas, box.left, box.top, box.width, box.height);
  pen.save();
  pen.beginPath();
  pen.rect(box.left, box.top, box.width, box.height);
  pen.clip();
  pen.translate(box.left, box.top);
  const before = "out" in pen ? pen.out.length : 0;
  replay(pen as CanvasRenderingContext2D);
  if ("out" in pen && size(pen, before) > LARGEST) {
    pen.out.length = before;
    pen.drawImage(canvas, 0, 0, box.width, box.height);
  }
  pen.restore();
}

function size(pen: Recorder, from: number): number {
  let sum = 0;
  for (let i = from; i < pen.out.length; i++) sum += pen.out[i]!.length;
  return sum;
}
