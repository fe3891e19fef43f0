import { start } from "../main";
import { imageView } from "../views/image";

export default start("image", imageView);
