"""Notebooks run in a kernel: the eight that BertViz ships, re-made, and the telescope exercise."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from jupyter_client.manager import KernelManager
from nbclient import NotebookClient
from nbformat import NotebookNode

FOLDER = Path(__file__).resolve().parents[2] / "examples" / "notebooks"
NAMES = [
    "head_view_distilbert",
    "model_view_bart",
    "model_view_bert",
    "model_view_distilbert",
    "model_view_encoder_decoder",
    "neuron_view_bert",
    "neuron_view_gpt2",
    "neuron_view_roberta",
]
EXERCISE = "telescope"


def read(name: str) -> NotebookNode:
    return nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)


@pytest.fixture(scope="module")
def kernel() -> Iterator[KernelManager]:
    """One kernel for all of them (it imports torch once); names are cleared in between."""
    manager = KernelManager(kernel_name="python3")
    manager.start_kernel(cwd=str(FOLDER))
    yield manager
    manager.shutdown_kernel(now=True)
    manager.cleanup_resources()


def run(notebook: NotebookNode, kernel: KernelManager) -> None:
    clear = nbformat.v4.new_code_cell("%reset -f")
    notebook.cells.insert(0, clear)
    client = NotebookClient(notebook, km=kernel, timeout=300)
    try:
        client.execute()
    finally:
        if client.kc is not None:
            client.kc.stop_channels()


def test_all_are_there():
    assert sorted(path.stem for path in FOLDER.glob("*.ipynb")) == [*NAMES, EXERCISE]


@pytest.mark.parametrize("name", [*NAMES, EXERCISE])
def test_a_notebook_is_short_and_has_no_outputs(name):
    cells = read(name).cells
    assert len(cells) <= 9
    assert cells[0].cell_type == "markdown"
    code = [cell for cell in cells if cell.cell_type == "code"]
    assert all(not cell.outputs and cell.execution_count is None for cell in code)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_runs_and_shows_its_view(name, kernel):
    notebook = read(name)
    run(notebook, kernel)
    outputs = [out for cell in notebook.cells for out in cell.get("outputs", [])]
    html = "".join(out.get("data", {}).get("text/html", "") for out in outputs)
    shown = re.findall(r'data-attnscope-view="(\w+)"', html)
    assert shown
    assert set(shown) == {name.partition("_")[0]}


@pytest.mark.slow
def test_the_exercise_says_what_its_cells_show(kernel):
    notebook = read(EXERCISE)
    run(notebook, kernel)
    said = " ".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    outputs = [out for cell in notebook.cells for out in cell.get("outputs", [])]
    shown = "\n".join(
        out.get("text", "") or "".join(out["data"].get("text/plain", "")) for out in outputs
    )
    assert "head 2 gives *saw* 0.69 of the weight of *with*" in said
    assert re.search(r"original +10 +1 +2 +\S+ +0\.686 ", shown)
    assert "head 9 gives *man* 0.74" in said
    assert re.search(r"original +10 +1 +9 +\S+ +\S+ +0\.740", shown)
    assert "head 9 gives *man* 0.18" in said
    assert re.search(r"1 × yesterday +11 +1 +9 +\S+ +0\.185", shown)
    assert "it moves by 0.002 and 0.001" in said
    for line in ("1.2: +0.002", "1.9: +0.001", "5.8: -0.024"):
        assert f"without head {line}\n" in shown
    html = "".join(out.get("data", {}).get("text/html", "") for out in outputs)
    assert 'data-attnscope-view="head"' in html
    assert "**What it does not show:**" in notebook.cells[-1].source
