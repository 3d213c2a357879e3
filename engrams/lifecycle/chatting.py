"""The language model of a memory, for whoever answers from its contexts: the same limits, the same ledger, the same cache."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from engrams.lifecycle.opening import House
from engrams.ports import Answer, Ask, ChatModel
from engrams.records import Scope


@dataclass(frozen=True)
class Lent:
    """A `ChatModel` of an open memory; it answers as long as the memory is open. `name` is the model's own."""

    model: ChatModel
    name: str

    def ask(self, ask: Ask) -> Answer:
        """One answer. Raises as `ChatModel.ask`."""
        return self.model.ask(ask)

    def ask_many(self, asks: Sequence[Ask]) -> list[Answer]:
        """Answers in the order of the questions. Raises as `ChatModel.ask_many`."""
        return self.model.ask_many(asks)


def chat_of(house: House, namespace: str) -> ChatModel:
    """The model of a memory, counted under a namespace.

    Raises:
        CannotJoin: the memory is open without one.
        Denied: the key it was opened with may not write there.
    """
    if house.grant is not None:
        house.grant.require("write", namespace, "chat")
    return Lent(house.run("read", Scope(namespace)).chat, house.model_name(""))
