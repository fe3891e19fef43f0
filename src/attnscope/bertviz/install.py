"""`import bertviz` resolves to `attnscope.bertviz`, until it is taken back."""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType, TracebackType

from attnscope.errors import InputError

OURS = "attnscope.bertviz"
PARTS = ("head_view", "model_view", "neuron_view", "transformers_neuron_view", "util")
FORKED = [
    f"{kind}_{family}"
    for kind in ("modeling", "tokenization")
    for family in ("bert", "gpt2", "openai", "roberta", "transfo_xl", "utils", "xlm", "xlnet")
]

_before: dict[str, ModuleType] = {}
"""What stood under BertViz's names before the installation."""


class Installation:
    """What `install_as_bertviz` returns: `with` it, or `uninstall()`, takes it back."""

    def __init__(self, first: bool) -> None:
        self._first = first

    def uninstall(self) -> None:
        """Take the installation back, unless it was there before this one was asked for."""
        if self._first:
            uninstall_as_bertviz()

    def __enter__(self) -> Installation:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.uninstall()


def install_as_bertviz(replace: bool = False) -> Installation:
    """Make `import bertviz`, `from bertviz.neuron_view import show`, ... resolve to attnscope.

    Names that were imported from the real bertviz before stay what they are.

    Args:
        replace: also when the real bertviz is installed or imported; needed then.

    Returns:
        A handle: `handle.uninstall()`, or leaving `with install_as_bertviz(): ...`, takes it back.

    Raises:
        InputError: when there is a real bertviz and `replace` is not True.
    """
    global _before
    if _is_installed():
        return Installation(first=False)
    if not replace:
        _refuse_to_replace()
    aliases = {"bertviz": import_module(OURS)}
    aliases |= {f"bertviz.{part}": import_module(f"{OURS}.{part}") for part in PARTS}
    forked = aliases["bertviz.transformers_neuron_view"]
    aliases |= {f"bertviz.transformers_neuron_view.{part}": forked for part in FORKED}
    _before = _taken_out()
    sys.modules.update(aliases)
    return Installation(first=True)


def uninstall_as_bertviz() -> None:
    """Put back what stood under BertViz's names before `install_as_bertviz`, if it was called."""
    global _before
    if _is_installed():
        _taken_out()
        sys.modules.update(_before)
        _before = {}


def _is_installed() -> bool:
    return getattr(sys.modules.get("bertviz"), "__name__", "") == OURS


def _taken_out() -> dict[str, ModuleType]:
    names = [name for name in sys.modules if name == "bertviz" or name.startswith("bertviz.")]
    return {name: sys.modules.pop(name) for name in names}


def _refuse_to_replace() -> None:
    imported = sys.modules.get("bertviz")
    found = getattr(imported, "__spec__", None) if imported else None
    if imported is None and "bertviz" not in sys.modules:
        found = find_spec("bertviz")
    if imported is not None or found is not None:
        state = "imported" if imported is not None else "installed"
        where = getattr(found, "origin", None) or "bertviz"
        raise InputError(
            f"the real bertviz is {state} ({where}), and `import bertviz` keeps meaning it unless "
            "you say so: attnscope.install_as_bertviz(replace=True). That changes nothing on disk, "
            "and attnscope.bertviz.uninstall_as_bertviz() takes it back."
        )
