"""Every method by name, and the rows they are compared with."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from engrams.errors import UnknownName
from engrams.weights.method import Method
from engrams.weights.methods.fpf import Fpf
from engrams.weights.methods.full import FullFineTuning
from engrams.weights.methods.hierarchical_memory import HierarchicalMemory
from engrams.weights.methods.i_lora import SLOW, ILora
from engrams.weights.methods.mac import Mac
from engrams.weights.methods.merges import MergedLora
from engrams.weights.methods.mlp_memory import MlpMemory
from engrams.weights.methods.one_adapter import OneAdapter
from engrams.weights.methods.second_me import SecondMe
from engrams.weights.methods.sema import Sema
from engrams.weights.methods.session_lora import SessionLora
from engrams.weights.methods.sparse_mezo import SparseMezo
from engrams.weights.methods.wise import Wise

#: The methods as they are run where nothing else is said: the house's own first, then by name, then what they are compared with.
METHODS: Mapping[str, Method] = MappingProxyType(
    {
        one.about.name: one
        for one in (
            SessionLora(),
            Fpf(),
            HierarchicalMemory(),
            ILora(),
            Mac(),
            MlpMemory(),
            SecondMe(),
            Sema(),
            SparseMezo(),
            Wise(),
            FullFineTuning(),
            MergedLora(),
            OneAdapter(),
        )
    }
)

#: Forms of theirs that are selectable and are measured too: name of the row, the method with its parameters.
FORMS: Mapping[str, Method] = MappingProxyType(
    {
        "i-lora, ema 0.98": ILora(ema=SLOW),
        "mlp-memory, lam 0.75": MlpMemory(lam=0.75),
        "wise, merged": Wise(retrieve=False),
        "merged-lora, linear": MergedLora(how="linear"),
        "merged-lora, cat": MergedLora(how="cat"),
        "one-lora, replay": OneAdapter(replay=1.0),
    }
)


def find(name: str) -> Method:
    """A method by name.

    Raises:
        UnknownName: none of that name; names the nearest.
    """
    if name in METHODS:
        return METHODS[name]
    raise UnknownName("method of parametric memory", name, METHODS)
