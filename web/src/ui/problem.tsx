// A whole view that is only a message.
import type { Mode } from "../draw/color";
import { Problem } from "./note";

export function problemBox(message: string, mode: Mode) {
  return (
    <div class="root" data-mode={mode}>
      <Problem message={message} />
    </div>
  );
}
