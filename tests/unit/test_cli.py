"""The command line: what it hands to the library, what it tells, and how it fails."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings

import pytest

import attnscope
from attnscope import cli, demo, doctor, pretrained
from attnscope.errors import AttnscopeWarning, InputError
from tests.commands import FakeTrace, invoke


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
    saved = {"view": "head", "theme": "auto"}
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
    options = {"view": None, "port": 0, "layers": [1], "theme": "auto"}
    assert asked == [options]
    invoke("view", "--model", folder, "x", "--serve", "--port", "81", "--view", "matrix")
    assert (asked[1]["view"], asked[1]["port"], len(opened)) == ("matrix", 81, 1)


def test_view_shows_first_what_was_asked_for(measured, folder, tmp_path):
    out = tmp_path / "x.html"
    ask = ("view", "--model", folder, "x", "-o", out)
    done = invoke(*ask, "--layer", "1", "--query", "cat", "--stream", "self")
    assert done.exit_code == 0, done.output
    assert '"layer":1' in out.read_text()
    assert '"pinned":{"side":"query","index":1}' in out.read_text()
    wrong = invoke(*ask, "--view", "model", "--query", "1")
    assert wrong.exit_code == 2
    assert "--view model takes no --query." in wrong.output
    both = invoke(*ask, "--port", "81")
    assert "-o writes a page and --port is where to serve: give one of them." in both.output


def test_a_name_on_the_hub_is_not_waited_for_without_a_network(tmp_path):
    def nowhere(*_):
        raise OSError("Name or service not known")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pretrained.socket, "getaddrinfo", nowhere)
        patch.setattr(pretrained, "getproxies", dict)
        patch.delenv("HF_HUB_OFFLINE", raising=False)
        with pytest.raises(InputError, match=r"load no/such \(in its cache alone: the hub"):
            pretrained.load("no/such")


def test_a_saved_trace_with_a_model_is_not_taken_as_a_text(asked, folder, tmp_path):
    (tmp_path / "x.safetensors").write_bytes(b"")
    done = invoke("heads", tmp_path / "x.safetensors", "--model", folder)
    assert done.exit_code == 2
    assert "is a saved trace, which needs no --model: leave it out." in done.output
    assert asked == []


def test_capture_keeps_values_where_asked(asked, folder, tmp_path):
    invoke("capture", "A cat", "--model", folder, "--values", "-o", tmp_path / "x.safetensors")
    assert asked[0][1] == {"target": None, "values": True}


def test_no_rows_to_ablate_for_is_an_error_of_usage(folder):
    done = invoke("ablate", "x", "--model", folder, "--heads", "0.0", "-k", "0")
    assert done.exit_code == 2
    assert "0 is not in the range x>=1" in done.output
