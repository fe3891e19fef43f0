import { answerTiles } from "../data/tiler";
import { start } from "../main";
import { textView } from "../views/text";

export default start("text", textView, answerTiles);
