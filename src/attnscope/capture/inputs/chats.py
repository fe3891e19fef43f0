"""Chat messages to the text that a model's template makes of them, and where each turn is in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from attnscope._display import printable
from attnscope.errors import InputError

Turn = tuple[str, int]
"""A role, and the character of the rendered text at which its turn starts."""

ANSWER = "assistant"


def is_message(given: Any) -> bool:
    """True for one message, `{"role": "user", "content": "..."}`."""
    return isinstance(given, Mapping) and "role" in given


def is_chat(given: Any) -> bool:
    """True for a list of messages."""
    return isinstance(given, list | tuple) and bool(given) and all(map(is_message, given))


def check_chat(tokenizer: Any, messages: Sequence[Any]) -> None:
    """Raise InputError where there is no template for these messages, or one is not text."""
    if not getattr(tokenizer, "chat_template", None):
        raise InputError(
            "chat messages were given, and the tokenizer has no chat template (a base model?): "
            "give the prompt as one text, or set tokenizer.chat_template."
        )
    for number, message in enumerate(messages):
        content = message.get("content")
        if not isinstance(content, str):
            raise InputError(
                f"message {number} ({message['role']}) has content of type "
                f"{type(content).__name__}, expected text. For images and tool calls, give "
                "prepared inputs: processor.apply_chat_template(messages, tokenize=True, "
                "return_dict=True, return_tensors='pt', add_generation_prompt=True)."
            )


class Template:
    """A tokenizer's chat template with the caller's options (`enable_thinking=False`, `tools=`)."""

    def __init__(self, tokenizer: Any, options: Mapping[str, Any]) -> None:
        self._tokenizer = tokenizer
        self._options = dict(options)

    def render(self, messages: Sequence[Any], **options: Any) -> str:
        """The text of these messages."""
        text: str = self._tokenizer.apply_chat_template(
            list(messages), tokenize=False, **{**self._options, **options}
        )
        return text

    def rendered(self, messages: Sequence[Any]) -> tuple[str, list[Turn]]:
        """The prompt of a chat, and its turns.

        A last message of the assistant's is continued; otherwise the assistant's turn is opened,
        and what opens it is a turn of its own.
        """
        last = messages[-1]["role"] == ANSWER
        open_ = {"continue_final_message": True} if last else {"add_generation_prompt": True}
        whole = self.render(messages, **open_)
        turns: list[Turn] = []
        at, moved = 0, self._moves_system(messages)
        for number, message in enumerate(messages):
            if not (moved and number == 0):
                turns.append((printable(str(message["role"])), at))
                at = self._end(whole, messages[: number + 1], at, moved)
        if at < len(whole) and not last:
            turns.append((ANSWER, at))
        if moved:
            return whole, _with_moved_system(whole, messages[0], turns)
        return whole, self._with_default_system(messages, turns)

    def _end(self, whole: str, messages: Sequence[Any], start: int, moved: bool) -> int:
        """Where the turn of the last of these messages ends.

        Where the messages up to it make a text of their own, it ends with that. Some templates
        refuse (Gemma: a system message alone) or change earlier turns (Qwen 3: no thoughts): then
        it ends with its content.
        """
        for told in (messages, messages[1:]) if moved else (messages,):
            so_far = self._tried(told)
            if so_far is not None and whole.startswith(so_far) and len(so_far) > start:
                return len(so_far)
        content = messages[-1]["content"].strip()
        found = whole.find(content, start)
        return start if found < 0 or not content else found + len(content)

    def _moves_system(self, messages: Sequence[Any]) -> bool:
        """True where a system message is written within a user's turn (Mistral: the last one).

        Alone it is then not written at all.
        """
        first = messages[0]
        if first["role"] != "system" or len(messages) < 2:
            return False
        alone = self._tried([first])
        return alone is not None and first["content"].strip() not in alone

    def _tried(self, messages: Sequence[Any]) -> str | None:
        try:
            return self.render(messages, add_generation_prompt=False)
        except Exception:  # a template raises what it likes
            return None

    def _with_default_system(self, messages: Sequence[Any], turns: list[Turn]) -> list[Turn]:
        """A system message that the template writes by itself is a turn of its own.

        It stands in front of the first turn, and not in front of a later one of the same role.
        """
        first = messages[0]
        if first["role"] == "system" or not first["content"].strip():
            return turns
        before = [first, {"role": ANSWER, "content": "x"}]
        once, twice = self._tried(before), self._tried([*before, first])
        if once is None or twice is None or not twice.startswith(once):
            return turns
        content = first["content"].strip()
        header, later = twice.partition(content)[0], twice[len(once) :].partition(content)[0]
        extra = header.removesuffix(later)
        bos = getattr(self._tokenizer, "bos_token", None) or ""
        if extra == header or not extra.removeprefix(bos).strip():
            return turns
        return [("system", 0), (turns[0][0], len(extra)), *turns[1:]]


def _with_moved_system(whole: str, system: Any, turns: Sequence[Turn]) -> list[Turn]:
    """The turn that a system message was written in begins with it; left out, it is no turn."""
    content = system["content"].strip()
    place = whole.find(content)
    if place < 0:
        return list(turns)
    before = [turn for turn in turns if turn[1] <= place]
    (role, start), after = before[-1], turns[len(before) :]
    return [*before[:-1], ("system", start), (role, place + len(content)), *after]
