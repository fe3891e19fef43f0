"""Running a model and recording a Trace; the only place in attnscope that imports torch.

`attnscope.capture(model, tokenizer, text)` is the public function, and `attnscope.capture` is also
this package, whose name Python binds on import. Both hold at once because the package can be
called: a call goes to `capture.forward.capture`. Importing the package does not import torch.

Rooms, each importing only from those above it; each says on its first page which file does what:

    certify, tensors  weights x values held against what the model computed; tensors to arrays
    running      unwraps the model, and says of its own errors that they are its own
    inputs/      what goes into the model
    places/      where a call is: module, layer, stream, axes
    mixing/      what the model makes of the weights
    calls/       one attention call as it is kept
    hearing/     how calls are heard
    editing/     how calls are changed: interventions
    recorder     keeps what is asked for of each call; `trimming` gives free memory back
    assemble     from the calls to a Trace; `memory`: how much that will be, `guesses`: predictions,
                 `gradients` and `zeroing`: measures that need the model
    forward      `record` (any call) and `capture` (one forward pass to a Trace)
    generating/  `generate`
    importance/, answers/, saliency/  questions that take many passes
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
    home = {"capture": "forward", "generate": "generating.generate"}[name]
    return getattr(import_module(f"attnscope.capture.{home}"), name)


sys.modules[__name__].__class__ = _CallablePackage
