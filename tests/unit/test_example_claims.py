"""What the examples say of themselves: the numbers in their texts are those that they print."""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def printed(root: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    """Runs an example: (its text with single spaces, what it prints)."""

    def run(name: str) -> tuple[str, str]:
        said = runpy.run_path(str(root / "examples" / f"{name}.py"))["__doc__"]
        return re.sub(r"\s+", " ", said), capsys.readouterr().out

    return run


def row_of(out: str, *begin: str) -> list[str]:
    """The cells of the first printed row that begins so."""
    rows = (line.split() for line in out.splitlines())
    return next(cells for cells in rows if cells[: len(begin)] == list(begin))


NAMES = (
    "coreference", "doctor_and_nurse", "induction", "question_answering", "rag", "telescope",
    "two_checkpoints",
)  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_each_ends_with_what_it_shows_and_what_not(root: Path, name: str) -> None:
    text = " ".join((root / "examples" / f"{name}.py").read_text(encoding="utf-8").split())
    assert "What this shows:" in text
    assert "What it does not show:" in text


def test_coreference(printed: Any) -> None:
    said, out = printed("coreference")
    assert "0.71 of the weight" in said
    assert row_of(out, "tired", "13", "5", "11")[4].startswith("0.71")
    assert "-0.19 on a difference of 0.09" in said
    assert "nearer to the cat by +0.09; without head 5.11 -0.19" in out
    assert 'gives "cat" 0.68' in said
    assert f"{float(row_of(out, 'soft', '13', '5', '11')[4]):.2f}" == "0.68"
    assert out.count("without head 5.11 -0.19") == 2


def test_doctor_and_nurse(printed: Any) -> None:
    said, out = printed("doctor_and_nurse")
    assert '"doctor" 0.08 of the weight of "she" and 0.52 of that of "he"' in said
    assert row_of(out, "1", "3", "9", "she→he")[5:8] == ["doctor", "0.080", "0.524"]
    assert row_of(out, "5", "8", "9", "she→he")[5] == "nurse"


def test_induction(printed: Any) -> None:
    said, out = printed("induction")
    assert "loss rises from 0 to 3.5 and more" in said
    heads = [line.split() for line in out.splitlines() if line.strip()[:1] in ("0", "1")]
    importance = {(cells[0], cells[1]): float(cells[2]) for cells in heads[4:8]}
    assert importance["0", "1"] == importance["1", "1"] == 0
    assert min(importance["0", "0"], importance["1", "0"]) > 3.46
    assert "19.875, the previous-token head -0.125" in said
    assert row_of(out, "head", "1", "0")[3] == "19.875"
    assert row_of(out, "head", "0", "0")[3] == "-0.125"


def test_question_answering(printed: Any) -> None:
    said, out = printed("question_answering")
    first, second, _ = (re.findall(r"-?\d\.\d{3}", line) for line in out.splitlines()[2:5])
    assert "gets the most, 0.30, and the second one, which says it, 0.29" in said
    assert [f"{float(cells[0]):.2f}" for cells in (first, second)] == ["0.30", "0.29"]
    assert abs(float(first[2])) < 0.01
    assert float(second[2]) == pytest.approx(0.7, abs=0.05)
    assert out.splitlines()[3].endswith("red ball")


def test_rag(printed: Any) -> None:
    said, out = printed("rag")
    alone, together, other, by_token = out.split("\n\n")
    for name, weight in (("chunk 2", "0.28"), ("chunk 4", "0.28"), ("question", "0.26")):
        share, _, effect = row_of(alone, *name.split())[len(name.split()) :]
        assert f"{float(share):.2f}" == weight
        assert abs(float(effect)) < 1e-3
    assert "each gets 0.28; the question gets nearly as much, 0.26" in said
    assert "are worth 14.2 nats" in said
    assert f"{float(row_of(together, 'chunks', '2')[-1]):.1f}" == "14.2"
    assert "costs 28.6 nats" in said
    assert f"{float(row_of(other, 'chunk', '2')[-1]):.1f}" == "28.6"
    assert "its weight is 0.04, and without it the answer is more probable by 0.69 nats" in said
    assert [f"{float(n):.2f}" for n in row_of(other, "chunk", "3")[2::2]] == ["0.04", "-0.69"]
    assert len(by_token.splitlines()) == 1 + 5 * 3


def test_telescope(printed: Any) -> None:
    said, out = printed("telescope")
    for claim, cells, place in (
        ('head 2 gives "saw" 0.69', ("original", "10", "1", "2"), 5),
        ('head 9 gives "man" 0.74', ("original", "10", "1", "9"), 6),
        ('head 9 gives "man" 0.18', ("1", "×", "yesterday", "11", "1", "9"), 8),
        ("Head 2 falls as well, to 0.41", ("1", "×", "yesterday", "11", "1", "2"), 7),
    ):
        assert claim in said
        assert f"{float(row_of(out, *cells)[place]):.2f}" == claim[-4:]


def test_two_checkpoints(printed: Any) -> None:
    said, out = printed("two_checkpoints")
    numbers = [float(number) for number in re.findall(r": (0\.\d{4})", out)]
    assert numbers == pytest.approx([0.0095, 0.0012, 0.0055], abs=3e-4)
    assert "falls from 0.0095 to 0.0012" in said
    assert "0.0055 again" in said
    first = row_of(out, "5", "8", "6", "a", "9", "she")
    assert [f"{float(cell):.2f}" for cell in first[6:8]] == ["0.30", "0.06"]
