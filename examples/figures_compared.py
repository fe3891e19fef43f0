"""Two traces in one figure: whom "she" and "he" look at, and what changes.

Blue is more in the second trace, orange is less. `show="both"` draws the two side by side; what is
pinned, which heads are on and the theme are those of the view.
"""

import attnscope
from attnscope.demo import load

model, tokenizer = load("minilm")
she, he = (
    attnscope.capture(model, tokenizer, f"The doctor asked the nurse a question. {who} laughed.")
    for who in ("She", "He")
)
comparison = attnscope.compare(she, he, names=("she", "he"))

figure = comparison.head_view(1, [3], query="she→he", show="difference").figure()
