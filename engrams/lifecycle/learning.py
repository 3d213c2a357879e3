"""What a model learns of a memory: sessions of lessons as adapters, kept beside the events they came from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib import import_module
from types import ModuleType
from typing import Any

from engrams.errors import BadSetting, NeedsExtra
from engrams.records import Json

#: What a verdict may be asked to reach; `drift` is a most, the others are leasts.
LIMITS = ("reliability", "generality", "locality", "earlier", "drift")


def cards() -> list[Mapping[str, Json]]:
    """A card for each method of parametric memory: the work behind `Memory.methods`."""
    return list(_room("listing", "Memory.methods").cards())


class Weights:
    """What a model learnt of one namespace; made by `Memory.weights`.

    Each session is an adapter beside the model, an engram that names what it came from: erased with it, carried by containers.
    """

    def __init__(
        self,
        memory: Any,
        model: Any,
        *,
        tokenizer: Any = None,
        method: Any = "session-lora",
        reserve: Sequence[Mapping[str, Any]] = (),
        limits: Mapping[str, float | None] | None = None,
        seed: int = 0,
        namespace: str | None = None,
    ) -> None:
        loading, judging = _room("loading", "Memory.weights"), _room("judging", "Memory.weights")
        parametric, self._shelf = _room("parametric", "Memory.weights"), _room("shelf", "Memory.weights")
        wrong = [name for name in limits or {} if name not in LIMITS]
        if wrong:
            raise BadSetting("limits", wrong[0], ", ".join(LIMITS))
        if tokenizer is None:
            self._loaded = loading.load(model)
        else:
            self._loaded = loading.Loaded(model, tokenizer)
        self._memory, self._namespace, self._lesson = memory, namespace, loading.lesson
        fingerprint = import_module("engrams.kv.fingerprint").fingerprint
        self.parametric = parametric.ParametricMemory(
            self._loaded.model,
            fingerprint=fingerprint(self._loaded.model, self._loaded.tokenizer),
            method=method,
            reserve=loading.reserve(self._loaded, reserve),
            limits=judging.Limits(**dict(limits or {})),
            seed=seed,
        )
        self._shelf.bring(memory, self.parametric, namespace=namespace)

    def write(self, name: str, lessons: Sequence[Mapping[str, Any]]) -> Mapping[str, Json]:
        """Writes a session and judges it; the verdict, in which `kept` says whether it stands.

        A lesson is `{"asked": text or texts, "answer": text, "otherwise": texts, "source": id}`. One without a source is said to
        the memory first, "PROMPT ANSWER", so that everything rests on the journal; what is taken back leaves that event.
        """
        told = []
        for one in lessons:
            lesson = self._lesson(self._loaded, one)
            if not lesson.source:
                first = one["asked"] if isinstance(one["asked"], str) else one["asked"][0]
                added = self._memory.add(f"{first} {one['answer']}", namespace=self._namespace, session=name)
                lesson = self._lesson(self._loaded, one, added.event_ids[0])
            told.append(lesson)
        verdict = self.parametric.write(name, told)
        if verdict.kept:
            self._shelf.keep(self._memory, self.parametric, namespace=self._namespace)
        return asdict(verdict)

    def sessions(self) -> list[Mapping[str, Json]]:
        """The sessions: name, lessons, bytes, sources."""
        return [asdict(one) for one in self.parametric.list()]

    def check(self, name: str | None = None) -> list[Mapping[str, Json]]:
        """Judges again how all sessions are held, or one.

        Raises:
            NotFound: no such session.
        """
        return [asdict(one) for one in self.parametric.check(name)]

    def forget(self, name: str) -> None:
        """Forgets a session and drops the bytes of its adapter; what was said stays in the journal.

        Raises:
            NotFound: no such session.
        """
        self.parametric.forget(name)
        self._shelf.keep(self._memory, self.parametric, namespace=self._namespace)

    def ask(self, prompt: str, most: int = 16) -> str:
        """What the model says after a prompt, with what it learnt; at most so many tokens, up to the tokenizer's end."""
        end = self._loaded.tokenizer.eos_token_id
        return str(self._loaded.text(self.parametric.answer(self._loaded.prompt(prompt), most, end=end)))


def _room(name: str, what: str) -> ModuleType:
    """A module of the room weights.

    Raises:
        NeedsExtra: torch, transformers or safetensors is not installed.
    """
    try:
        return import_module(f"engrams.weights.{name}")
    except ModuleNotFoundError as missing:
        if (missing.name or "").partition(".")[0] == "engrams":
            raise
        raise NeedsExtra(what, "torch") from missing
