// Canvas calls as SVG: the part of CanvasRenderingContext2D that our drawing uses, written down as
// elements instead of painted. Text is escaped and stays text.

type Points = string[];

const number = (value: number) => String(Math.round(value * 100) / 100);
const KEPT = ["globalAlpha", "strokeStyle", "fillStyle", "lineWidth", "font"] as const;

export function escaped(text: string): string {
  // Control characters are not allowed in XML, whatever they are written as.
  // eslint-disable-next-line no-control-regex
  return text.replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, "\ufffd").replace(/[&<>"']/g, (letter) => `&#${letter.charCodeAt(0)};`);
}

export class Recorder {
  globalAlpha = 1;
  strokeStyle = "#000";
  fillStyle = "#000";
  lineWidth = 1;
  font = "";
  readonly out: string[] = [];
  #path: Points = [];
  #states: { open: number; kept: unknown[] }[] = [];
  #open = 0;
  #clips = 0;

  constructor(private readonly id: string) {}

  save(): void {
    this.#states.push({ open: this.#open, kept: KEPT.map((name) => this[name]) });
  }

  restore(): void {
    const state = this.#states.pop();
    if (!state) return;
    for (; this.#open > state.open; this.#open--) this.out.push("</g>");
    KEPT.forEach((name, i) => ((this as Record<string, unknown>)[name] = state.kept[i]));
  }

  #group(attributes: string): void {
    this.out.push(`<g ${attributes}>`);
    this.#open++;
  }

  translate(x: number, y: number): void {
    this.#group(`transform="translate(${number(x)} ${number(y)})"`);
  }

  rotate(angle: number): void {
    this.#group(`transform="rotate(${number((angle * 180) / Math.PI)})"`);
  }

  beginPath(): void {
    this.#path = [];
  }

  moveTo(x: number, y: number): void {
    this.#path.push(`M${number(x)} ${number(y)}`);
  }

  lineTo(x: number, y: number): void {
    this.#path.push(`L${number(x)} ${number(y)}`);
  }

  quadraticCurveTo(cx: number, cy: number, x: number, y: number): void {
    this.#path.push(`Q${number(cx)} ${number(cy)} ${number(x)} ${number(y)}`);
  }

  rect(x: number, y: number, width: number, height: number): void {
    this.#path.push(`M${number(x)} ${number(y)}h${number(width)}v${number(height)}h${number(-width)}z`);
  }

  roundRect(x: number, y: number, width: number, height: number, radius: number): void {
    const r = Math.min(radius, width / 2, height / 2);
    if (r <= 0) return this.rect(x, y, width, height);
    const arc = (dx: number, dy: number) => `a${number(r)} ${number(r)} 0 0 1 ${number(dx)} ${number(dy)}`;
    this.#path.push(
      `M${number(x + r)} ${number(y)}h${number(width - 2 * r)}${arc(r, r)}v${number(height - 2 * r)}${arc(-r, r)}h${number(2 * r - width)}${arc(-r, -r)}v${number(2 * r - height)}${arc(r, -r)}z`,
    );
  }

  clip(): void {
    const id = `${this.id}-${this.#clips++}`;
    this.out.push(`<clipPath id="${id}"><path d="${this.#path.join("")}"/></clipPath>`);
    this.#group(`clip-path="url(#${id})"`);
  }

  #paint(attributes: string, d = this.#path.join("")): void {
    const alpha = this.globalAlpha < 1 ? ` opacity="${Number(this.globalAlpha.toPrecision(3))}"` : "";
    if (d) this.out.push(`<path d="${d}" ${attributes}${alpha}/>`);
  }

  stroke(): void {
    this.#paint(`fill="none" stroke="${escaped(this.strokeStyle)}" stroke-width="${number(this.lineWidth)}"`);
  }

  fill(): void {
    this.#paint(`fill="${escaped(this.fillStyle)}"`);
  }

  fillRect(x: number, y: number, width: number, height: number): void {
    this.#paint(`fill="${escaped(this.fillStyle)}"`, `M${number(x)} ${number(y)}h${number(width)}v${number(height)}h${number(-width)}z`);
  }

  /** `width`: what the text takes on the screen, whatever font it is shown in elsewhere. */
  fillText(text: string, x: number, y: number, width: number): void {
    const alpha = this.globalAlpha < 1 ? ` opacity="${Number(this.globalAlpha.toPrecision(3))}"` : "";
    const length = text.length > 1 && width > 0 ? ` textLength="${number(width)}" lengthAdjust="spacingAndGlyphs"` : "";
    this.out.push(
      `<text x="${number(x)}" y="${number(y)}" style="font:${escaped(this.font)};white-space:pre" fill="${escaped(this.fillStyle)}"${length}${alpha}>${escaped(text)}</text>`,
    );
  }

  drawImage(canvas: HTMLCanvasElement, x: number, y: number, width: number, height: number): void {
    this.out.push(
      `<image x="${number(x)}" y="${number(y)}" width="${number(width)}" height="${number(height)}" preserveAspectRatio="none" href="${canvas.toDataURL()}"/>`,
    );
  }

  svg(width: number, height: number): string {
    while (this.#states.length) this.restore();
    return `<svg xmlns="http://www.w3.org/2000/svg" width="${number(width)}" height="${number(height)}" viewBox="0 0 ${number(width)} ${number(height)}">${this.out.join("")}</svg>`;
  }
}
