"""Embeds: each engram gets the vector by which it is found by meaning."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from engrams.errors import BadSetting
from engrams.ports import Embedder, Float32
from engrams.records import Draft, Engram
from engrams.step import Run, Step


@dataclass(frozen=True)
class Embed(Step[Draft, Draft]):
    """Gives every active engram of a draft a vector; without an embedder the draft passes unchanged.

    What is embedded is what is looked up (the keys where there are some, else the content), without the speaker's
    name: who spoke is a cue of its own, and a name in every vector makes all turns of one person alike. With `speaker` it
    stands in front, `Anna: …`, as most systems have it. The first `characters` (>= 1) count: all-MiniLM-L6-v2 was
    trained on 128 word pieces, about 600 characters, and a longer text only costs more.

    Source: dense passage retrieval, Karpukhin et al. 2020; Reimers and Gurevych 2019 for the vectors.
    """

    annotates: ClassVar[bool] = True

    characters: int = 600
    speaker: bool = False

    def __post_init__(self) -> None:
        if self.characters < 1:
            raise BadSetting("Embed.characters", self.characters, "a number of characters, at least 1")

    def __call__(self, value: Draft, run: Run) -> Draft:
        """Adds the vectors."""
        engrams = [engram for engram in value.engrams if engram.state == "active"]
        if run.embedder is None or not engrams:
            return value
        rows = self.vectors(engrams, run.embedder)
        made = {engram.id: row for engram, row in zip(engrams, rows, strict=True)}
        return replace(value, vectors={**value.vectors, **made})

    def vectors(
        self,
        engrams: Sequence[Engram],
        embedder: Embedder,
        progress: Callable[[int, int], None] | None = None,
    ) -> Float32:
        """The vectors of engrams, float32[n, d]; `progress` as the embedder tells it.

        Raises:
            ModelError: the embedder failed.
        """
        return embedder.embed([self.text(engram) for engram in engrams], progress=progress)

    def text(self, engram: Engram) -> str:
        """What of an engram is embedded."""
        whole = "\n".join(engram.keys) if engram.keys else engram.content
        if self.speaker and engram.speaker:
            whole = f"{engram.speaker}: {whole}"
        return whole[: self.characters]
