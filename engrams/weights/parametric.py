"""Parametric memory: sessions are written into weights beside a model, judged, listed, put on, and forgotten exactly."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from torch import Tensor

from engrams.errors import BadSetting, Mismatch, NotFound, UsageError
from engrams.weights.catalogue import find
from engrams.weights.files import Adapter
from engrams.weights.judging import Limits, Verdict, judge
from engrams.weights.lessons import Lesson, Reserve, Session, Tokens
from engrams.weights.method import Method, Parts
from engrams.weights.rows import Rows, rows
from engrams.weights.running import Learner, wearing


@dataclass(frozen=True, slots=True)
class Held:
    """One session as it is held: its name, how many lessons, what its own parts take, and what it came from.

    `bytes` is 0 where the method keeps all sessions in one part; `ParametricMemory.bytes` counts everything.
    """

    name: str
    lessons: int
    bytes: int
    sources: tuple[str, ...]


class ParametricMemory:
    """What a model was told after its training, in weights beside its own.

    The model's weights are never changed: every answer is the model's with parts put on, and with all sessions forgotten it
    is the model's own, bit for bit.

    Args:
        model: a causal language model of transformers; it is set to answer, not to learn.
        fingerprint: by what the model is known (`engrams.kv.fingerprint`); adapters of another one are refused.
        method: how sessions become weights, by name (`engrams weights methods`) or as a value.
        reserve: what must not change, for replay and for judging.
        limits: what a write must reach; one that does not is taken back.
        seed: what is drawn while learning is drawn from it.
    """

    def __init__(
        self,
        model: Any,
        *,
        fingerprint: str,
        method: str | Method = "session-lora",
        reserve: Reserve | None = None,
        limits: Limits | None = None,
        seed: int = 0,
    ) -> None:
        self.learner = Learner(model, fingerprint, seed)
        self.method = find(method) if isinstance(method, str) else method
        self.limits = limits or Limits()
        self._reserve = reserve or Reserve()
        self._sessions: tuple[Session, ...] = ()
        self._parts: Parts = ()

    # --- writing and forgetting

    def write(self, name: str, lessons: Sequence[Lesson]) -> Verdict:
        """Writes a session and judges it. `Verdict.kept` is False where a limit was not reached: then nothing has changed.

        Raises:
            BadSetting: a session of that name is held already, or there is no lesson.
        """
        if any(one.name == name for one in self._sessions):
            raise BadSetting("name", name, "the name of a session that is not held yet; forget it first")
        told = (*self._sessions, Session(name, tuple(lessons)))
        parts = self.method.write(self.learner, self._parts, told, self._reserve.without(told))
        verdict = self._judged(parts, told)
        if verdict.kept:
            self._sessions, self._parts = told, parts
        return verdict

    def forget(self, name: str) -> None:
        """Forgets a session, as if it had never been told.

        Where the method keeps it in parts of its own, they go; else everything is written anew without it. After the last one the
        model's answers are its own again, bit for bit.

        Raises:
            NotFound: no such session.
        """
        self._session(name)
        left = tuple(one for one in self._sessions if one.name != name)
        if not left:
            self._sessions, self._parts = (), ()
        elif self.method.separable:
            self._sessions, self._parts = left, self.method.without(self._parts, name)
        else:
            parts: Parts = ()
            for count in range(1, len(left) + 1):
                told = left[:count]
                parts = self.method.write(self.learner, parts, told, self._reserve.without(told))
            self._sessions, self._parts = left, parts

    # --- looking

    def list(self) -> tuple[Held, ...]:
        """The sessions, in the order they were told."""
        return tuple(
            Held(
                one.name,
                len(one.lessons),
                sum(part.bytes for part in self._parts if part.sessions == (one.name,)),
                one.sources,
            )
            for one in self._sessions
        )

    @property
    def bytes(self) -> int:
        """What all parts take."""
        return sum(part.bytes for part in self._parts)

    def check(self, name: str | None = None) -> tuple[Verdict, ...]:
        """Judges again how sessions are held, all of them or one; takes nothing back.

        What a later session says anew of the same prompts is no longer asked of an earlier one.

        Raises:
            NotFound: no such session.
        """
        chosen = self._sessions if name is None else (self._session(name),)
        return tuple(
            self._judged(self._parts, (*self._before(one), now))
            for one in chosen
            if (now := self._now(one)) is not None
        )

    # --- answering

    def logits(self, asked: Rows) -> Tensor:
        """float[n, t, V] for rows, as the memory answers them."""
        return self.method.logits(self.learner, self._parts, asked)

    def answer(self, prompt: Tokens, most: int = 16, *, end: int | None = None) -> Tokens:
        """The likeliest tokens after a prompt, one after the other, at most so many; ends before the token `end`."""
        said: list[int] = []
        for _ in range(most):
            asked = rows([(prompt, tuple(said))], self.learner.device)
            token = int(self.logits(asked)[0, len(prompt) + len(said) - 1].argmax())
            if token == end:
                break
            said.append(token)
        return tuple(said)

    def route(self, prompt: Tokens) -> str | None:
        """The session whose adapter answers a prompt; None where the base model does.

        Raises:
            UsageError: the method has no router.
        """
        router = getattr(self.method, "router", None)
        if router is None:
            raise UsageError(
                f"the method {self.method.about.name!r} has no router: it answers with everything it holds"
            )
        asked = rows([(prompt, ())], self.learner.device)
        at, _ = router.route([part.tensors for part in self._parts], asked, self.learner.known(asked))
        return None if int(at[0]) < 0 else self._parts[int(at[0])].name

    @contextmanager
    def apply(self, name: str) -> Iterator[Any]:
        """The model with a session's adapter on, as long as the block lasts: for `model.generate` and whatever else takes a model.

        Raises:
            NotFound: no such session.
            UsageError: the method keeps sessions in something else than low-rank adapters of their own.
        """
        self._session(name)
        parts = [part for part in self._parts if part.sessions == (name,)]
        tensors = {n: t for part in parts for n, t in part.tensors.items() if ".lora_" in n}
        if not tensors:
            raise UsageError(
                f"the method {self.method.about.name!r} has no adapter of {name!r} alone; use answer()"
            )
        with torch.no_grad(), wearing(self.learner.model, tensors, _scale(self.method)):
            yield self.learner.model

    # --- keeping

    def adapters(self) -> tuple[Adapter, ...]:
        """Every part, ready to be kept as the payload of an engram; each with the lessons it rests on."""
        return tuple(
            Adapter(
                part,
                self.learner.fingerprint,
                self.method.about.name,
                _settings(self.method),
                tuple(one for one in self._sessions if one.name in part.sessions),
            )
            for part in self._parts
        )

    def take(self, adapters: Sequence[Adapter]) -> None:
        """Puts kept parts on, in their order, in place of what is held.

        Raises:
            Mismatch: a part was made by another method or with other settings, or for another model.
        """
        mine = (self.learner.fingerprint, self.method.about.name, _settings(self.method))
        for one in adapters:
            if (one.fingerprint, one.method, dict(one.settings)) != mine:
                raise Mismatch(
                    f"the adapter {one.part.name!r} was made by {one.method} with {dict(one.settings)} for the model "
                    f"{one.fingerprint}; this memory runs {mine[1]} with {mine[2]} for {mine[0]}"
                )
        sessions = {session.name: session for one in adapters for session in one.sessions}
        device = self.learner.device
        self._sessions = tuple(sessions.values())
        self._parts = tuple(
            replace(one.part, tensors={name: t.to(device) for name, t in one.part.tensors.items()})
            for one in adapters
        )

    # --- within

    def _session(self, name: str) -> Session:
        for one in self._sessions:
            if one.name == name:
                return one
        held = ", ".join(repr(one.name) for one in self._sessions) or "none"
        raise NotFound(f"no session {name!r} in these weights; held: {held}")

    def _before(self, session: Session) -> tuple[Session, ...]:
        """The sessions told before this one, as far as they still count."""
        earlier = self._sessions[: self._sessions.index(session)]
        return tuple(now for one in earlier if (now := self._now(one)) is not None)

    def _now(self, session: Session) -> Session | None:
        """The session without what later ones say anew; None where nothing is left of it."""
        later = self._sessions[self._sessions.index(session) + 1 :]
        anew = {prompt for one in later for lesson in one.lessons for prompt in lesson.asked}
        left = tuple(lesson for lesson in session.lessons if anew.isdisjoint(lesson.asked))
        return replace(session, lessons=left) if left else None

    def _judged(self, parts: Parts, told: Sequence[Session]) -> Verdict:
        def speak(asked: Rows) -> Tensor:
            return self.method.logits(self.learner, parts, asked)

        return judge(self.learner, speak, told, self._reserve.without(self._sessions), self.limits)


def _settings(method: Method) -> dict[str, Any]:
    return asdict(method)  # type: ignore[call-overload]


def _scale(method: Method) -> float:
    return float(getattr(method, "alpha", 1.0)) / float(getattr(method, "rank", 1))
