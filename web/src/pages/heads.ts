import { answerTiles } from "../data/tiler";
import { start } from "../main";
import { headsView } from "../views/heads";

export default start("heads", headsView, answerTiles);
