"""Running a model and recording a Trace; the only place in attnscope that imports torch.

`attnscope.capture(model, tokenizer, text)` is the public function, and `attnscope.capture` is also
this package, whose name Python binds on import. Both hold at once because the package can be
called: a call goes to `capture.forward.capture`. Importing the package does not import torch.

How a forward pass is recorded, file by file:

    registry   stands in for the attention functions a model already uses, for the duration
    mode       sees attention in a model's own code: `products`, `trails`, `tap`, `explain`
    hearing    the one place through which every call passes, to editors and the listener
    where      which module is running
    recorder   keeps what is asked for of each call; `trimming`: gives free memory back
    keeping    cuts a call to the queries and the precision asked for
    layout     tells items, parts and heads apart, whatever axes they are in
    layers     queries, keys and a score spec of a call; `masks` reads and recognises masks
    bands      the windows of Longformer and LED
    certify    holds weights x values against what the model computed
    placing    to which stream and layer a call belongs, with `streams`
    following  finds what follows a call (`passing`): output projection, residual, norm
    mixing     makes numbers of these (`asking` the modules) and checks them
    zeroing    runs layers again without a token's value
    gradients  the gradient of an objective by every attention call's output
    inputs     makes model inputs and Tokens, with `texts`; `checks`, `limits`: what a model takes
    memory     how much will be recorded, before it is
    guesses    the tokens that a model predicted at each position
    running    unwraps the model, and says of its own errors that they are its own
    edits      what can be changed in a call, with `patterns`; `editing` says in which calls
    interventions  `ablate` and `patch`
    answers    answers and the parts of a context that they come from (`sources`); `predictions`
    attribution  what each head writes into a logit
    importance what each head is worth for a task: `examples` and their scores, `sweep`, `replay`
    saliency   what tokens are worth: `targets`, gradients by embeddings (`embedded`), `erasing`
    forward    `record` (any call) and `capture` (one forward pass to a Trace)

and a generation, whose forward passes are the same, one a step:

    prompts    texts and chats (`chats`) to model inputs; `orders`: what was asked for
    stepping   keeps of every call what is new (`parts`)
    joining    puts the steps together; `written`: which tokens they are
    generation `generate`
"""

from __future__ import annotations

import inspect
import sys
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import TYPE_CHECKING, Any

from attnscope.errors import MissingDependencyError

if TYPE_CHECKING:
    from attnscope.trace import Trace


class _CallablePackage(ModuleType):
    def __call__(self, model: Any, *args: Any, **kwargs: Any) -> Trace:
        trace: Trace = _function("capture")(model, *args, **kwargs)
        return trace

    @property
    def capture(self) -> Any:
        """What `attnscope.capture` is: the function, or this package where torch is missing."""
        return self if find_spec("torch") is None else _function("capture")

    @property
    def generate(self) -> Any:
        """What `attnscope.generate` is."""
        return _function("generate")

    @property
    def __signature__(self) -> inspect.Signature:
        """What `inspect.signature` and a notebook's help show."""
        return inspect.signature(_function("capture"))


def _function(name: str) -> Any:
    if find_spec("torch") is None:
        raise MissingDependencyError(
            f"{name} runs a PyTorch model, and torch is not installed: "
            "pip install 'attnscope[hf]'. Weights that you already have need no torch: "
            "attnscope.from_attention(attentions, tokens)."
        )
    home = {"capture": "forward", "generate": "generation"}[name]
    return getattr(import_module(f"attnscope.capture.{home}"), name)


sys.modules[__name__].__class__ = _CallablePackage
