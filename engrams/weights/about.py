"""Where a method comes from; readable without torch."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class About:
    """A method's name, the paper, the formula it rests on, and how ours differs from it.

    `approximation`: parts of paper or release could not be read; `differs` says which.
    """

    name: str
    summary: str
    title: str
    year: int
    url: str
    formula: str
    differs: tuple[str, ...] = ()
    approximation: bool = False
