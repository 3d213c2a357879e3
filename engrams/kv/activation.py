"""Activation memory: what a model computed for texts, kept as blocks and composed in front of a question."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from engrams.errors import BadSetting, NotFound, UsageError
from engrams.kv.attention import look, seen_of
from engrams.kv.block import Block
from engrams.kv.composing import Composed, compose
from engrams.kv.files import Packed, Storage, from_bytes, pack, to_bytes, unpack
from engrams.kv.fingerprint import check, fingerprint
from engrams.kv.policies.catalogue import find
from engrams.kv.policy import Policy, Seen, SeenLayer
from engrams.kv.reuse.catalogue import method
from engrams.kv.reuse.method import Reuse
from engrams.kv.rotary import Rotary
from engrams.kv.shelves import Folder, InMemory, Keeper, Lying, Origin, Shelf
from engrams.kv.tiers import Order, Tier
from engrams.records import EngramId, Handle

Named = Handle | str


class ActivationMemory:
    """Blocks of one model, kept in RAM and on disk. Safe from several threads; the model itself is called by one at a time.

    Works with decoders of transformers (5.2 and later) that have rotary positions and attend to everything before them.
    """

    def __init__(
        self,
        model: Any,
        *,
        tokenizer: Any = None,
        memory: Keeper | None = None,
        namespace: str = "default",
        root: str | Path | None = None,
        storage: Storage = "same",
        ram: int | None = None,
        disk: int | None = None,
        order: Order = "lru",
    ) -> None:
        """Opens the blocks of a model.

        Args:
            model: a causal language model; in the fingerprint with its settings, weights and rotary positions.
            tokenizer: a callable with `input_ids`, and `get_vocab`, for texts instead of token ids.
            memory: an `engrams.Memory`; blocks are engrams of its `namespace`, beside the text they were made of.
            root: else a folder. One of the two.
            storage: how numbers are kept: "same" (bit-equal), "float32", "float16", "int8", "int4".
            ram: bytes that blocks may take in RAM; None: no limit.
            disk: bytes that blocks of this model may take on disk; None: no limit. What goes keeps its text, for `rebuild`.
            order: who goes first where there is no room: "lru", "lfu", or "cost" (milliseconds saved per byte).

        Raises:
            BadSetting: a model whose keys cannot be turned, a limit out of range, no such order or storage.
            UsageError: neither `memory` nor `root`, or both.
        """
        if (memory is None) == (root is None):
            raise UsageError("ActivationMemory: give memory= (an open engrams.Memory) or root= (a folder)")
        self.model, self.tokenizer, self.storage = model, tokenizer, storage
        self.rotary = Rotary.of(model)
        _require_full_attention(model)
        self.fingerprint = fingerprint(model, tokenizer)
        self.shelf: Shelf = InMemory(memory, namespace) if memory is not None else Folder(root or "")
        self.ram, self.disk = Tier(ram, order), Tier(disk, order)
        self._held: dict[str, Packed] = {}
        self._lock = threading.RLock()
        self._loader = ThreadPoolExecutor(1, thread_name_prefix="engrams-kv")
        pack(Block((), (), self.fingerprint), storage)  # says what storages there are
        self._made: dict[str, dict[tuple[str, ...], str]] = {}  # by text and by sources, the id
        for lying in self.list():
            self._remember(lying.origin, lying.handle.id)
            if lying.here:
                self.disk.put(lying.handle.id, lying.handle.bytes, lying.handle.milliseconds_saved or 0.0)

    # --- keeping

    def store(
        self,
        text: str | Sequence[int],
        *,
        behind: str | Sequence[int] = (),
        sources: Sequence[str] = (),
        policy: Policy | str | None = None,
        budget: float = 1.0,
        notes: Mapping[str, Tensor] | None = None,
    ) -> Handle:
        """Reads a text and keeps what each layer holds of it. The same text is read once.

        Args:
            text: the text, or its token ids.
            behind: what the model reads before it, from position 0 on (a beginning-of-text token, an instruction), and what
                is then in its values; kept apart. To compose, store that by itself too and put it first.
            sources: ids of the events or engrams it was said in; None given: a memory journals the text.
            policy, budget: compresses at once, as `compress` does.
            notes: tensors that travel with the block (`Block.notes`).

        Raises:
            BadSetting: no tokens; text where there is no tokenizer; a policy or budget that is none.
            UsageError: token ids alone in a memory, without text or sources.
        """
        origin = self._origin(text, behind, tuple(sources))
        known = self._known(origin)
        if known is not None and known.here and policy is None:
            return known.handle
        block, took = self._read(origin, notes)
        made = self._squeezed(block, policy, budget) if policy is not None else block
        return self._keep(made, origin, took, known.handle.id if known else None)

    def compress(self, handle: Named, policy: Policy | str, budget: float) -> Handle:
        """Keeps less of a block for good: a new version in its place, and the bytes of what a policy drops are freed.

        Args:
            handle: a block that was not compressed yet.
            policy: one of `engrams.kv.policies`, as a value or by name. One that looks at queries has the text read again.
            budget: the share of its entries that may stay, in (0, 1].

        Raises:
            NotFound: no such block; its bytes were dropped.
            Mismatch: another model's.
            BadSetting: compressed before; a budget out of range.
        """
        lying = self._find(handle)
        block = self.block(handle)
        smaller = self._squeezed(block, policy, budget)
        saved = lying.handle.milliseconds_saved
        return self._keep(smaller, lying.origin, saved, lying.handle.id)

    def rebuild(self, handle: Named) -> Handle:
        """Reads a block's text again and keeps what it gives, whole, in its place: after `drop`, or to undo `compress`."""
        lying = self._find(handle)
        block, took = self._read(lying.origin, None)
        return self._keep(block, lying.origin, took, lying.handle.id)

    def drop(self, handle: Named) -> bool:
        """Frees a block's bytes in RAM and on disk; its text stays, for `rebuild`. False: there were none."""
        id = _id(handle)
        with self._lock:
            self._held.pop(id, None)
            self.ram.drop(id)
            self.disk.drop(id)
        return self.shelf.drop(id)

    def evict(
        self, tier: Literal["ram", "disk"] = "ram", most: int | None = None, order: Order | None = None
    ) -> list[str]:
        """Makes room: the ids that went, first who went first. From RAM a block goes to disk, where it lies; from disk its bytes
        go, as with `drop`.

        Args:
            tier: "ram" or "disk".
            most: bytes that may stay; None: the tier's own limit.
            order: "lru", "lfu" or "cost"; None: the tier's own.
        """
        if tier not in ("ram", "disk"):
            raise BadSetting("tier", tier, "'ram' or 'disk'", "evict")
        with self._lock:
            gone = (self.ram if tier == "ram" else self.disk).leaving(most, order)
            for id in gone:
                self._held.pop(id, None)
                if tier == "disk":
                    self.ram.drop(id)
        if tier == "disk":
            for id in gone:
                self.shelf.drop(id)
        return gone

    # --- using

    def compose(
        self, handles: Sequence[Named], *, reuse: Reuse | str | None = None, rebuild: bool = False
    ) -> Composed:
        """Blocks in a row, in front of a question.

        Args:
            handles: at least one, in order; each stands where those before it end.
            reuse: how what stands behind other texts than it was read with is computed anew: one of `engrams.kv.reuse`, as a
                value or by name. None: not at all, which is exact for a first block alone, or for blocks that were read behind
                just those before them.
            rebuild: makes again what was dropped.

        Raises:
            NotFound: no such block; its bytes were dropped, and `rebuild` is False.
            Mismatch: another model's.
            BadSetting: no blocks, or compressed ones with `reuse`.
        """
        blocks, price, saved = [], 0, 0.0
        for handle in handles:
            lying = self._find(handle)
            if rebuild and not lying.here:
                lying = self._find(self.rebuild(handle))
            blocks.append(self.block(handle))
            price += lying.handle.bytes
            saved += lying.handle.milliseconds_saved or 0.0
        with torch.no_grad():
            way = method(reuse) if isinstance(reuse, str) else reuse
            return compose(self.model, blocks, self.rotary, way, (price, saved))

    def block(self, handle: Named) -> Block:
        """A block, from RAM or from disk.

        Raises:
            NotFound: no such block; its bytes were dropped.
            Mismatch: it belongs to another model.
            Corrupt: its file is damaged.
        """
        packed = self._packed(_id(handle))
        check(packed.fingerprint, self.fingerprint)
        return unpack(packed)

    def prefetch(self, handles: Sequence[Named]) -> Future[int]:
        """Begins to bring blocks from disk into RAM beside what else is done; `result()` waits: how many came."""
        ids = [_id(handle) for handle in handles]

        def load() -> int:
            with self._lock:
                missing = [id for id in ids if id not in self._held]
            for id in missing:
                self._packed(id)
            return len(missing)

        return self._loader.submit(load)

    def list(self) -> list[Lying]:
        """Every block of this model, in the order they were made; those whose bytes were dropped too."""
        return self.shelf.list(self.fingerprint)

    def close(self) -> None:
        """Ends what is being loaded; what was stored is on disk."""
        self._loader.shutdown(wait=True, cancel_futures=True)

    def __enter__(self) -> ActivationMemory:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- inside

    def _origin(
        self, text: str | Sequence[int], behind: str | Sequence[int], sources: tuple[str, ...]
    ) -> Origin:
        tokens = self._tokens(text, "text")
        if not tokens:
            raise BadSetting("text", text, "at least one token", "store")
        said = text if isinstance(text, str) else ""
        if not said and self.tokenizer is not None and hasattr(self.tokenizer, "decode"):
            said = self.tokenizer.decode(list(tokens))
        return Origin(tokens, self._tokens(behind, "behind") if behind else (), said, sources)

    def _tokens(self, text: str | Sequence[int], key: str) -> tuple[int, ...]:
        if isinstance(text, str):
            if self.tokenizer is None:
                raise BadSetting(key, text, "token ids, or ActivationMemory(tokenizer=…)", "store")
            return tuple(self.tokenizer(text, add_special_tokens=False)["input_ids"])
        return tuple(int(token) for token in text)

    def _known(self, origin: Origin) -> Lying | None:
        """The block of the same tokens behind the same tokens, made of the same sources (of any, where none are named), unless
        somebody erased it."""
        made = self._made.get(origin.digest(self.fingerprint), {})
        for sources, id in list(made.items()):
            if origin.sources and sources != origin.sources:
                continue
            try:
                return self.shelf.find(id)
            except NotFound:
                del made[sources]
        return None

    def _remember(self, origin: Origin, id: str) -> None:
        self._made.setdefault(origin.digest(self.fingerprint), {})[origin.sources] = id

    def _read(self, origin: Origin, notes: Mapping[str, Tensor] | None) -> tuple[Block, float]:
        """The block of a text, and the milliseconds the model took to read it."""
        from transformers import DynamicCache

        begin, cache = len(origin.behind), DynamicCache()
        ids = torch.tensor([[*origin.behind, *origin.tokens]], device=self.model.device)
        started = time.perf_counter()
        with torch.no_grad():
            self.model.base_model(input_ids=ids, past_key_values=cache, use_cache=True)
        took = (time.perf_counter() - started) * 1e3 * len(origin.tokens) / ids.shape[1]
        layers = [
            (layer.keys[0, :, begin:].cpu(), layer.values[0, :, begin:].cpu()) for layer in cache.layers
        ]
        block = Block.of(layers, origin.tokens, self.fingerprint, begin, origin.behind, notes)
        return block, took

    def _squeezed(self, block: Block, policy: Policy | str, budget: float) -> Block:
        chosen = find(policy) if isinstance(policy, str) else policy
        if not block.whole:
            raise BadSetting(
                "block", dict(block.made), "a block that was not compressed (rebuild it)", "compress"
            )
        seen = self._seen(block, chosen.queries(len(block.tokens)))
        kept = chosen(seen, budget)
        return block.keep(kept, {"policy": chosen.name, "budget": budget})

    def _seen(self, block: Block, queries: int) -> Seen:
        """A block as a policy is shown it: with the last `queries` queries, for which the text is read again."""
        layers = [layer.dense() for layer in block.layers]
        begin, end = block.start, block.start + len(block.tokens)
        places = torch.arange(begin, end)
        if queries == 0:
            width = layers[0][0].shape[2]
            none = torch.empty(0, 0, width)
            shown = tuple(SeenLayer(k, v, none) for k, v in layers)
            return Seen(shown, places, places[:0], self.rotary.frequencies)
        from transformers import DynamicCache

        cache = DynamicCache()
        asked = look(self.model, [*block.behind, *block.tokens], cache, queries)
        whole = seen_of(self.model, cache, asked, torch.arange(end - queries, end))
        shown = tuple(
            SeenLayer(k, v, seen.queries.cpu()) for (k, v), seen in zip(layers, whole.layers, strict=True)
        )
        return Seen(shown, places, whole.asked.cpu(), whole.frequencies.cpu())

    def _keep(self, block: Block, origin: Origin, took: float | None, id: str | None) -> Handle:
        packed = pack(block, self.storage)
        raw = to_bytes(packed)
        started = time.perf_counter()
        unpack(from_bytes(raw))
        loading = (time.perf_counter() - started) * 1e3
        saved = None if took is None else round(max(took - loading, 0.0), 3)
        price = Handle(
            EngramId(id or ""), self.fingerprint, len(raw), len(block.tokens), len(block.layers), saved
        )
        handle = self.shelf.keep(raw, origin, price, block.made, id)
        self._remember(origin, handle.id)
        with self._lock:
            self.disk.put(handle.id, handle.bytes, saved or 0.0)
            self._hold(handle.id, packed, saved or 0.0)
            doomed = self.disk.leaving(keep=(handle.id,))
            for gone in doomed:
                self._held.pop(gone, None)
                self.ram.drop(gone)
        for gone in doomed:
            self.shelf.drop(gone)
        return handle

    def _packed(self, id: str) -> Packed:
        with self._lock:
            held = self._held.get(id)
            if id in self.disk.uses:
                self.disk.touch(id)
            if held is not None:
                self.ram.touch(id)
                return held
        packed = from_bytes(self.shelf.read(id))
        with self._lock:
            known = self.disk.uses.get(id)
            self._hold(id, packed, known.saves if known else 0.0)
        return packed

    def _hold(self, id: str, packed: Packed, saves: float) -> None:
        """Into RAM, and out of it whoever has no room beside."""
        self._held[id] = packed
        self.ram.put(id, packed.bytes, saves)
        for gone in self.ram.leaving():
            del self._held[gone]

    def _find(self, handle: Named) -> Lying:
        lying = self.shelf.find(_id(handle))
        check(lying.handle.fingerprint, self.fingerprint)
        return lying


def _id(handle: Named) -> str:
    return handle if isinstance(handle, str) else str(handle.id)


def _require_full_attention(model: Any) -> None:
    config = model.config.get_text_config(decoder=True)
    kinds = set(getattr(config, "layer_types", None) or ["full_attention"])
    if getattr(config, "sliding_window", None) and getattr(config, "use_sliding_window", True):
        kinds.add("sliding_attention")
    if kinds != {"full_attention"}:
        raise BadSetting(
            "model",
            sorted(kinds),
            "layers that attend to everything before them (full_attention)",
            "ActivationMemory",
        )
