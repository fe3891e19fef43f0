"""Tiny models that generate, of every family of tests/models.py that can, and their prompts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
import transformers as hf

import attnscope
from tests.models import FAMILIES, make_peaked, seeded

HEADS = {
    "gpt2": "GPT2LMHeadModel",
    "opt": "OPTForCausalLM",
    "gpt_neox": "GPTNeoXForCausalLM",
    "phi": "PhiForCausalLM",
    "llama": "LlamaForCausalLM",
    "mistral": "MistralForCausalLM",
    "qwen3": "Qwen3ForCausalLM",
    "gemma2": "Gemma2ForCausalLM",
    "gemma3": "Gemma3ForCausalLM",
    "gpt_oss": "GptOssForCausalLM",
    "deepseek_v3": "DeepseekV3ForCausalLM",
    "bloom": "BloomForCausalLM",
    "gptj": "GPTJForCausalLM",
}
PAIRS = {
    "bart": "BartForConditionalGeneration",
    "marian": "MarianMTModel",
    "t5": "T5ForConditionalGeneration",
}
WRITERS = {**HEADS, **PAIRS}
PADDED = "gpt2", "llama", "mistral", "gemma2", "gpt_oss"
N_NEW = 9
WAYS: dict[str, dict[str, Any]] = {
    "greedy": {},
    "without cache": {"use_cache": False},
    "sampling": {"do_sample": True, "num_return_sequences": 3},
    "beams": {"num_beams": 3, "num_return_sequences": 2},
    "beams without cache": {"num_beams": 3, "use_cache": False},
    "static cache": {"cache_implementation": "static"},
    "prompt lookup": {"prompt_lookup_num_tokens": 3},
    "prompt in chunks": {"prefill_chunk_size": 3},
}


def build_writer(name: str, implementation: str | None = None, **options: Any) -> Any:
    """A family's tiny model with a language modelling head that no token stops."""
    family = replace(FAMILIES[name], model=WRITERS[name])
    if name == "t5":  # Transformers makes a cache for as many layers as the encoder has
        options = {"num_decoder_layers": 2, **options}
    given = {**family.options, **options}
    config = getattr(hf, family.config)(**given)
    config._attn_implementation = implementation or family.implementation
    torch.manual_seed(0)
    model = getattr(hf, family.model)(config)
    make_peaked(model)
    model.generation_config.eos_token_id = None
    model.generation_config.forced_eos_token_id = None
    model.generation_config.pad_token_id = 0
    return model.eval()


def prompt(n_tokens: int = 7, batch: int = 1) -> dict[str, torch.Tensor]:
    ids = torch.randint(3, 64, (batch, n_tokens), generator=seeded(4))
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids)}


def padded_prompts() -> dict[str, torch.Tensor]:
    """Three prompts of 7, 4 and 6 tokens, padded in front."""
    inputs = prompt(7, 3)
    for item, n_pad in ((1, 3), (2, 1)):
        inputs["input_ids"][item, :n_pad] = 0
        inputs["attention_mask"][item, :n_pad] = 0
    return inputs


CHATML = (
    "{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)

CHATML_WITH_SYSTEM = (
    "{% if messages[0].role != 'system' %}<|im_start|>system\nBe kind.<|im_end|>\n{% endif %}"
) + CHATML

NO_SYSTEM_ALONE = (
    "{% set at = 0 %}{% if messages[0].role == 'system' %}"
    "{% if messages | length == 1 %}{{ raise_exception('a system message needs a user') }}"
    "{% endif %}{% endif %}<bos>{% for m in messages %}"
    "{% if m.role == 'user' %}<turn>user\n"
    "{% if loop.index0 == 1 and messages[0].role == 'system' %}"
    "{{ messages[0].content }}\n\n{% endif %}{{ m.content }}<end>\n"
    "{% elif m.role == 'assistant' %}<turn>model\n{{ m.content }}<end>\n{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<turn>model\n{% endif %}"
)
"""As Gemma's: the system message is put into the user's turn, and refused by itself."""

N_BYTES = 263


def byte_tokenizer(template: str | None = None) -> Any:
    """A tokenizer that spells bytes, one token a byte, with the markers of the templates."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    markers = ["<pad>", "<eos>", "<bos>", "<|im_start|>", "<|im_end|>", "<turn>", "<end>"]
    pieces = [*markers, *letters]
    spelling = Tokenizer(models.BPE({piece: i for i, piece in enumerate(pieces)}, []))
    spelling.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    spelling.decoder = decoders.ByteLevel()
    tokenizer = hf.PreTrainedTokenizerFast(
        tokenizer_object=spelling, pad_token="<pad>", eos_token="<eos>", bos_token="<bos>"
    )
    tokenizer.add_special_tokens({"extra_special_tokens": markers[3:]})
    tokenizer.chat_template = template
    return tokenizer


def byte_writer(**options: Any) -> Any:
    """A tiny Llama for these tokens, with room for a chat."""
    return build_writer("llama", vocab_size=N_BYTES, max_position_embeddings=512, **options)


STORY = "a small cat sat on my mat because it was tired ."

TALE = (
    "{{ '<s>' }}{% for m in messages %}{{ '<' + m.role + '>' + ' ' + m.content + ' ' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<assistant>' + ' a' }}{% endif %}"
)


def reteller() -> tuple[Any, Any]:
    """The model whose heads are known (tests.models), with words: it tells a story again.

    Its head 1.0 looks at what followed the last time, so token i is made by looking at word i.
    """
    from tokenizers import Tokenizer, models, pre_tokenizers

    from tests.models import analytic_gpt2

    names = ["<pad>", "<s>", "<system>", "<user>", "<assistant>", *dict.fromkeys(STORY.split())]
    words = Tokenizer(models.WordLevel({n: i for i, n in enumerate(names)}, unk_token="<pad>"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = hf.PreTrainedTokenizerFast(tokenizer_object=words, pad_token="<pad>")
    tokenizer.add_special_tokens({"bos_token": "<s>", "extra_special_tokens": names[2:5]})
    tokenizer.chat_template = TALE
    model = analytic_gpt2()
    model.generation_config.pad_token_id, model.generation_config.eos_token_id = 0, None
    return model, tokenizer


def retold(n_new: int = 6) -> Any:
    """A trace of the story told again, as a chat."""
    import attnscope

    model, tokenizer = reteller()
    messages = [{"role": "system", "content": "it was ."}, {"role": "user", "content": STORY}]
    return attnscope.generate(model, tokenizer, messages, max_new_tokens=n_new, do_sample=False)


def captured(name: str, ids: list[int]) -> attnscope.Trace:
    """A trace of these ids by one of the tiny models that write."""
    model = build_writer(name)
    inputs = {"input_ids": torch.tensor([ids])}
    if model.config.is_encoder_decoder:
        inputs["decoder_input_ids"] = torch.tensor([ids[:5]])
    return attnscope.capture(model, inputs=inputs)


def written(model: Any, inputs: dict[str, Any], **options: Any) -> torch.Tensor:
    """What the model writes by itself."""
    torch.manual_seed(1)
    sequences: torch.Tensor = model.generate(**inputs, max_new_tokens=N_NEW, **options)
    return sequences


def recorded(model: Any, inputs: dict[str, Any], **options: Any) -> attnscope.Trace:
    torch.manual_seed(1)
    return attnscope.generate(model, None, inputs, max_new_tokens=N_NEW, **options)
