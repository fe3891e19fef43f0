"""`import bertviz` can be made to mean attnscope, explicitly and for as long as wanted."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import attnscope
from attnscope import InputError
from attnscope.bertviz import uninstall_as_bertviz

pytestmark = pytest.mark.usefixtures("modules")

STATEMENTS = [
    "import bertviz; where = bertviz",
    "import bertviz; where = bertviz.head_view",
    "import bertviz.head_view; where = bertviz.head_view",
    "import bertviz.neuron_view as where",
    "from bertviz import head_view as where",
    "from bertviz import model_view as where",
    "from bertviz import neuron_view as where",
    "from bertviz.head_view import head_view as where",
    "from bertviz.model_view import model_view as where",
    "from bertviz.neuron_view import show as where",
    "from bertviz.neuron_view import get_attention as where",
    "from bertviz.util import format_attention, num_layers, num_heads; where = format_attention",
    "from bertviz.util import format_special_chars as where",
]


def run(statement: str) -> object:
    names: dict[str, object] = {}
    exec(statement, names)
    return names["where"]


def home(thing: object) -> str:
    return str(getattr(thing, "__module__", None) or getattr(thing, "__name__", ""))


@pytest.mark.parametrize("statement", STATEMENTS)
def test_every_import_resolves_to_attnscope_and_back(statement):
    assert home(run(statement)).startswith("bertviz")
    with attnscope.install_as_bertviz(replace=True):
        assert home(run(statement)).startswith("attnscope.bertviz")
    assert home(run(statement)).startswith("bertviz")


@pytest.mark.parametrize(
    "statement",
    [
        "from bertviz.transformers_neuron_view import BertModel as where",
        "from bertviz.transformers_neuron_view import RobertaTokenizer as where",
        "from bertviz.transformers_neuron_view import GPT2Model, GPT2Tokenizer; where = GPT2Model",
        "from bertviz.transformers_neuron_view.modeling_bert import BertConfig as where",
        "from bertviz.transformers_neuron_view.tokenization_gpt2 import GPT2Tokenizer as where",
        "from bertviz.transformers_neuron_view import *; where = BertForMaskedLM",
    ],
)
def test_the_old_model_names_are_transformers_own(statement):
    with attnscope.install_as_bertviz(replace=True):
        assert home(run(statement)).startswith("transformers.")


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("TransfoXLModel", "TransfoXLModel is no longer in Transformers .*AutoModel"),
        ("TransfoXLTokenizer", "AutoTokenizer"),
        ("BERT_PRETRAINED_MODEL_ARCHIVE_MAP", "the model's name on the hub"),
        ("cached_path", "hf_hub_download"),
        ("load_tf_weights_in_bert", "saved by PyTorch"),
    ],
)
def test_an_old_name_that_is_gone_says_what_to_use(name, advice):
    module = importlib.import_module("attnscope.bertviz.transformers_neuron_view")
    with pytest.raises(ImportError, match=advice):
        getattr(module, name)
    with pytest.raises(ImportError, match=advice):
        exec(f"from attnscope.bertviz.transformers_neuron_view import {name}")


def test_an_unknown_name_is_an_attribute_error():
    module = importlib.import_module("attnscope.bertviz.transformers_neuron_view")
    with pytest.raises(AttributeError, match="has no attribute 'Nonsense'"):
        module.Nonsense  # noqa: B018
    assert "BertModel" in dir(module)


def test_the_real_one_is_replaced_only_when_asked_for():
    importlib.import_module("bertviz")
    with pytest.raises(InputError, match=r"real bertviz is imported .*replace=True") as caught:
        attnscope.install_as_bertviz()
    assert "takes it back" in str(caught.value)
    for name in [name for name in sys.modules if name.partition(".")[0] == "bertviz"]:
        del sys.modules[name]
    with pytest.raises(InputError, match=r"real bertviz is installed .*replace=True"):
        attnscope.install_as_bertviz()
    assert "bertviz" not in sys.modules


def test_without_the_real_one_nothing_has_to_be_said(monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == "bertviz"]:
        del sys.modules[name]
    install = importlib.import_module("attnscope.bertviz.install")
    monkeypatch.setattr(install, "find_spec", lambda _: None)
    handle = attnscope.install_as_bertviz()
    assert home(run("import bertviz; where = bertviz")) == "attnscope.bertviz"
    handle.uninstall()
    assert not [name for name in sys.modules if name.partition(".")[0] == "bertviz"]


def test_uninstalling_restores_exactly_what_was_there():
    importlib.import_module("bertviz.neuron_view")
    before = {n: m for n, m in sys.modules.items() if n.partition(".")[0] == "bertviz"}
    attnscope.install_as_bertviz(replace=True)
    importlib.import_module("bertviz.transformers_neuron_view")
    uninstall_as_bertviz()
    after = {n: m for n, m in sys.modules.items() if n.partition(".")[0] == "bertviz"}
    assert after == before
    uninstall_as_bertviz()
    assert sys.modules["bertviz"] is before["bertviz"]


def test_installing_twice_is_one_installation():
    first = attnscope.install_as_bertviz(replace=True)
    with attnscope.install_as_bertviz() as second:
        assert second is not first
    assert home(run("import bertviz; where = bertviz")) == "attnscope.bertviz"
    first.uninstall()
    assert home(run("import bertviz; where = bertviz")) == "bertviz"


def test_importing_loads_nothing_heavy():
    code = (
        "import sys, attnscope; from attnscope.bertviz import head_view, neuron_view, util\n"
        "attnscope.install_as_bertviz(replace=True); from bertviz.neuron_view import show\n"
        "heavy = ('torch', 'transformers', 'IPython', 'matplotlib', 'pandas')\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


SCRIPT = """
import sys
import numpy as np
from bertviz import head_view, model_view
import helper

if __name__ == "__main__":
    attention = [np.full((1, 2, 3, 3), 1 / 3)] * 2
    head_view(attention, ["a", "b", "c"])
    model_view(attention, ["a", "b", "c"])
    head_view(attention, ["a", "b", "c"], layer=1)
    print(sys.argv[1:], helper.NAME, __name__, __file__ == sys.argv[0])
    if "fail" in sys.argv:
        raise KeyError("mine")
    sys.exit(3)
"""


@pytest.fixture
def script(tmp_path: Path) -> Path:
    (tmp_path / "helper.py").write_text("NAME = 'beside'\n")
    (tmp_path / "old.py").write_text(SCRIPT)
    return tmp_path / "old.py"


def run_script(*args: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "attnscope.bertviz", *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_an_old_script_runs_as_it_is(script, tmp_path):
    done = run_script("--save", tmp_path / "pages", script, "--flag", "x")
    assert (done.returncode, done.stdout) == (3, "['--flag', 'x'] beside __main__ True\n")
    pages = sorted(path.name for path in (tmp_path / "pages").iterdir())
    assert pages == ["head_view-1.html", "head_view-2.html", "model_view-1.html"]
    assert done.stderr.count("wrote") == 3


def test_a_failing_script_has_its_own_traceback(script):
    done = run_script(script, "fail")
    lines = done.stderr[done.stderr.index("Traceback") :].splitlines()
    assert done.returncode == 1
    assert lines[1].startswith(f'  File "{script}", line ')
    assert lines[-1] == "KeyError: 'mine'"
    assert not [line for line in lines if "runpy" in line or "attnscope" in line]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("none.py", None, "there is no file"),
        ("old.ipynb", "{}", "attnscope.install_as_bertviz()"),
        ("bad.py", "def f(:\n", "SyntaxError"),
    ],
)
def test_what_is_no_script_is_said_in_one_line(tmp_path, name, content, said):
    if content is not None:
        (tmp_path / name).write_text(content)
    done = run_script(tmp_path / name)
    assert done.returncode in (1, 2)
    assert said in done.stderr
    assert "runpy" not in done.stderr
