"""What a method of parametric memory is: sessions in, parts out; and a model's answer with those parts."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from torch import Tensor

from engrams.weights.about import About
from engrams.weights.lessons import Reserve, Session
from engrams.weights.rows import Rows
from engrams.weights.running import Learner


@dataclass(frozen=True, eq=False)
class Part:
    """What lies in one file: tensors by name, the sessions they were learnt from, and notes (plain numbers and texts)."""

    name: str
    sessions: tuple[str, ...]
    tensors: Mapping[str, Tensor]
    notes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def bytes(self) -> int:
        """What the tensors take."""
        return sum(one.numel() * one.element_size() for one in self.tensors.values())


Parts = tuple[Part, ...]


class Method(ABC):
    """A way to write sessions into weights: a frozen dataclass of the paper's parameters.

    It changes nothing: `write` returns new parts and leaves the given ones as they are, so that a write is undone by keeping
    the old ones. The base model is only ever read.
    """

    about: ClassVar[About]
    #: Whether what a session taught can be taken out by leaving parts away; else the others are written anew.
    separable: ClassVar[bool] = False

    @abstractmethod
    def write(self, learner: Learner, parts: Parts, told: Sequence[Session], reserve: Reserve) -> Parts:
        """The parts after the last of `told` was learnt; `parts` hold those before it, which may be replayed."""

    @abstractmethod
    def logits(self, learner: Learner, parts: Parts, asked: Rows) -> Tensor:
        """float[n, t, V] under the parts; without parts what the base model says, bit for bit. Without gradients."""

    def without(self, parts: Parts, session: str) -> Parts:
        """The parts without those that only this session was learnt into."""
        return tuple(part for part in parts if part.sessions != (session,))
