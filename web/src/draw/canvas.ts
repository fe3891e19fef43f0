// A canvas that is sharp on every screen, and one repaint a frame however often it is asked for.

/** Sizes the canvas for the screen's pixel ratio; drawing is then in CSS pixels. */
export function sized(canvas: HTMLCanvasElement, width: number, height: number): CanvasRenderingContext2D {
  const ratio = pixelRatio(canvas);
  const [w, h] = [Math.max(1, Math.round(width * ratio)), Math.max(1, Math.round(height * ratio))];
  if (canvas.width !== w || canvas.height !== h) {
    canvas.width = w;
    canvas.height = h;
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
  }
  const context = canvas.getContext("2d")!;
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return context;
}

export function pixelRatio(el: Element): number {
  return el.ownerDocument.defaultView?.devicePixelRatio || 1;
}

/** Calls `paint` once in the next frame. */
export function framed(paint: () => void): { request(): void; cancel(): void } {
  let frame = 0;
  return {
    request() {
      frame ||= requestAnimationFrame(() => {
        frame = 0;
        paint();
      });
    },
    cancel() {
      cancelAnimationFrame(frame);
      frame = 0;
    },
  };
}

/** Keeps a finished picture as long as what it shows is the same. */
export class Kept {
  #of: readonly unknown[] = [];
  #copy: HTMLCanvasElement | null = null;

  /** Draws the kept picture of `of` if there is one. */
  restore(context: CanvasRenderingContext2D, of: readonly unknown[]): boolean {
    if (!this.#copy || of.length !== this.#of.length || of.some((part, i) => part !== this.#of[i])) return false;
    context.save();
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.drawImage(this.#copy, 0, 0);
    context.restore();
    return true;
  }

  keep(canvas: HTMLCanvasElement, of: readonly unknown[]): void {
    this.#of = of;
    this.#copy ??= canvas.ownerDocument.createElement("canvas");
    this.#copy.width = canvas.width;
    this.#copy.height = canvas.height;
    this.#copy.getContext("2d")!.drawImage(canvas, 0, 0);
  }
}

/** How a canvas was last drawn, for drawing the same elsewhere: on a larger canvas, or as SVG. */
export const replays = new WeakMap<HTMLCanvasElement, (context: CanvasRenderingContext2D) => void>();

let measuring: CanvasRenderingContext2D | null = null;

/** The width of the widest text, in CSS pixels. */
export function widest(texts: string[], font: string): number {
  measuring ??= document.createElement("canvas").getContext("2d")!;
  measuring.font = font;
  let width = 0;
  for (const text of texts) width = Math.max(width, measuring.measureText(text.slice(0, 80)).width);
  return width;
}
