"""Code as it stands in tutorials written for BertViz, after one line (or with none)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import transformers as hf

import attnscope
from attnscope.view import View
from tests.compat.given import WORDS, bert
from tests.models import build

pytestmark = pytest.mark.usefixtures("modules")
REVERSAL = Path(__file__).parents[1] / "fixtures" / "reversal"

LAST_OUTPUT = """
from transformers import AutoTokenizer, AutoModel, utils
from bertviz import model_view
utils.logging.set_verbosity_error()
model = AutoModel.from_pretrained(model_version, output_attentions=True)
tokenizer = AutoTokenizer.from_pretrained(model_version)
inputs = tokenizer.encode("the cat sat on the dog", return_tensors='pt')
outputs = model(inputs)
attention = outputs[-1]
tokens = tokenizer.convert_ids_to_tokens(inputs[0])
model_view(attention, tokens)
"""
PAIR = """
from bertviz import head_view
from transformers import BertTokenizer, BertModel
model = BertModel.from_pretrained(model_version, output_attentions=True)
tokenizer = BertTokenizer.from_pretrained(model_version, do_lower_case=True)
inputs = tokenizer("The cat sat", "The dog", return_tensors='pt')
input_ids = inputs['input_ids']
token_type_ids = inputs['token_type_ids']
attention = model(input_ids, token_type_ids=token_type_ids).attentions
sentence_b_start = token_type_ids[0].tolist().index(1)
input_id_list = input_ids[0].tolist()
tokens = tokenizer.convert_ids_to_tokens(input_id_list)
head_view(attention, tokens, sentence_b_start)
"""
TWO_STACKS = """
from transformers import AutoTokenizer, AutoModelForSeq2SeqLM
from bertviz import model_view
tokenizer = AutoTokenizer.from_pretrained(model_version)
model = AutoModelForSeq2SeqLM.from_pretrained(model_version, output_attentions=True)
encoder_input_ids = tokenizer("attention", return_tensors="pt").input_ids
decoder_input_ids = tokenizer("noitnetta", return_tensors="pt").input_ids
outputs = model(input_ids=encoder_input_ids, decoder_input_ids=decoder_input_ids)
encoder_text = tokenizer.convert_ids_to_tokens(encoder_input_ids[0])
decoder_text = tokenizer.convert_ids_to_tokens(decoder_input_ids[0])
model_view(
    encoder_attention=outputs.encoder_attentions,
    decoder_attention=outputs.decoder_attentions,
    cross_attention=outputs.cross_attentions,
    encoder_tokens=encoder_text,
    decoder_tokens=decoder_text
)
"""
NEURON = """
from bertviz.transformers_neuron_view import BertModel, BertTokenizer
from bertviz.neuron_view import show
model = BertModel.from_pretrained(model_version, output_attentions=True)
tokenizer = BertTokenizer.from_pretrained(model_version, do_lower_case=True)
show(model, 'bert', tokenizer, "The cat sat", "The dog", layer=1, head=3)
"""
CALLED = """
from transformers import AutoTokenizer, AutoModel
from bertviz import neuron_view
model = AutoModel.from_pretrained(model_version)
tokenizer = AutoTokenizer.from_pretrained(model_version)
neuron_view(model, "bert", tokenizer, "the cat sat", display_mode="dark", layer=1, head=0)
"""
RETURNED = """
import bertviz
from transformers import BertTokenizer, BertModel
model = BertModel.from_pretrained(model_version, output_attentions=True)
tokenizer = BertTokenizer.from_pretrained(model_version)
inputs = tokenizer.encode("the cat sat", return_tensors='pt')
attention = [att.detach().cpu().numpy() for att in model(inputs).attentions]
tokens = tokenizer.convert_ids_to_tokens(inputs[0])
html_head_view = bertviz.head_view(attention, tokens, html_action='return')
with open(page, 'w') as file:
    file.write(html_head_view.data)
"""


@pytest.fixture
def old_world(shown: list[View]) -> Any:
    """Runs a snippet with attnscope installed as bertviz; returns its names."""

    def run(snippet: str, **names: Any) -> dict[str, Any]:
        with attnscope.install_as_bertviz(replace=True):
            exec(snippet, names)
        return names

    return run


@pytest.fixture
def bert_folder(tmp_path: Path) -> str:
    model, tokenizer = bert()
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    return str(tmp_path)


def test_the_last_output_where_it_still_has_the_attentions(old_world, shown, tmp_path):
    model = build("distilbert")
    model.save_pretrained(tmp_path)
    names = {name: i for i, name in enumerate(WORDS.split())}
    hf.BertTokenizer(names).save_pretrained(tmp_path)
    old_world(LAST_OUTPUT, model_version=str(tmp_path))
    assert shown[0].spec["view"] == "model"
    assert shown[0].trace.tokens.text[:3] == ("[CLS]", "the", "cat")


def test_the_last_output_of_bert_gets_the_fix(old_world, bert_folder):
    with pytest.raises(ValueError, match=r"outputs\[-1\].*attnscope.capture\(model, tokenizer"):
        old_world(LAST_OUTPUT, model_version=bert_folder)


def test_a_sentence_pair(old_world, shown, bert_folder):
    old_world(PAIR, model_version=bert_folder)
    assert [(s.name, s.start, s.stop) for s in shown[0].trace.tokens.segments] == [
        ("A", 0, 5),
        ("B", 5, 8),
    ]


def test_an_encoder_decoder(old_world, shown):
    names = old_world(TWO_STACKS, model_version=str(REVERSAL))
    trace = shown[0].trace
    assert list(trace.streams) == ["encoder", "decoder", "cross"]
    cross = names["outputs"].cross_attentions
    assert (trace.weights(0, stream="cross") == cross[0][0].detach().numpy()).all()


@pytest.mark.parametrize("snippet", [NEURON, CALLED])
def test_the_neuron_view(old_world, shown, bert_folder, snippet):
    old_world(snippet, model_version=bert_folder)
    assert shown[0].spec["view"] == "neuron"
    assert shown[0].spec["theme"] == "dark"
    assert shown[0].spec["state"]["layer"] == 1


def test_a_returned_view_written_to_a_file(old_world, bert_folder, tmp_path):
    page = tmp_path / "head.html"
    old_world(RETURNED, model_version=bert_folder, page=page)
    assert "data-attnscope-view" in page.read_text()
