// Two buttons under a view: what is on the screen, as an SVG or PNG file. No request is
// made: the file is a Blob of this page.
import { Recorder } from "./recorder";
import { drawView } from "./walk";

const SCALE = 2;

export function saveMenu(inside: HTMLElement, name: string): HTMLElement {
  const doc = inside.ownerDocument;
  const menu = doc.createElement("div");
  menu.className = "save";
  menu.setAttribute("role", "group");
  menu.setAttribute("aria-label", "Save the picture");
  menu.append("Save as");
  for (const kind of ["SVG", "PNG"] as const) {
    const button = doc.createElement("button");
    button.type = "button";
    button.textContent = kind;
    button.setAttribute("aria-label", `Save as ${kind}`);
    button.addEventListener("click", () => {
      const root = inside.querySelector<HTMLElement>(".root");
      if (root) void (kind === "SVG" ? svgOf(root) : pngOf(root)).then((blob) => offer(doc, blob, `attnscope-${name}.${kind.toLowerCase()}`));
    });
    menu.append(button);
  }
  return menu;
}

async function svgOf(root: HTMLElement): Promise<Blob> {
  const { width, height } = root.getBoundingClientRect();
  const pen = new Recorder(`clip-${Math.random().toString(36).slice(2, 8)}`);
  drawView(pen, root);
  return new Blob([pen.svg(width, height)], { type: "image/svg+xml" });
}

async function pngOf(root: HTMLElement): Promise<Blob> {
  const { width, height } = root.getBoundingClientRect();
  const canvas = root.ownerDocument.createElement("canvas");
  [canvas.width, canvas.height] = [Math.ceil(width * SCALE), Math.ceil(height * SCALE)];
  const pen = canvas.getContext("2d")!;
  pen.scale(SCALE, SCALE);
  drawView(pen, root);
  return new Promise((resolve, reject) => canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("The picture is too large."))), "image/png"));
}

function offer(doc: Document, blob: Blob, name: string): void {
  const link = doc.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  doc.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
