"""One forward pass over some tokens of a composed cache: what they compute is written in its place, the rest is read.

It goes through the public interface of transformers only: a cache whose `update` scatters, `position_ids`, and a mask of four
dimensions. Where the tokens become fewer from one layer to the next, a hook of torch before each layer cuts what the layer is
handed; it looks at nothing but this pass's own cache, so the model can serve other calls at the same time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers.cache_utils import DynamicCache, DynamicLayer

from engrams.errors import BadSetting
from engrams.kv.attention import WATCH, Watch, ragged
from engrams.kv.reuse.joining import Joined, Layer

#: Says which of n tokens go on behind a layer: the layer's number, the tokens' places int64[n], keys and values float[H, n, D]
#: as they were and as they are now; gives rows int64[m] of the n, ascending.
Narrow = Callable[[int, Tensor, Layer, Layer], Tensor]


@dataclass(frozen=True, eq=False)
class Passed:
    """What a pass left: each layer's keys and values float[H, T, D], and the places it computed in each layer."""

    layers: tuple[Layer, ...]
    places: tuple[Tensor, ...]


class _Enough(Exception):
    """Ends a forward pass when the last key that is wanted has been written: what would follow is used by nobody."""


class _Pass:
    """The state of one pass: which rows of its tokens are still computed."""

    def __init__(self, places: Tensor, until: int | None, narrow: Mapping[int, Narrow]) -> None:
        self.start = places
        self.rows = torch.arange(len(places), device=places.device)
        self.until = until
        self.narrow = narrow
        self.shrink: Tensor | None = None
        self.done: list[Tensor] = []

    @property
    def places(self) -> Tensor:
        """The places that are computed in the layer at hand."""
        return self.start[self.rows]

    def wrote(self, number: int, stale: Layer, fresh: Layer) -> None:
        """Takes note of a layer; chooses who goes on; ends the pass behind the last layer, or when nobody goes on."""
        self.done.append(self.places)
        if number in self.narrow:
            self.shrink = self.narrow[number](number, self.places, stale, fresh)
        if number + 1 == self.until or (self.shrink is not None and not len(self.shrink)):
            raise _Enough

    def enter(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Cuts what a layer is handed to the rows that are still computed."""
        if self.shrink is not None:
            hidden = args[0][:, self.shrink]
            self.rows, self.shrink = self.rows[self.shrink], None
        else:
            hidden = args[0]
        return (hidden, *args[1:]), {name: self._cut(name, value) for name, value in kwargs.items()}

    def _cut(self, name: str, value: Any) -> Any:
        if value is None:
            return None
        match name:
            case "attention_mask":  # [1, 1, rows, T]
                return value[:, :, self.rows]
            case "position_ids":  # [1, rows]
                return value[:, self.rows]
            case "position_embeddings":  # cosine and sine, [1, rows, D] each
                return tuple(part[:, self.rows] for part in value)
            case "cache_position":  # [rows], transformers 5.2
                return value[self.rows]
            case _:
                return value


class _Scattering(DynamicLayer):
    """A layer of a cache whose `update` writes the fresh keys and values of a pass into their places."""

    def __init__(self, number: int, layer: Layer, running: _Pass) -> None:
        super().__init__()
        self.keys, self.values = layer[0][None].clone(), layer[1][None].clone()
        self.dtype, self.device, self.is_initialized = self.keys.dtype, self.keys.device, True
        self.number, self.running = number, running

    def update(self, key_states: Tensor, value_states: Tensor, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
        """Scatters; gives all keys and values of the layer, [1, H, T, D] each."""
        places = self.running.places
        stale = (self.keys[0][:, places], self.values[0][:, places])
        self.keys[:, :, places], self.values[:, :, places] = key_states, value_states
        self.running.wrote(self.number, stale, (key_states[0], value_states[0]))
        return self.keys, self.values


def recompute(
    model: Any,
    joined: Joined,
    places: Tensor,
    *,
    until: int | None = None,
    narrow: Mapping[int, Narrow] | None = None,
    watch: Watch | None = None,
) -> Passed:
    """Computes the tokens at `places` anew, each reading all keys up to its own position, old and new.

    With every place this is a full prefill. `joined` is left as it is.

    Args:
        model: a causal language model of transformers with rotary positions and full attention in every layer.
        joined: what was composed, T tokens.
        places: int64[n], ascending, in 0 … T-1; on the processor, as all tokens and positions are, wherever the keys lie.
        until: only the first so many layers (1 … all).
        narrow: for a layer's number, who goes on behind it.
        watch: is told the queries and keys of every layer; the last layer then attends too, which nothing else needs.

    Raises:
        BadSetting: places that are not ascending or outside, `until` out of range, a model with windows of attention.
    """
    decoder, depth = model.get_decoder(), len(joined.layers)
    until = depth if until is None else until
    _check(model, joined, places, until)
    if not len(places):
        return Passed(joined.layers, (places,) * depth)
    running = _Pass(places, until if watch is None else None, narrow or {})
    cache = DynamicCache()
    cache.layers = [_Scattering(i, layer, running) for i, layer in enumerate(joined.layers)]
    looking_on = ragged(model) if watch else nullcontext()
    device = joined.layers[0][0].device
    with torch.no_grad(), _entering(decoder, cache, running), looking_on, suppress(_Enough):
        decoder(
            input_ids=joined.tokens[places][None].to(device),
            position_ids=places[None].to(device),
            attention_mask=_mask(places, len(joined.tokens), model.dtype).to(device),
            past_key_values=cache,
            use_cache=True,
            **({WATCH: watch} if watch else {}),
        )
    none = places[:0]
    return Passed(
        tuple((layer.keys[0], layer.values[0]) for layer in cache.layers),
        tuple(running.done[i] if i < len(running.done) else none for i in range(depth)),
    )


def _check(model: Any, joined: Joined, places: Tensor, until: int) -> None:
    depth = len(joined.layers)
    if not 1 <= until <= depth:
        raise BadSetting("until", until, f"a number of layers from 1 to {depth}", "recompute")
    if len(places) and (
        places[0] < 0 or places[-1] >= len(joined.tokens) or bool((places.diff() <= 0).any())
    ):
        raise BadSetting(
            "places", places.tolist()[:8], f"ascending places from 0 to {len(joined.tokens) - 1}", "recompute"
        )
    kinds = set(getattr(model.config, "layer_types", None) or ("full_attention",))
    if kinds != {"full_attention"}:
        raise BadSetting("model", sorted(kinds), "a model with full attention in every layer", "recompute")


def _mask(places: Tensor, tokens: int, dtype: torch.dtype) -> Tensor:
    """Additive mask float[1, 1, n, T]: 0 where a token may look, the type's lowest number ahead of it."""
    ahead = torch.arange(tokens, device=places.device)[None] > places[:, None]
    mask = torch.zeros(ahead.shape, dtype=dtype, device=places.device)
    return mask.masked_fill(ahead, torch.finfo(dtype).min)[None, None]


@contextmanager
def _entering(decoder: Any, cache: DynamicCache, running: _Pass) -> Iterator[None]:
    """Cuts what each layer is handed while a pass with narrowing runs."""
    if not running.narrow:
        yield
        return

    def enter(_: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return running.enter(args, kwargs) if kwargs.get("past_key_values") is cache else None

    hooks = [layer.register_forward_pre_hook(enter, with_kwargs=True) for layer in decoder.layers]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
