import { answerTiles } from "../data/tiler";
import { start } from "../main";
import { headView } from "../views/head";

export default start("head", headView, answerTiles);
