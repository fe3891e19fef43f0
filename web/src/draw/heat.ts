// A cell as a heat map: one colour a code, nearest neighbour. Codes are already on a square-root
// scale, so faint weights stay visible. Missing weights are hatched.
import type { Box, Pooled } from "./cells";

export function paintHeat(image: ImageData, box: Box, cell: Pooled, ramp: Uint8ClampedArray): void {
  const pixels = new Uint32Array(image.data.buffer);
  const colors = new Uint32Array(ramp.buffer);
  const columnOf = Uint16Array.from({ length: box.width }, (_, x) => Math.floor((x * cell.columns) / box.width));
  for (let y = 0; y < box.height; y++) {
    const row = Math.floor((y * cell.rows) / box.height) * cell.columns;
    const to = (box.y + y) * image.width + box.x;
    for (let x = 0; x < box.width; x++) {
      const code = cell.codes[row + columnOf[x]!]!;
      pixels[to + x] = colors[code === 255 && (x + y) % 5 > 1 ? 0 : code]!;
    }
  }
}
