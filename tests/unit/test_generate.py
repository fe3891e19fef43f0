"""`attnscope.generate`: prompts, segments, what is said and what is left as it was."""

from __future__ import annotations

import inspect
import pickle
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import StoppingCriteria, TextStreamer
from transformers.generation.streamers import BaseStreamer

import attnscope
from attnscope.errors import AttnscopeWarning, CaptureError, InputError, LoadError
from attnscope.scores import QKLayer
from attnscope.tokens import Segment
from tests.generating import CHATML, build_writer, byte_tokenizer, byte_writer, prompt
from tests.models import build
from tests.untouched import state_of

HI = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi!"}]


def segments(trace: attnscope.Trace) -> list[tuple[str, str]]:
    tokens = trace.tokens
    return [(s.name, "".join(tokens.text[s.start : s.stop])) for s in tokens.segments]


def test_the_function_is_public() -> None:
    assert "generate" in attnscope.__all__
    names = list(inspect.signature(attnscope.generate).parameters)
    assert names[:3] == ["model", "tokenizer", "prompt"]
    assert names[-1] == "generate_kwargs"


def test_a_text_and_what_was_written() -> None:
    model, tokenizer = byte_writer(), byte_tokenizer()
    trace = attnscope.generate(model, tokenizer, "Hi, ä!", max_new_tokens=4, do_sample=False)
    ids = tokenizer("Hi, ä!", return_tensors="pt")["input_ids"]
    plain = model.generate(ids, max_new_tokens=4, do_sample=False)
    made = trace.generation
    assert made is not None
    assert made.tokens.ids is not None
    assert made.tokens.ids.tolist() == plain[0, ids.shape[1] :].tolist()
    assert made.text == tokenizer.decode(plain[0, ids.shape[1] :], skip_special_tokens=True)
    assert (made.stream, made.start, len(made)) == ("self", ids.shape[1] - 1, 4)
    assert trace.tokens.text[:7] == ("H", "i", ",", "␣", "ä 1/2", "ä 2/2", "!")
    assert trace.tokens.spans is not None
    assert trace.tokens.spans[4:7].tolist() == [[4, 5], [4, 5], [5, 6]]
    assert (trace.tokens.spans[7:] == -1).all()
    assert len(trace.tokens) == ids.shape[1] + 3
    last = made.tokens.text[-1]
    assert f"The last token '{last}' was generated and not read: it has no" in repr(trace)


def test_one_new_token_reads_the_prompt_only() -> None:
    trace = attnscope.generate(build_writer("llama"), None, prompt(), max_new_tokens=1)
    assert trace.generation is not None
    assert (len(trace.tokens), trace.generation.start, len(trace.generation)) == (7, 6, 1)
    assert [s.name for s in trace.tokens.segments] == ["prompt"]


def test_a_chat_has_its_turns_as_segments() -> None:
    tokenizer = byte_tokenizer(CHATML)
    trace = attnscope.generate(byte_writer(), tokenizer, HI, max_new_tokens=4, do_sample=False)
    assert segments(trace)[:3] == [
        ("system", "<|im_start|>system⏎Be␣brief.<|im_end|>⏎"),
        ("user", "<|im_start|>user⏎Hi!<|im_end|>⏎"),
        ("assistant", "<|im_start|>assistant⏎"),
    ]
    assert [s.name for s in trace.tokens.segments][3:] == ["generated"]
    expected = tokenizer.apply_chat_template(HI, add_generation_prompt=True, return_dict=True)
    assert trace.tokens.ids is not None
    n = len(expected["input_ids"])
    assert trace.tokens.ids[:n].tolist() == expected["input_ids"]
    assert trace.generation is not None
    assert trace.generation.start == n - 1


def test_several_chats_are_padded_in_front() -> None:
    chats = [HI, [*HI, {"role": "assistant", "content": "Hello."}, HI[1]]]
    model, tokenizer = byte_writer(), byte_tokenizer(CHATML)
    alone = attnscope.generate(model, tokenizer, HI, max_new_tokens=4, do_sample=False)
    padded = attnscope.generate(model, tokenizer, chats, index=0, max_new_tokens=4, do_sample=False)
    assert segments(padded) == segments(alone)
    for number in padded.stream().numbers:
        np.testing.assert_allclose(padded.weights(number), alone.weights(number), atol=1e-5)


def test_the_callers_segments_come_first() -> None:
    runs = [("question", 0, 3), ("context", 3, 7)]
    trace = attnscope.generate(
        build_writer("gpt2"), None, prompt(), segments=runs, max_new_tokens=3, do_sample=False
    )
    assert trace.tokens.segments == (
        Segment("question", 0, 3),
        Segment("context", 3, 7),
        Segment("generated", 7, 9),
    )
    with pytest.raises(InputError, match=r"segments question 0:3 do not cover the 7 tokens"):
        attnscope.generate(build_writer("gpt2"), None, prompt(), segments=runs[:1])


def test_both_sides_of_an_encoder_decoder_have_segments() -> None:
    trace = attnscope.generate(build_writer("marian"), None, prompt(), max_new_tokens=4)
    cross = trace.streams["cross"]
    assert cross.key.segments == (Segment("prompt", 0, 7),)
    assert cross.query.segments == (Segment("start", 0, 1), Segment("generated", 1, 4))


def test_layers_and_heads_that_are_kept() -> None:
    model = build_writer("llama")
    every = attnscope.generate(model, None, prompt(), max_new_tokens=4)
    some = attnscope.generate(model, None, prompt(), max_new_tokens=4, layers=[1], heads=[3, 0])
    assert some.stream().numbers == (1,)
    assert some.stream().layers[0].heads == (3, 0)
    np.testing.assert_allclose(some.weights(1, 3), every.weights(1, 3), atol=1e-6)
    with pytest.raises(InputError, match="layer 7 is not in the model, which has layers 0 to 1"):
        attnscope.generate(model, None, prompt(), max_new_tokens=4, layers=7)


def test_no_more_is_kept_than_a_capture_keeps() -> None:
    """Each key once, although every step is given the whole cache; each mask in words."""
    model = build_writer("mistral", max_position_embeddings=256)
    trace = attnscope.generate(model, None, prompt(), max_new_tokens=100)
    layer = trace.stream().layers[0]
    assert isinstance(layer, QKLayer)
    assert layer.keys.shape[1] == layer.queries.shape[1] == 106
    assert (layer.spec.window, layer.spec.visible, layer.spec.keys) == (4, None, None)
    assert layer.keys.flags.owndata


PROMPTS: list[tuple[Any, str]] = [
    (None, r"the prompt must be a text, .* or tokenizer\(text, return_tensors='pt'\), got none"),
    (3, r"got int\."),
    ([], r"got list\."),
    (["a", 3], r"got list\."),
    ("", r"the prompt is empty: give at least one word"),
    ({"input_ids": [[1, 2]]}, r"inputs\['input_ids'\] is a list, expected a tensor"),
    (torch.tensor([[900]]), r"input_ids has the id 900, and LlamaForCausalLM knows"),
    ([{"role": "user", "content": [{"type": "image"}]}], r"message 0 \(user\) has content of type"),
]


@pytest.mark.parametrize(("given", "said"), PROMPTS, ids=[said[:20] for _, said in PROMPTS])
def test_prompts_that_are_none(given: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        attnscope.generate(byte_writer(), byte_tokenizer(CHATML), given, max_new_tokens=2)


def test_what_is_said_when_something_is_missing() -> None:
    model = byte_writer()
    with pytest.raises(InputError, match=r"a prompt was given with no tokenizer: generate\(model"):
        attnscope.generate(model, None, "Hi")
    with pytest.raises(InputError, match="the text 'Hi' as tokenizer"):
        attnscope.generate(model, "Hi", "Hi")
    with pytest.raises(InputError, match=r"no chat template \(a base model\?\)"):
        attnscope.generate(model, byte_tokenizer(), HI)
    with pytest.raises(InputError, match=r"LlamaModel does not generate: .* AutoModelForCausalLM"):
        attnscope.generate(build("llama"), None, prompt())
    with pytest.raises(InputError, match=r"model is the name 'gpt2', expected the model itself"):
        attnscope.generate("gpt2", None, prompt())


def test_which_of_several_sequences() -> None:
    model, tokenizer = byte_writer(), byte_tokenizer()
    with pytest.raises(
        InputError,
        match=r"makes 2 sequences \(one a prompt\): pass index= 0 to 1 to choose the one to record",
    ):
        attnscope.generate(model, tokenizer, ["Hi", "Hello"])
    with pytest.raises(InputError, match=r"makes 4 sequences \(2 prompts × num_return_sequences=2"):
        attnscope.generate(model, tokenizer, ["Hi", "Ho"], num_beams=2, num_return_sequences=2)
    with pytest.raises(InputError, match=r"index 4 is not among .* makes: 0 to 1"):
        attnscope.generate(model, tokenizer, ["Hi", "Hello"], index=4)
    with pytest.raises(InputError, match="index must be a whole number, got 'a'"):
        attnscope.generate(model, tokenizer, ["Hi", "Hello"], index="a")


def test_what_does_not_fit_the_model() -> None:
    model = build_writer("gpt2")
    with pytest.raises(InputError, match=r"33 tokens, .* at most 32: 1 .* generate\(model, token"):
        attnscope.generate(model, None, prompt(33))
    with pytest.raises(InputError, match=r"max_new_tokens=40 does not fit: .* 32 tokens, of whi"):
        attnscope.generate(model, None, prompt(), max_new_tokens=40)
    assert attnscope.generate(model, None, prompt(), max_new_tokens=26).generation is not None


class Stops(StoppingCriteria):
    """Raises what it is given when the third token has been made."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def __call__(self, input_ids: torch.Tensor, scores: Any, **_: Any) -> Any:
        if input_ids.shape[1] == 10:
            raise self.error
        return torch.zeros(len(input_ids), dtype=torch.bool)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ValueError("three")])
def test_an_interrupted_generation_leaves_the_model_as_it_was(error: BaseException) -> None:
    model = build_writer("gemma2")
    state, settings = state_of(model), model.generation_config.to_dict()
    with pytest.raises(type(error)) as raised:
        attnscope.generate(
            model, None, prompt(), max_new_tokens=6, stopping_criteria=[Stops(error)]
        )
    assert state_of(model) == state
    assert model.generation_config.to_dict() == settings
    if isinstance(error, ValueError):
        assert "in the model's own generate, Gemma2ForCausalLM.generate(" in "".join(
            raised.value.__notes__
        )
    fine = attnscope.generate(model, None, prompt(), max_new_tokens=6)
    assert fine.check().error < 1e-5


@pytest.mark.parametrize("name", ["llama", "gemma2", "marian"])
def test_nothing_is_changed_and_random_numbers_are_the_same(name: str) -> None:
    model = build_writer(name)
    state, settings = state_of(model), model.generation_config.to_dict()
    torch.manual_seed(3)
    plain = model.generate(**prompt(), max_new_tokens=6, do_sample=True)
    drawn = torch.rand(1)
    torch.manual_seed(3)
    trace = attnscope.generate(model, None, prompt(), max_new_tokens=6, do_sample=True)
    assert torch.equal(torch.rand(1), drawn)
    assert trace.generation is not None
    assert [int(t) for t in trace.generation.tokens.raw] == plain[0, -6:].tolist()
    assert state_of(model) == state
    assert model.generation_config.to_dict() == settings


def test_other_models_and_captures_inside_are_left_out() -> None:
    """A second generation in the middle of the first, of the same model."""
    model = build_writer("llama")

    class Nested(BaseStreamer):
        def __init__(self) -> None:
            self.inner: list[attnscope.Trace] = []

        def put(self, value: Any) -> None:
            self.inner.append(attnscope.generate(model, None, prompt(5), max_new_tokens=2))

        def end(self) -> None:
            pass

    streamer = Nested()
    trace = attnscope.generate(model, None, prompt(), max_new_tokens=3, streamer=streamer)
    plain = attnscope.generate(model, None, prompt(), max_new_tokens=3)
    assert len(streamer.inner) == 4
    assert len(streamer.inner[0].tokens) == 6
    np.testing.assert_allclose(trace.weights(1), plain.weights(1), atol=1e-6)


def test_a_streamer_and_stop_strings_pass_through(capsys: pytest.CaptureFixture[str]) -> None:
    model, tokenizer = byte_writer(), byte_tokenizer()
    options: dict[str, Any] = {"max_new_tokens": 5, "do_sample": False}
    streamer = TextStreamer(tokenizer, skip_prompt=True, skip_special_tokens=True)
    trace = attnscope.generate(model, tokenizer, "Hi", streamer=streamer, **options)
    assert trace.generation is not None
    text = trace.generation.text
    assert capsys.readouterr().out.strip() == text.strip()
    stop = tokenizer.decode(trace.generation.tokens.ids[:2])
    cut = attnscope.generate(model, tokenizer, "Hi", stop_strings=[stop], **options)
    assert cut.generation is not None
    assert len(cut.generation) == 2


def test_progress_counts_tokens_on_stderr(capfd: pytest.CaptureFixture[str]) -> None:
    attnscope.generate(build_writer("gpt2"), None, prompt(), max_new_tokens=4, progress=True)
    out, err = capfd.readouterr()
    assert out == ""
    assert "generate" in err
    assert "/10 [" in err
    attnscope.generate(build_writer("gpt2"), None, prompt(), max_new_tokens=4)
    assert capfd.readouterr().err == ""


def test_training_mode_is_not_certified() -> None:
    with pytest.warns(AttnscopeWarning, match="the model is in training mode"):
        trace = attnscope.generate(build_writer("gpt2").train(), None, prompt(), max_new_tokens=3)
    assert str(trace.provenance.certificate) == "not certified: dropout was active"


def test_wrong_ingredients_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """A step whose mask is misread gives no trace, however many rows the prompt has."""
    from attnscope.capture.generating import stepping
    from attnscope.capture.generating.parts import Hiding

    true = stepping.hiding_of

    def misread(spec: Any, extent: Any, *rest: Any) -> Hiding:
        return true(spec, extent, *rest) if extent.start != 9 else Hiding(window=2)

    monkeypatch.setattr(stepping, "hiding_of", misread)
    with pytest.raises(CaptureError, match=r"layer 0 .* do not explain the attention output"):
        attnscope.generate(build_writer("llama"), None, prompt(), max_new_tokens=5)


def test_tokens_that_were_not_read_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    model = build_writer("llama")
    true = model.generate

    def other(**options: Any) -> Any:
        result = true(**options)
        result.sequences[0, 8] += 1
        return result

    monkeypatch.setattr(model, "generate", other)
    with pytest.raises(CaptureError, match="returned 5 new tokens, which are not those that the"):
        attnscope.generate(model, None, prompt(), max_new_tokens=5)


def test_a_trace_of_a_generation_can_be_pickled() -> None:
    trace = attnscope.generate(build_writer("llama"), None, prompt(), max_new_tokens=3)
    again = pickle.loads(pickle.dumps(trace))
    assert trace.generation is not None
    assert again.generation.start == trace.generation.start
    assert again.generation.tokens.text == trace.generation.tokens.text


def test_nothing_is_warned_of() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        attnscope.generate(build_writer("llama"), None, prompt(), max_new_tokens=3)


def test_a_compiled_model_runs_as_it_is_written() -> None:
    model = build_writer("llama")
    plain = attnscope.generate(model, None, prompt(), max_new_tokens=3)
    model.compile(backend="eager")
    trace = attnscope.generate(model, None, prompt(), max_new_tokens=3)
    np.testing.assert_allclose(trace.weights(1), plain.weights(1), atol=1e-6)


def test_a_model_that_is_not_recorded_says_so() -> None:
    import transformers as hf

    model = hf.RwkvForCausalLM(hf.RwkvConfig(vocab_size=64, hidden_size=32, num_hidden_layers=2))
    with pytest.raises(CaptureError, match=r"RwkvForCausalLM .* ran without any attention"):
        attnscope.generate(model.eval(), None, prompt(), max_new_tokens=2)
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1}
    sizes["num_attention_heads"] = 4
    ends = {"bos_token_id": 1, "eos_token_id": 2, "sep_token_id": 2, "pad_token_id": 0}
    text = {**sizes, **ends, "vocab_size": 64, "encoder_hidden_size": 32}
    seen = {**sizes, "image_size": 32, "patch_size": 8}
    blip = hf.BlipForConditionalGeneration(hf.BlipConfig(text_config=text, vision_config=seen))
    told = r"generate\(\) never runs the model itself, but parts of it .*Capture the finished text"
    inputs = {**prompt(), "pixel_values": torch.zeros(1, 3, 32, 32)}
    with pytest.raises(CaptureError, match=told):
        attnscope.generate(blip.eval(), None, inputs, max_new_tokens=2)


@pytest.mark.parametrize("name", ["llama", "marian"])
def test_a_generation_is_saved_with_its_trace(name: str, tmp_path: Path) -> None:
    trace = attnscope.generate(build_writer(name), None, prompt(), max_new_tokens=3)
    again = attnscope.load(trace.save(tmp_path / "x.safetensors"))
    assert trace.generation is not None
    assert again.generation is not None
    assert again.generation.tokens.raw == trace.generation.tokens.raw
    assert (again.generation.stream, again.generation.start, again.generation.text) == (
        trace.generation.stream,
        trace.generation.start,
        trace.generation.text,
    )
    stream = None if name == "llama" else "decoder"
    assert len(again.segments(stream=stream)) == 3
    assert again.check() == trace.check()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"stream": "other"}, "tokens were generated in a stream that is not there"),
        ({"start": 2}, "generated tokens and the rows that made them differ in number"),
        ({"start": -1}, "generated tokens and the rows that made them differ in number"),
    ],
)
def test_a_file_that_lies_about_its_generation_is_refused(
    change: dict[str, Any], said: str, tmp_path: Path
) -> None:
    trace = attnscope.generate(build_writer("llama"), None, prompt(), max_new_tokens=3)
    assert trace.generation is not None
    lie = attnscope.Trace(
        list(trace.streams.values()), trace.provenance, replace(trace.generation, **change)
    )
    with pytest.raises(LoadError, match=said):
        attnscope.load(lie.save(tmp_path / "x.safetensors"))
