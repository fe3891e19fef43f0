"""Every model type of Transformers that can be built tiny gives what results.json says."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

import pytest

from tests.zoo import older
from tests.zoo.__main__ import PAGE, RESULTS, group, page
from tests.zoo.compare import EXACT, compared
from tests.zoo.odd import REASONS

KNOWN = {one["kind"]: one for one in json.loads(RESULTS.read_text(encoding="utf-8"))}
BUILT = [kind for kind, one in KNOWN.items() if "failure" not in one]

# What models and Transformers themselves warn of is not looked at here; attnscope's is an error.
pytestmark = [
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.filterwarnings("error::attnscope.AttnscopeWarning"),
]


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    logger = logging.getLogger("transformers")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    yield
    logger.setLevel(level)


@pytest.mark.parametrize("kind", BUILT)
def test_a_model_type(kind: str) -> None:
    expected, found = KNOWN[kind], compared(kind)
    assert found.same
    assert found.exact == expected["exact"]
    assert (found.matched, found.references) == (expected["matched"], expected["references"])
    assert (found.with_qk, found.calls) == (expected["with_qk"], expected["calls"])
    assert found.streams == expected["streams"]
    assert found.paths == expected["paths"]
    if found.exact:
        assert found.worst <= EXACT


def test_enough_types_are_exact() -> None:
    groups = [group(one) for one in KNOWN.values()]
    assert groups.count("exact") >= 370
    assert all(one.get("same", True) for one in KNOWN.values())


def test_what_is_not_exact_has_a_reason() -> None:
    odd = {kind for kind, one in KNOWN.items() if group(one) == "odd"}
    assert odd <= set(REASONS)
    silent = {"rwkv", "yoso", "reformer", "autoformer"}
    assert odd | silent == set(REASONS)


def test_the_page_is_that_of_the_results() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(KNOWN, version("transformers"))


def test_the_page_names_every_type() -> None:
    rows: Any = PAGE.read_text(encoding="utf-8").count("\n| ")
    assert rows >= len(KNOWN)


def test_the_script_for_other_versions_knows_its_types() -> None:
    assert set(older.TYPES) <= set(BUILT)
    assert set(older.REASONS) <= set(older.TYPES)
    said, good = older.told("gpt2")
    assert good
    assert said.startswith("exact: 4 layers, error ")
    said, good = older.told("rwkv")
    assert not good
