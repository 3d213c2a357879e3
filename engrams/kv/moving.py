"""The step that gives engrams a block beside their text, where a consolidation finds that this is cheaper."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from engrams.errors import BadSetting
from engrams.kv.activation import ActivationMemory
from engrams.records import Draft
from engrams.step import Run, Step


@dataclass(frozen=True, eq=False)
class StoreBlocks(Step[Draft, Draft]):
    """Reads each engram it is handed and keeps the block, the engram its source; hands all of them back.

    The mover `block` of `engrams.organise.forms.MoveForms`; its way back is `DropForms`. `blocks` keeps in the memory that is
    consolidated, in the namespace that is: a block elsewhere would not be found by its contexts. It may be given as a function, since
    a recipe is made before the memory is opened. `behind` is what the model reads before each text, as in `ActivationMemory.store`.
    """

    blocks: ActivationMemory | Callable[[], ActivationMemory]
    behind: str = ""

    def __call__(self, value: Draft, run: Run) -> Draft:
        """Reads and keeps.

        Raises:
            BadSetting: `blocks` keeps in a folder, or in another namespace.
        """
        blocks = self.blocks if isinstance(self.blocks, ActivationMemory) else self.blocks()
        place = getattr(blocks.shelf, "namespace", None)
        if place != run.scope.namespace:
            raise BadSetting(
                "StoreBlocks.blocks",
                place,
                f"an ActivationMemory over the memory's namespace {run.scope.namespace!r}",
            )
        for engram in value.engrams:
            blocks.store(engram.content, behind=self.behind, sources=(engram.id,))
        return value
