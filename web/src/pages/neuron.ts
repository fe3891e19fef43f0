import { start } from "../main";
import { neuronView } from "../views/neuron";

export default start("neuron", neuronView);
