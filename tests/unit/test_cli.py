"""The command line: what it hands to the library, what it prints, and how it fails."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from click.testing import CliRunner

import attnscope
from attnscope import cli, demo, doctor, pretrained
from attnscope.errors import AttnscopeWarning, InputError


class FakeTrace:
    """Stands in for a trace; saves what its views were asked for."""

    generation = None

    streams: ClassVar[dict] = {}

    def head_view(self, **options):
        return FakeView({"view": "head", **options})

    def model_view(self, **options):
        return FakeView({"view": "model", **options})


class FakeView:
    def __init__(self, options):
        self.options = options

    def save(self, path):
        Path(path).write_text(json.dumps(self.options))
        return Path(path)


@pytest.fixture
def asked(monkeypatch):
    """What `attnscope.capture` was called with, with no model loaded."""
    calls = []

    def capture(*args, **options):
        calls.append((args, options))
        return FakeTrace()

    monkeypatch.setattr(attnscope, "capture", capture)
    monkeypatch.setattr(pretrained, "load", lambda name, **_: ("model", f"tokenizer of {name}"))
    return calls


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model/config.json").write_text("{}")
    return str(tmp_path / "model")


def invoke(*args: str | Path):
    return CliRunner().invoke(cli.main, [str(arg) for arg in args])


def test_view_hands_everything_over(asked, folder, tmp_path):
    out = tmp_path / "out.html"
    options = ("--view", "model", "--layers", "0,5", "--heads", "3", "--theme", "dark")
    done = invoke("view", "--model", folder, "A cat", "--pair", "A dog", *options, "-o", out)
    assert done.exit_code == 0, done.output
    assert asked == [(("model", f"tokenizer of {folder}", "A cat", "A dog"), {"target": None})]
    saved = {"view": "model", "layers": [0, 5], "heads": [3], "theme": "dark"}
    assert json.loads(out.read_text()) == saved
    assert done.stdout == f"{out}  0 KB\n"


def test_view_has_defaults_and_takes_a_target(asked, folder, tmp_path):
    out = tmp_path / "out.html"
    done = invoke("view", "--model", folder, "A cat", "--target", "Eine Katze", "-o", out)
    assert done.exit_code == 0, done.output
    assert asked[0][1] == {"target": "Eine Katze"}
    saved = {"view": "head", "layers": None, "heads": None, "theme": "auto"}
    assert json.loads(out.read_text()) == saved


def test_numbers_that_are_none(asked, folder, tmp_path):
    done = invoke("view", "--model", folder, "x", "--layers", "0-5", "-o", tmp_path / "x.html")
    assert done.exit_code == 2
    assert "'0-5' is no list of numbers such as 0,5" in done.stderr


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("{}/nowhere", "does not exist. Give the folder that holds config.json."),
        ("./nowhere", "does not exist. Give the folder that holds config.json."),
        ("{}", "is no model folder: it has no config.json."),
        ("{}/file", "is a file. Give the folder that holds config.json."),
    ],
)
def test_a_path_that_is_no_model(tmp_path, name, text):
    (tmp_path / "file").write_text("")
    done = invoke("view", "--model", name.format(tmp_path), "x", "-o", tmp_path / "x.html")
    assert done.exit_code == 2
    assert done.stderr.startswith("error: ")
    assert text in done.stderr
    assert "Traceback" not in done.output


@pytest.mark.parametrize(("offline", "places"), [("1", "its cache."), ("", "its cache and on the")])
def test_a_name_on_the_hub_is_said_to_be_looked_up(asked, monkeypatch, tmp_path, offline, places):
    monkeypatch.setenv("HF_HUB_OFFLINE", offline)
    done = invoke("view", "--model", "some/model", "x", "-o", tmp_path / "x.html")
    assert done.exit_code == 0
    assert f"some/model is no folder here: transformers looks in {places}" in done.stderr


def test_own_errors_are_one_line(asked, folder, monkeypatch, tmp_path):
    def refuse(*args, **options):
        raise InputError("The text is empty; give at least one word.")

    monkeypatch.setattr(attnscope, "capture", refuse)
    done = invoke("view", "--model", folder, "", "-o", tmp_path / "x.html")
    assert done.exit_code == 2
    assert done.stderr == "error: The text is empty; give at least one word.\n"


def test_unexpected_errors_keep_their_traceback(asked, folder, monkeypatch, tmp_path):
    def fail(*args, **options):
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(attnscope, "capture", fail)
    done = invoke("view", "--model", folder, "x", "-o", tmp_path / "x.html")
    assert isinstance(done.exception, ZeroDivisionError)


def test_own_warnings_are_one_line(asked, folder, monkeypatch, tmp_path):
    def warn(*args, **options):
        warnings.warn("Dropout is on.", AttnscopeWarning, stacklevel=1)
        return FakeTrace()

    monkeypatch.setattr(attnscope, "capture", warn)
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        done = invoke("view", "--model", folder, "x", "-o", tmp_path / "x.html")
    assert done.stderr == "warning: Dropout is on.\n"


def test_demo_prints_what_it_made(monkeypatch, tmp_path):
    def run(out, report):
        made = demo.Made(out / "head.html", "head view of a pair", 123_456, 0.25)
        report(made)
        return [made]

    opened = []
    monkeypatch.setattr(demo, "run", run)
    monkeypatch.setattr(cli.webbrowser, "open", opened.append)
    done = invoke("demo", "--out", tmp_path, "--open")
    assert done.exit_code == 0, done.output
    assert f"{tmp_path / 'head.html'}   123 KB   0.25 s   head view of a pair" in done.stdout
    assert opened == [(tmp_path / "head.html").as_uri()]


def test_doctor_fails_only_when_something_required_is_broken(monkeypatch):
    missing = doctor.Check("Optional packages", "torch", "missing", "needed for capture")
    broken = doctor.Check("Front end", "bundle", "broken", "Run: make web")
    monkeypatch.setattr(doctor, "checks", lambda: [missing])
    done = invoke("doctor")
    assert done.exit_code == 0
    assert "· torch  missing: needed for capture" in done.stdout
    assert done.stdout.endswith("needs torch and transformers: pip install 'attnscope[hf]'.\n")
    monkeypatch.setattr(doctor, "checks", lambda: [missing, broken])
    done = invoke("doctor", "--json")
    assert done.exit_code == 1
    assert json.loads(done.stdout)["verdict"] == "attnscope cannot work: bundle."


def test_module_runs_as_a_command():
    command = [sys.executable, "-m", "attnscope", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "attnscope, version 0.1.0\n"


@pytest.fixture
def measured(monkeypatch):
    """`attnscope.capture` gives a small trace of arrays."""
    weights = np.full((2, 2, 3, 3), 1 / 3, np.float32)
    trace = attnscope.from_attention(weights, ["the", "cat", "sat"])
    monkeypatch.setattr(attnscope, "capture", lambda *_, **__: trace)
    monkeypatch.setattr(pretrained, "load", lambda _: ("model", "tokenizer"))


def test_heads_prints_a_table_json_or_csv(measured, folder):
    plain = invoke("heads", "--model", folder, "the cat sat")
    assert plain.exit_code == 0, plain.output
    assert plain.output.splitlines()[0].split()[:3] == ["layer", "head", "entropy"]
    assert len(plain.output.splitlines()) == 5
    rows = json.loads(invoke("heads", "--model", folder, "x", "--json").output)
    assert [(row["layer"], row["head"]) for row in rows] == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert invoke("heads", "--model", folder, "x", "--csv").output.startswith("layer,head,entropy")
    wrong = invoke("heads", "--model", folder, "x", "--sort", "nope")
    assert wrong.exit_code == 2
    assert "no column 'nope'" in wrong.output


@pytest.fixture
def recorded(monkeypatch):
    """What `attnscope.capture` was asked to record; it gives two pieces of one word and another."""
    weights = np.full((2, 2, 3, 3), 1 / 3, np.float32)
    trace = attnscope.from_attention(weights, ["cat", "##s", "sat"])
    asked = []
    monkeypatch.setattr(attnscope, "capture", lambda *_, **named: asked.append(named) or trace)
    monkeypatch.setattr(pretrained, "load", lambda _: ("model", "tokenizer"))
    return asked


def test_heads_takes_measures_and_words(recorded, folder):
    some = ("--measure", "entropy", "--measure", "next_token")
    plain = invoke("heads", "--model", folder, "x", *some, "--csv").output.splitlines()
    assert plain[0] == "layer,head,entropy,next_token"
    words = invoke("heads", "--model", folder, "x", *some, "--words", "--json").output
    assert json.loads(words)[0]["next_token"] == pytest.approx(1 / 3)
    invoke("heads", "--model", folder, "x", "--measure", "special_norm")
    assert [named["values"] for named in recorded] == [False, False, True]
    wrong = invoke("heads", "--model", folder, "x", "--measure", "entopy")
    assert wrong.exit_code == 2
    assert "Did you mean 'entropy'?" in wrong.output


def test_top_takes_any_quantity_and_records_what_it_needs(recorded, folder):
    ask = ("top", "--model", folder, "x", "--query", "0", "--csv", "--measure")
    assert invoke(*ask, "rollout").output.splitlines()[0] == "key,token,rollout"
    words = invoke(*ask, "weight", "--words").output.splitlines()
    assert words[1].startswith("0,cats,0.66")
    lacking = invoke(*ask, "norm")
    assert lacking.exit_code == 2
    assert "this needs values" in lacking.output
    assert recorded[-1]["values"] is True
    wrong = invoke(*ask, "rolout")
    assert "Did you mean 'rollout'?" in wrong.output
    assert len(recorded) == 3


def test_top_takes_a_token_or_its_position(measured, folder):
    by_text = invoke("top", "--model", folder, "x", "--query", "cat", "-k", "2", "--csv")
    assert by_text.output.splitlines()[0] == "key,token,weight"
    assert len(by_text.output.splitlines()) == 3
    by_place = invoke("top", "--model", folder, "x", "--query", "1", "-k", "2", "--csv")
    assert by_place.output == by_text.output
    missing = invoke("top", "--model", folder, "x", "--query", "dog")
    assert missing.exit_code == 2
    assert "query 'dog' is not among" in missing.output


@pytest.fixture
def two_texts(monkeypatch):
    """`attnscope.capture` and `pretrained.load` for traces of words, one set of weights a text."""
    loaded = []

    def load(name):
        loaded.append(Path(name).name)
        return Path(name).name, None

    def capture(model, tokenizer, text, pair=None, *, target=None):
        words = text.split()
        rng = np.random.default_rng(len(text) + len(model))
        return attnscope.from_attention(
            rng.dirichlet(np.ones(len(words)), (1, 2, len(words))), words
        )

    monkeypatch.setattr(attnscope, "capture", capture)
    monkeypatch.setattr(pretrained, "load", load)
    return loaded


def test_compare_prints_the_heads_that_changed_and_fails_on_request(two_texts, folder):
    done = invoke("compare", "--model", folder, "a b c", "a new b c", "--json")
    assert done.exit_code == 0, done.output
    rows = json.loads(done.stdout)
    assert {row["head"] for row in rows} == {0, 1}
    assert rows[0]["change"] >= rows[1]["change"] > 0
    said = invoke("compare", "--model", folder, "a b c", "a new b c", "--most", "0.01")
    assert said.exit_code == 1
    assert "self: 4 tokens, 3 same, 1 added." in said.stdout
    wanted = f"head 0.{rows[0]['head']} has changed by {rows[0]['change']:.3f}, more than 0.01."
    assert wanted in said.stderr
    assert invoke("compare", "--model", folder, "a b c", "a c", "--most", "1").exit_code == 0


def test_compare_shows_both_as_a_page_or_from_a_server(two_texts, folder, tmp_path, monkeypatch):
    texts, out = ("a b c", "a new b c"), tmp_path / "both.html"
    done = invoke("compare", "--model", folder, *texts, "-o", out)
    assert done.exit_code == 0, done.output
    assert 'data-attnscope-view="head"' in out.read_text()
    invoke("compare", "--model", folder, *texts, "-o", out, "--view", "model")
    assert 'data-attnscope-view="model"' in out.read_text()
    asked = []
    monkeypatch.setattr(
        "attnscope.hosts.server.serve", lambda shown, **options: asked.append((shown, options))
    )
    done = invoke(
        "compare", "--model", folder, *texts, "--serve", "--view", "heads", "--port", "81"
    )
    assert done.output == "Stopped.\n"
    shown, options = asked[0]
    assert shown.b.tokens.text == ("a", "new", "b", "c")
    assert (options["view"], options["port"]) == ("heads", 81)
    both = invoke("compare", "--model", folder, *texts, "--serve", "-o", out)
    assert both.exit_code == 2
    assert "-o writes a page and --serve serves: give one of them." in both.stderr


def test_compare_takes_a_second_model_and_needs_something_to_compare(two_texts, folder, tmp_path):
    (tmp_path / "tuned").mkdir()
    (tmp_path / "tuned/config.json").write_text("{}")
    done = invoke("compare", "--model", folder, "a b c", "--with", tmp_path / "tuned", "--csv")
    assert done.exit_code == 0, done.output
    assert two_texts == ["model", "tuned"]
    assert done.stdout.startswith("layer,head,change,js,largest,query,token\n0,")
    alone = invoke("compare", "--model", folder, "a b c")
    assert alone.exit_code == 2
    assert "nothing to compare with: give a second text, or --with a model." in alone.stderr
    apart = invoke("compare", "--model", folder, "a b c", "u v")
    assert apart.exit_code == 2
    assert "error: the traces have no query token of the self stream in common" in apart.stderr


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


def test_without_a_model_a_saved_trace_is_wanted(tmp_path):
    done = invoke("heads", "the cat sat")
    assert done.exit_code == 2
    assert "give --model to capture a text, or a saved x.safetensors." in done.stderr
    done = invoke("heads", tmp_path / "gone.safetensors")
    assert done.exit_code == 2
    assert "No such file or directory. Give a file that trace.save(path) wrote." in done.stderr


def test_view_without_output_serves_and_opens(measured, folder, monkeypatch):
    asked, opened = [], []

    def serve(trace, *, tell, **options):
        asked.append(options)
        tell("http://127.0.0.1:1/token/")

    monkeypatch.setattr("attnscope.hosts.server.serve", serve)
    monkeypatch.setattr(cli.webbrowser, "open", opened.append)
    done = invoke("view", "--model", folder, "x", "--layers", "1")
    assert done.exit_code == 0, done.output
    assert "http://127.0.0.1:1/token/\nCtrl-C stops it.\nStopped.\n" in done.output
    assert opened == ["http://127.0.0.1:1/token/"]
    options = {"view": None, "port": 0, "layers": [1], "heads": None, "theme": "auto"}
    assert asked == [options]
    invoke("view", "--model", folder, "x", "--serve", "--port", "81", "--view", "matrix")
    assert (asked[1]["view"], asked[1]["port"], len(opened)) == ("matrix", 81, 1)


@pytest.fixture
def drawn(monkeypatch, asked):
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
    assert asked[0][1] == {"max_new_tokens": 60}


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


def test_a_saved_trace_with_a_model_is_not_taken_as_a_text(asked, folder, tmp_path):
    (tmp_path / "x.safetensors").write_bytes(b"")
    done = invoke("heads", tmp_path / "x.safetensors", "--model", folder)
    assert done.exit_code == 2
    assert "is a saved trace, which needs no --model: leave it out." in done.output
    assert asked == []


def test_capture_keeps_values_where_asked(asked, folder, tmp_path):
    invoke("capture", "A cat", "--model", folder, "--values", "-o", tmp_path / "x.safetensors")
    assert asked[0][1] == {"target": None, "values": True}


def test_the_text_view_is_written(folder, drawn, tmp_path):
    done = invoke("view", "--model", folder, "x", "--view", "text", "-o", tmp_path / "x.html")
    assert done.exit_code == 0, done.output
    assert 'data-attnscope-view="text"' in (tmp_path / "x.html").read_text(encoding="utf-8")


def test_no_rows_to_ablate_for_is_an_error_of_usage(folder):
    done = invoke("ablate", "x", "--model", folder, "--heads", "0.0", "-k", "0")
    assert done.exit_code == 2
    assert "0 is not in the range x>=1" in done.output


def test_a_demo_that_cannot_be_written_says_so_before_the_model_is_loaded(tmp_path, monkeypatch):
    monkeypatch.setattr(demo, "load", lambda _: pytest.fail("the model was loaded"))
    (tmp_path / "file").write_text("")
    done = invoke("demo", "--out", tmp_path / "file" / "demo")
    assert done.exit_code == 2
    assert f"cannot make the folder {tmp_path / 'file' / 'demo'}: Not a directory." in done.output
