// Sizes of the model view's grid: cells depend on the room and the number of heads, never on the
// number of tokens.

export interface GridSize {
  cell: number;
  gap: number;
  /** Room for the layers' numbers. */
  axis: number;
}

const AXIS = 44;
const LEAST_CELL = 26;
const BETWEEN = 20;

export function gridSize(width: number, heads: number, most = 150, least = LEAST_CELL): GridSize {
  const gap = gapOf(heads);
  const cell = Math.floor((width - AXIS - (heads - 1) * gap) / heads);
  return { cell: Math.max(least, Math.min(cell, most)), gap, axis: AXIS };
}

function gapOf(heads: number): number {
  return heads > 20 ? 3 : heads > 8 ? 4 : 6;
}

/** Room for the grid; `beside`: a detail panel goes beside it where all heads still fit, else under the row. */
export function roomOf(width: number, heads: number): { room: number; beside: boolean } {
  const room = width - panelWidth(width) - BETWEEN;
  const beside = width >= 1060 && room >= AXIS + heads * (LEAST_CELL + gapOf(heads));
  return { room: beside ? room : width, beside };
}

export function panelWidth(width: number): number {
  return Math.round(Math.min(Math.max(width * 0.34, 440), 620));
}
