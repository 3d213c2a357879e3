"""What is let in: messages that ask not to be remembered stay out, secrets are masked or refused, quotas are kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from engrams.errors import UsageError
from engrams.guard.patterns import masked
from engrams.lifecycle.opening import House
from engrams.lifecycle.retention import require_room
from engrams.records import Json, Message, Scope

#: The key of a message's metadata, or a call's, that says with false: do not remember this.
REMEMBER = "remember"


def admit(
    house: House,
    messages: Sequence[Message],
    scope: Scope,
    metadata: Mapping[str, Json],
    *,
    room: bool = True,
) -> list[Message]:
    """The messages that are journalled, as they are journalled; those that ask not to be remembered are left out.

    Raises:
        UsageError: the guard refuses one; says which and for what kind of secret. Nothing was written.
        OverBudget: a quota of the namespace would be passed. Nothing was written.
    """
    kept = [m for m in messages if {**metadata, **m.metadata}.get(REMEMBER) is not False]
    if house.guard != "off":
        kept = [guarded(house.guard, m, at) for at, m in enumerate(kept, 1)]
    if room:
        require_room(house, scope, kept)
    return kept


def guarded(way: str, message: Message, number: int = 1) -> Message:
    """A message without what the patterns find, or as it is where they find nothing.

    Raises:
        UsageError: `way` is "refuse" and something was found; the message does not repeat it.
    """
    text, kinds = masked(message.content)
    if not kinds:
        return message
    if way == "refuse":
        named = ", ".join(sorted(set(kinds)))
        raise UsageError(
            f"message {number} holds what looks like {named}, and the setting guard is 'refuse'; take it out, or set guard "
            "to 'mask' (keeps the rest) or 'off'. Nothing was written"
        )
    return replace(message, content=text)
