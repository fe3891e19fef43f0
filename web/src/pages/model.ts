import { start } from "../main";
import { modelView } from "../views/model";

export default start("model", modelView);
