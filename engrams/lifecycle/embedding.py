"""Vectors of a memory: whose they are, index entries with them, and making them anew."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from engrams.errors import Mismatch, NeedsExtra, UsageError
from engrams.index import with_names
from engrams.lifecycle.opening import House, embedding_step
from engrams.organise.embed import Embed
from engrams.ports import Entry
from engrams.recipes.catalogue import CATALOGUE
from engrams.records import Draft, Engram, Problem, Row, Scope
from engrams.step import Chain, steps_of

#: The store's setting that names the embedder whose vectors are compared.
SETTING = "embedder"
#: Engrams embedded per transaction when vectors are made anew: some seconds of work that a kill can lose.
BATCH = 256


def entries_of(house: House, engrams: Sequence[Engram], draft: Draft | None = None) -> list[Entry]:
    """The index entries of engrams, with the vectors and names of the draft they came in.

    Without a draft, as for an engram that was corrected, the recipe's annotating steps run over them.
    """
    if draft is None:
        draft = _annotated(house, tuple(engrams))
    entries = house.index.analyse(engrams)
    if house.embedder is None and not draft.names:
        return entries
    mark = "" if house.embedder is None else house.embedder.fingerprint
    out = []
    for engram, entry in zip(engrams, entries, strict=True):
        names, vector = draft.names.get(engram.id), draft.vectors.get(engram.id)
        if names:
            entry = with_names(entry, names)
        out.append(entry if vector is None else replace(entry, vectors={mark: vector}))
    return out


def settings_of(house: House, entries: Sequence[Entry]) -> dict[str, str]:
    """What a commit of these entries asks of the store: that its vectors are of this embedder."""
    if house.embedder is None or not any(entry.vectors for entry in entries):
        return {}
    return {SETTING: house.embedder.fingerprint}


def require_embedder(house: House) -> None:
    """The vectors in the store are those of the memory's embedder, or there are none.

    Raises:
        Mismatch: they come from another one; names both, and the command.
    """
    if house.embedder is None or house.embedding is None:
        return
    found, ours = house.store.setting(SETTING), house.embedder.fingerprint
    if found is not None and found != ours:
        raise Mismatch(
            f"the vectors in {house.store.location} come from the embedder {found!r}, this memory is open with {ours!r}, "
            "and vectors of two embedders cannot be compared; open it with the one that made them, or make them anew "
            "with: engrams reembed"
        )


def problems(house: House) -> list[Problem]:
    """What the vectors lack: those of another embedder, or memories without one."""
    if house.embedder is None or house.embedding is None:
        return []
    try:
        require_embedder(house)
    except Mismatch as found:
        return [Problem(str(found), "engrams reembed")]
    if house.store.without_vector(house.embedder.fingerprint, limit=1):
        what = "some memories have no vector: they were written without an embedder, and are found by words alone"
        return [Problem(what, "engrams reembed", "warning")]
    return []


def reembed(house: House, progress: Callable[[int, int], None] | None = None) -> int:
    """Gives every active engram of the store a vector of the memory's embedder; returns how many were made.

    What of an engram is embedded, the recipe that derived it says: that of the open one for what a recipe of one's own made.
    Each batch is kept as it is made, so a run that was cut off goes on where it stopped. Until all are there, memories
    open with the embedder before are answered from its vectors; then the store changes over at once, what was
    written meanwhile is done, and the old vectors go.

    Raises:
        UsageError: the recipe embeds nothing.
        NeedsExtra: there is no embedder.
        ModelError: the embedder failed; what is done stays done.
    """
    if house.embedding is None:
        raise UsageError(
            f"the recipe {house.recipe.name!r} embeds nothing; open the memory with one that does, such as 'engrams'"
        )
    if house.embedder is None:
        raise NeedsExtra("making vectors", "embed")
    ours = house.embedder.fingerprint
    made = 0
    if house.store.setting(SETTING) != ours:
        made = _fill(house, 0, progress, quiet=True)
        house.store.set_setting(SETTING, ours)
    # From here on nobody writes vectors of another embedder: what a memory open with the old one added during the
    # last batch is found now.
    made = _fill(house, made, progress, quiet=False)
    while house.store.drop_vectors(keep=ours):
        pass
    house.index.forget()
    return made


def _fill(house: House, made: int, progress: Callable[[int, int], None] | None, *, quiet: bool) -> int:
    assert house.embedder is not None
    ours, steps = house.embedder.fingerprint, _steps(house)
    after, total = 0, house.store.stats(None).engrams
    while found := house.store.without_vector(ours, after=after, limit=BATCH):
        alike: dict[Embed | None, list[tuple[Row, Engram]]] = {}
        for row, engram in found:
            alike.setdefault(steps.get(engram.recipe, house.embedding), []).append((row, engram))
        for step, part in alike.items():
            assert step is not None  # asked by `reembed`
            vectors = step.vectors([engram for _, engram in part], house.embedder)
            made += house.store.put_vectors(ours, [row for row, _ in part], vectors, quiet=quiet)
        after = found[-1][0]
        if progress is not None:
            progress(made, max(total, made))
    return made


def _steps(house: House) -> dict[str, Embed]:
    """The step that embeds for each writer that is known here."""
    found: dict[str, Embed] = {}
    for recipe in (house.recipe, *CATALOGUE.values()):
        step = embedding_step(recipe)
        if step is not None:
            found.setdefault(recipe.writer, step)
    return found


def _annotated(house: House, engrams: tuple[Engram, ...]) -> Draft:
    steps = tuple(step for step in steps_of(house.recipe.write) if step.annotates)
    scope = Scope(engrams[0].namespace) if engrams else Scope(house.namespace)
    chain: Chain[Draft, Any] = Chain(steps)
    made: Draft = chain(Draft((), engrams), house.run("write", scope))
    return made
