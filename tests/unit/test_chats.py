"""Where each turn of a chat is in the text that a template makes of it."""

from __future__ import annotations

from typing import Any

import pytest

from attnscope.capture.inputs.chats import Template
from attnscope.capture.inputs.prompts import segments_of
from attnscope.tokens import Segment
from tests.generating import CHATML, CHATML_WITH_SYSTEM, NO_SYSTEM_ALONE, byte_tokenizer

SYSTEM = {"role": "system", "content": "Be brief."}
USER = {"role": "user", "content": "Hi!"}
REPLY = {"role": "assistant", "content": "Hello."}


def turns(template: str, messages: list[dict[str, str]], **options: Any) -> list[tuple[str, str]]:
    text, found = Template(byte_tokenizer(template), options).rendered(messages)
    stops = [start for _, start in found[1:]] + [len(text)]
    return [(name, text[start:stop]) for (name, start), stop in zip(found, stops, strict=True)]


def test_each_turn_and_the_opened_one() -> None:
    assert turns(CHATML, [SYSTEM, USER, REPLY, USER]) == [
        ("system", "<|im_start|>system\nBe brief.<|im_end|>\n"),
        ("user", "<|im_start|>user\nHi!<|im_end|>\n"),
        ("assistant", "<|im_start|>assistant\nHello.<|im_end|>\n"),
        ("user", "<|im_start|>user\nHi!<|im_end|>\n"),
        ("assistant", "<|im_start|>assistant\n"),
    ]


def test_a_last_message_of_the_assistants_is_continued() -> None:
    assert turns(CHATML, [USER, REPLY])[-1] == ("assistant", "<|im_start|>assistant\nHello.")


def test_a_system_message_that_the_template_writes_by_itself() -> None:
    kind = ("system", "<|im_start|>system\nBe kind.<|im_end|>\n")
    assert turns(CHATML_WITH_SYSTEM, [USER])[0] == kind
    assert turns(CHATML_WITH_SYSTEM, [USER])[1] == ("user", "<|im_start|>user\nHi!<|im_end|>\n")
    assert [name for name, _ in turns(CHATML_WITH_SYSTEM, [SYSTEM, USER])] == [
        "system",
        "user",
        "assistant",
    ]
    assert [name for name, _ in turns(CHATML, [USER])] == ["user", "assistant"]


def test_a_template_that_refuses_a_system_message_alone() -> None:
    assert turns(NO_SYSTEM_ALONE, [SYSTEM, USER]) == [
        ("system", "<bos><turn>user\nBe brief."),
        ("user", "\n\nHi!<end>\n"),
        ("assistant", "<turn>model\n"),
    ]
    assert turns(NO_SYSTEM_ALONE, [USER])[0] == ("user", "<bos><turn>user\nHi!<end>\n")


IN_THE_LAST_TURN = (
    "{% set told = messages[0].role == 'system' %}{{ bos_token }}{% for m in messages %}"
    "{% if m.role == 'user' %}[INST] {% if loop.last and told %}{{ messages[0].content }}\n\n"
    "{% endif %}{{ m.content }}[/INST]{% elif m.role == 'assistant' %} {{ m.content }}<eos>"
    "{% endif %}{% endfor %}"
)
"""As Mistral's since 7B v0.3: the system message stands in the last turn of the user's."""


def test_a_system_message_that_is_written_into_a_later_turn() -> None:
    assert turns(IN_THE_LAST_TURN, [SYSTEM, USER, REPLY, USER]) == [
        ("user", "<bos>[INST] Hi![/INST]"),
        ("assistant", " Hello.<eos>"),
        ("system", "[INST] Be brief."),
        ("user", "\n\nHi![/INST]"),
    ]
    assert turns(IN_THE_LAST_TURN, [SYSTEM, USER]) == [
        ("system", "<bos>[INST] Be brief."),
        ("user", "\n\nHi![/INST]"),
    ]
    assert turns(IN_THE_LAST_TURN, [USER]) == [("user", "<bos>[INST] Hi![/INST]")]
    assert turns(IN_THE_LAST_TURN, [SYSTEM]) == [("system", "<bos>")]


def test_a_system_message_that_the_template_leaves_out_is_no_turn() -> None:
    silent = (
        "{% for m in messages %}{% if m.role == 'user' %}> {{ m.content }}{% endif %}{% endfor %}"
    )
    assert turns(silent, [SYSTEM, USER]) == [("user", "> Hi!")]


def test_a_template_that_changes_earlier_turns() -> None:
    """As Qwen 3's, which drops the thoughts of all answers but the last."""
    forgets = (
        "{% for m in messages %}[{{ m.role }}]"
        "{% if not loop.last and '~' in m.content %}{{ m.content.split('~')[1] }}"
        "{% else %}{{ m.content }}{% endif %};{% endfor %}"
        "{% if add_generation_prompt %}[assistant]{% endif %}"
    )
    thought = {"role": "assistant", "content": "hm~Hello."}
    found = turns(forgets, [USER, thought, USER])
    assert found[0] == ("user", "[user]Hi!;")
    assert "".join(text for _, text in found) == "[user]Hi!;[assistant]Hello.;[user]Hi!;[assistant]"
    assert found[-1] == ("assistant", "[assistant]")


def test_options_reach_the_template() -> None:
    template = CHATML + "{% if enable_thinking is defined %}{{ enable_thinking }}{% endif %}"
    assert turns(template, [USER], enable_thinking=False)[-1][1].endswith("assistant\nFalse")


def test_the_same_content_twice_is_found_in_its_own_turn() -> None:
    same = [{"role": role, "content": "yes"} for role in ("user", "assistant", "user")]
    texts = [text for _, text in turns(NO_SYSTEM_ALONE, same)]
    assert [text.count("yes") for text in texts] == [1, 1, 1, 0]


def test_turns_become_runs_of_tokens() -> None:
    found = segments_of([("system", 0), ("user", 4), ("assistant", 4)], 9)
    assert found == [Segment("system", 0, 4), Segment("assistant", 4, 9)]


@pytest.mark.parametrize("fast", [True, False])
def test_tokenizers_without_offsets_give_the_same_turns(fast: bool) -> None:
    from attnscope.capture.inputs.prompts import _by_token

    tokenizer = byte_tokenizer(CHATML)
    text, found = Template(tokenizer, {}).rendered([SYSTEM, USER])

    class Slow:
        is_fast = fast

        def __call__(self, *args: Any, **kwargs: Any) -> Any:
            return tokenizer(*args, **kwargs)

    assert _by_token(Slow(), text, found) == [("system", 0), ("user", 19), ("assistant", 30)]
