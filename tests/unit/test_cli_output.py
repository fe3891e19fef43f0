"""Commands that write: figures, pages, traces; and what cannot be written."""

from __future__ import annotations

import numpy as np
import pytest

import attnscope
from attnscope import cli, demo, pretrained
from attnscope.errors import InputError
from tests.commands import invoke


def test_capture_saves_what_view_and_others_open(measured, folder, tmp_path):
    path = tmp_path / "x.safetensors"
    done = invoke("capture", "--model", folder, "the cat sat", "-o", path)
    assert done.exit_code == 0, done.output
    assert done.output.splitlines()[0] == "Trace of arrays"
    assert done.output.splitlines()[-1].startswith(f"{path}  ")
    assert attnscope.load(path).tokens.text == ("the", "cat", "sat")
    page = tmp_path / "x.html"
    for name in ("head", "model", "matrix", "heads"):
        done = invoke("view", path, "--view", name, "-o", page)
        assert done.exit_code == 0, done.output
        assert f'data-attnscope-view="{name}"' in page.read_text()
    assert invoke("heads", path, "--csv").output.startswith("layer,head,entropy")


@pytest.fixture
def drawn(monkeypatch):
    """A real trace in place of a captured one."""
    weights = np.random.default_rng(0).dirichlet(np.ones(4), (2, 3, 4)).astype(np.float32)
    trace = attnscope.from_attention(weights, ["the", "cat", "sat", "down"])
    monkeypatch.setattr(cli, "captured", lambda *_: trace)
    return trace


@pytest.mark.parametrize(
    "options",
    [
        ["--layer", "1", "--head", "2"],
        ["--figure", "layer", "--layer", "0"],
        ["--figure", "lines", "--layer", "1", "--query", "cat"],
        ["--figure", "measure", "--measure", "entropy", "--theme", "dark"],
        ["--figure", "text", "--query", "2", "--width", "3"],
        ["--figure", "model"],
        ["--figure", "rollout"],
    ],
)
def test_plot_writes_a_figure(folder, drawn, tmp_path, options):
    out = tmp_path / "figure.svg"
    done = invoke("plot", "--model", folder, "x", *options, "-o", out)
    assert done.exit_code == 0, done.output
    assert done.output.startswith(f"{out}  ")
    assert out.read_text(encoding="utf-8").startswith("<?xml")


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["--head", "2"], "--figure head needs --layer."),
        (["--figure", "measure"], "--figure measure needs --measure."),
        (["--figure", "neurons", "--layer", "1", "--head", "0"], "--figure neurons needs --query."),
        (["--figure", "model", "--layer", "1"], "--figure model takes no --layer."),
        (["--layer", "9"], "layer 9 is not in the self stream, which has layers 0 to 1."),
        (["--layer", "1", "--dpi", "3"], "is not in the range 10<=x<=2400"),
    ],
)
def test_plot_says_what_a_figure_needs(folder, drawn, tmp_path, options, text):
    done = invoke("plot", "--model", folder, "x", *options, "-o", tmp_path / "x.png")
    assert done.exit_code == 2
    assert text in done.output
    assert not (tmp_path / "x.png").exists()


def test_plot_and_view_say_which_files_they_write(folder, drawn, tmp_path):
    done = invoke("plot", "--model", folder, "x", "--layer", "0", "-o", tmp_path / "x.gif")
    assert "the suffix must be .png, .svg or .pdf, got .gif" in " ".join(done.output.split())
    done = invoke("view", "--model", folder, "x", "-o", tmp_path / "x.svg")
    assert done.exit_code == 0
    assert (tmp_path / "x.svg").read_text(encoding="utf-8").startswith("<?xml")


def test_generate_writes_the_text_and_a_page(root, tmp_path):
    page = tmp_path / "out.html"
    folder = root / "tests/fixtures/reversal"
    result = invoke("generate", "stone", "--model", folder, "--max-new-tokens", 8, "-o", page)
    assert result.exit_code == 0, result.output
    assert "e n o t s\n" in result.stdout
    assert 'data-attnscope-view="generation"' in page.read_text(encoding="utf-8")


def test_generate_makes_a_chat_of_a_system_message(monkeypatch, folder, tmp_path):
    asked = []

    def generate(*args, **options):
        asked.append((args, options))
        raise InputError("enough")

    monkeypatch.setattr(attnscope, "generate", generate)
    monkeypatch.setattr(pretrained, "load", lambda name, **options: (name, options))
    page = tmp_path / "out.html"
    for extra in (["--chat"], ["--system", "Be brief."]):
        result = invoke("generate", "Hi", "--model", folder, "-o", page, *extra)
        assert result.exit_code == 2
    user = {"role": "user", "content": "Hi"}
    system = {"role": "system", "content": "Be brief."}
    assert [args[2] for args, _ in asked] == [[user], [system, user]]
    assert asked[0][0][1] == {"head": True}
    assert asked[0][1] == {"max_new_tokens": 60, "values": False}


@pytest.mark.parametrize(
    ("command", "name", "expected"),
    [
        (
            ["view"],
            "x.foo",
            "'x.foo': the suffix must be .html, .htm, .png, .svg or .pdf,",
        ),
        (["capture"], "x", "'x': the suffix must be .safetensors, got none."),
        (["plot", "--layer", "0"], "x.html", "the suffix must be .png, .svg or .pdf, got .html."),
        (["generate"], "x.txt", ".png, .svg, .pdf or .safetensors, got .txt."),
        (["view"], "nowhere/x.html", "there is no folder"),
    ],
)
def test_a_file_that_cannot_be_written_is_said_before_a_model_runs(
    asked, folder, tmp_path, command, name, expected
):
    done = invoke(*command, "--model", folder, "A cat", "-o", tmp_path / name)
    assert done.exit_code == 2
    assert expected in " ".join(done.output.split())
    assert asked == []


def test_the_text_view_is_written(folder, drawn, tmp_path):
    done = invoke("view", "--model", folder, "x", "--view", "text", "-o", tmp_path / "x.html")
    assert done.exit_code == 0, done.output
    assert 'data-attnscope-view="text"' in (tmp_path / "x.html").read_text(encoding="utf-8")


def test_a_demo_that_cannot_be_written_says_so_before_the_model_is_loaded(tmp_path, monkeypatch):
    monkeypatch.setattr(demo, "load", lambda _: pytest.fail("the model was loaded"))
    (tmp_path / "file").write_text("")
    done = invoke("demo", "--out", tmp_path / "file" / "demo")
    assert done.exit_code == 2
    assert f"cannot make the folder {tmp_path / 'file' / 'demo'}: Not a directory." in done.output
