// Sizes of the model view's grid: cells depend on the room and the number of heads, never on the
// number of tokens.

export interface GridSize {
  cell: number;
  gap: number;
  /** Room for the layers' numbers. */
  axis: number;
}

const AXIS = 44;

export function gridSize(width: number, heads: number): GridSize {
  const gap = heads > 20 ? 3 : heads > 8 ? 4 : 6;
  const cell = Math.floor((width - AXIS - (heads - 1) * gap) / heads);
  return { cell: Math.max(26, Math.min(cell, 150)), gap, axis: AXIS };
}

/** Where a detail panel goes: beside the grid where that leaves it room, else under the row. */
export function panelBeside(width: number): boolean {
  return width >= 1060;
}

export function panelWidth(width: number): number {
  return Math.round(Math.min(Math.max(width * 0.34, 440), 620));
}
