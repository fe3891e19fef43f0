import { answerTiles } from "../data/tiler";
import { start } from "../main";
import { matrixView } from "../views/matrix";

export default start("matrix", matrixView, answerTiles);
