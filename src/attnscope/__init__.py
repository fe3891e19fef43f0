"""attnscope shows and measures what the attention heads of a Transformer do.

    import attnscope

    trace = attnscope.capture(model, tokenizer, "The cat sat on the mat")
    trace.head_view()

Names are imported when they are used: `import attnscope` loads neither torch nor transformers.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version as _version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from attnscope.answer import Answer
    from attnscope.arrays import from_attention
    from attnscope.attributions import Saliency
    from attnscope.bertviz.install import install_as_bertviz
    from attnscope.capture.answers.answer import find_answer, sources
    from attnscope.capture.answers.attribution import logit_attribution
    from attnscope.capture.answers.predictions import predictions
    from attnscope.capture.editing.interventions import ablate, patch
    from attnscope.capture.forward import capture
    from attnscope.capture.generating.generate import generate
    from attnscope.capture.importance.heads import importance
    from attnscope.capture.saliency.tokens import saliency
    from attnscope.documents import Document, Documents
    from attnscope.errors import (
        AttnscopeError,
        AttnscopeWarning,
        CaptureError,
        FrontEndError,
        InputError,
        LoadError,
        MissingDependencyError,
        SaveError,
    )
    from attnscope.measures.compare import Comparison, compare
    from attnscope.neat_vision import from_neat_vision
    from attnscope.provenance import Certificate, Provenance
    from attnscope.store import load
    from attnscope.stream import Stream
    from attnscope.tokens import Segment, Tokens
    from attnscope.trace import Trace
    from attnscope.view import View

__version__ = _version("attnscope")

_HOMES = {
    "ablate": "capture.editing.interventions",
    "patch": "capture.editing.interventions",
    "importance": "capture.importance.heads",
    "Answer": "answer",
    "find_answer": "capture.answers.answer",
    "sources": "capture.answers.answer",
    "predictions": "capture.answers.predictions",
    "logit_attribution": "capture.answers.attribution",
    "saliency": "capture.saliency.tokens",
    "Saliency": "attributions",
    "capture": "capture",
    "generate": "capture",
    "from_attention": "arrays",
    "compare": "measures.compare",
    "Comparison": "measures.compare",
    "install_as_bertviz": "bertviz.install",
    "load": "store",
    "Document": "documents",
    "Documents": "documents",
    "from_neat_vision": "neat_vision",
    "Trace": "trace",
    "Stream": "stream",
    "Provenance": "provenance",
    "Certificate": "provenance",
    "Tokens": "tokens",
    "Segment": "tokens",
    "View": "view",
    "AttnscopeError": "errors",
    "AttnscopeWarning": "errors",
    "CaptureError": "errors",
    "FrontEndError": "errors",
    "InputError": "errors",
    "LoadError": "errors",
    "MissingDependencyError": "errors",
    "SaveError": "errors",
}

_ROOMS = ("measures", "plot")
"""Packages that are imported when they are used, too."""

__all__ = [
    "Answer",
    "AttnscopeError",
    "AttnscopeWarning",
    "CaptureError",
    "Certificate",
    "Comparison",
    "Document",
    "Documents",
    "FrontEndError",
    "InputError",
    "LoadError",
    "MissingDependencyError",
    "Provenance",
    "Saliency",
    "SaveError",
    "Segment",
    "Stream",
    "Tokens",
    "Trace",
    "View",
    "ablate",
    "capture",
    "compare",
    "find_answer",
    "from_attention",
    "from_neat_vision",
    "generate",
    "importance",
    "install_as_bertviz",
    "load",
    "logit_attribution",
    "patch",
    "predictions",
    "saliency",
    "sources",
]


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return import_module(f"attnscope.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module 'attnscope' has no attribute {name!r}")
    value = getattr(import_module(f"attnscope.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
