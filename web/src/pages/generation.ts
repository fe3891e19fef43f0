import { start } from "../main";
import { generationView } from "../views/generation";

export default start("generation", generationView);
