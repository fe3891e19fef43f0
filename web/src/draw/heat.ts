// A cell as a heat map: one colour a code, nearest neighbour. Codes are already on a square-root
// scale, so faint weights stay visible. Missing weights are hatched.
import type { Box, Pooled } from "./cells";

const MISSING = 255;
const MOST = 254;

/** `lost`, of a difference: the ramp then runs from all lost over none to all gained. */
export function paintHeat(image: ImageData, box: Box, cell: Pooled, ramp: Uint8ClampedArray, lost?: Pooled): void {
  const pixels = new Uint32Array(image.data.buffer);
  const colors = new Uint32Array(ramp.buffer);
  const columnOf = Uint16Array.from({ length: box.width }, (_, x) => Math.floor((x * cell.columns) / box.width));
  const none = lost ? MOST : 0;
  for (let y = 0; y < box.height; y++) {
    const row = Math.floor((y * cell.rows) / box.height) * cell.columns;
    const to = (box.y + y) * image.width + box.x;
    for (let x = 0; x < box.width; x++) {
      const at = row + columnOf[x]!;
      const [code, less] = [cell.codes[at]!, lost?.codes[at] ?? 0];
      if (code === MISSING) pixels[to + x] = colors[(x + y) % 5 > 1 ? none : colors.length - 1]!;
      else pixels[to + x] = colors[none + (code >= less ? code : -less)]!;
    }
  }
}
