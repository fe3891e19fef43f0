// Prints every colour of the front end that a figure shows too, as JSON.
import { css, headColor, heatRamp, inkOn, layerColor, NEUTRAL, rgb, SHADE, SIGNED, type Mode } from "../../web/src/draw/color";
import { MISSING, rampOf, signedColors } from "../../web/src/draw/scale";
import { patchColor } from "../../web/src/draw/patches";
import { WEIGHT_COLOR } from "../../web/src/draw/neurons";
import { shade } from "../../web/src/draw/strips";
import { GROUND } from "../../web/src/views/paint";

const MODES: Mode[] = ["light", "dark"];
const range = (count: number) => Array.from({ length: count }, (_, i) => i);

const colors = (mode: Mode) => ({
  heads: range(140).map((head) => rgb(headColor(head, mode))),
  layers: range(40).map((layer) => rgb(layerColor(layer, mode))),
  ramps: range(13).map((layer) => [...heatRamp(layer, mode)]),
  signed: range(511).map((step) => shade((step - 255) / 255, mode)),
  weight: WEIGHT_COLOR[mode],
  ground: GROUND[mode],
  neutral: NEUTRAL[mode],
  shade: SHADE[mode],
  above: SIGNED[mode],
  gained: signedColors(mode),
  patches: range(65).map((step) => patchColor((step / 64) ** 2)),
  changes: range(129).map((step) => patchColor(Math.sign(step - 64) * ((step - 64) / 64) ** 2, true)),
  missing: MISSING[mode],
  maps: [false, true].map((signed) => [...rampOf(signed, mode)].map((p) => [p & 255, (p >> 8) & 255, (p >> 16) & 255])),
  inks: range(64).map((head) => inkOn(rgb(headColor(head, mode)))),
});

process.stdout.write(JSON.stringify({ css: css([1, 2, 3]), ...Object.fromEntries(MODES.map((mode) => [mode, colors(mode)])) }));
