"""A model of transformers from a folder, and what it is told as text."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engrams.errors import BadSetting
from engrams.weights.lessons import Lesson, Reserve, Tokens


@dataclass(frozen=True, eq=False)
class Loaded:
    """A causal language model with its tokenizer."""

    model: Any
    tokenizer: Any

    def prompt(self, text: str) -> Tokens:
        """The ids of a prompt, with what the tokenizer puts before it."""
        return tuple(self.tokenizer(text)["input_ids"])

    def answer(self, text: str) -> Tokens:
        """The ids of an answer as it follows a prompt: nothing is put before it."""
        return tuple(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def text(self, tokens: Sequence[int]) -> str:
        """The text of ids."""
        return str(self.tokenizer.decode(list(tokens)))


def load(folder: str | Path) -> Loaded:
    """A model and its tokenizer from a folder as transformers saves them; nothing is downloaded.

    Raises:
        BadSetting: there is no such folder, or no model in it.
    """
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging

    place = Path(folder)
    if not (place / "config.json").is_file():
        raise BadSetting(
            "model", str(folder), "a folder with a model as transformers saves it (config.json and weights)"
        )
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        model = AutoModelForCausalLM.from_pretrained(place, local_files_only=True)
        return Loaded(model, AutoTokenizer.from_pretrained(place, local_files_only=True))
    except (OSError, ValueError) as cause:
        raise BadSetting(
            "model", str(folder), f"a folder with a model that transformers can open ({cause})"
        ) from cause
    finally:
        if shown:
            logging.enable_progress_bar()


def lesson(loaded: Loaded, told: Mapping[str, Any], source: str = "") -> Lesson:
    """A lesson from texts: `asked` (one or several), `answer`, `otherwise` (none, one or several), `source`.

    Raises:
        BadSetting: one of them is missing or no text.
    """
    asked, otherwise = _several(told, "asked"), _several(told, "otherwise")
    answer = told.get("answer")
    if not asked or not isinstance(answer, str) or not answer:
        raise BadSetting(
            "lesson", json.dumps(dict(told)), 'such as {"asked": ["tell anna city is"], "answer": "oslo"}'
        )
    return Lesson(
        tuple(loaded.prompt(one) for one in asked),
        loaded.answer(answer),
        tuple(loaded.prompt(one) for one in otherwise),
        str(told.get("source") or source),
    )


def reserve(loaded: Loaded, told: Sequence[Mapping[str, Any]]) -> Reserve:
    """A reserve from lessons, every other one held back to judge by, and from unrelated texts: `{"text": "…"}`."""
    known = [lesson(loaded, one) for one in told if "text" not in one]
    texts = tuple(loaded.prompt(str(one["text"])) for one in told if "text" in one)
    return Reserve(tuple(known[::2]), tuple(known[1::2]), tuple(one for one in texts if len(one) > 1))


def _several(told: Mapping[str, Any], name: str) -> list[str]:
    found = told.get(name) or []
    held = [found] if isinstance(found, str) else list(found)
    if not all(isinstance(one, str) and one for one in held):
        raise BadSetting(f"lesson.{name}", found, "a text or a list of texts")
    return held
