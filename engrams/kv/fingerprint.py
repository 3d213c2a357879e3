"""Which model a block belongs to: one digest of its config, weights, rotary positions and tokenizer."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

import torch

from engrams.errors import Mismatch

#: Settings that change nothing of what a forward pass computes: where a model came from, who saved it, how it is spoken to.
INCIDENTAL = frozenset(
    """
    _name_or_path _attn_implementation _attn_implementation_internal attn_implementation _commit_hash
    architectures transformers_version torch_dtype dtype use_cache id2label label2id output_attentions
    output_hidden_states return_dict problem_type task_specific_params tie_encoder_decoder torchscript
    pad_token_id bos_token_id eos_token_id chunk_size_feed_forward pruned_heads
    """.split()
)


def fingerprint(model: Any, tokenizer: Any = None) -> str:
    """32 hex digits for what decides a model's keys and values; equal for the same files in another place or process.

    Hashed with BLAKE2b: the settings but for those of `INCIDENTAL`, every weight byte by byte with name, type and shape
    (adapters that are put on too), the rotary frequencies, and the tokenizer's vocabulary where one is given. Reads all
    weights: about a second per gigabyte. A model on another device has the same; one in another precision has another.
    """
    digest = hashlib.blake2b(digest_size=16)
    digest.update(_settings(model.config.to_dict()).encode())
    for name, weight in sorted(_weights(model)):
        digest.update(f"\n{name} {weight.dtype} {tuple(weight.shape)}\n".encode())
        digest.update(_bytes(weight))
    if tokenizer is not None:
        vocabulary = sorted(tokenizer.get_vocab().items(), key=lambda entry: (entry[1], entry[0]))
        digest.update(f"\ntokenizer {type(tokenizer).__name__}\n".encode())
        digest.update(json.dumps(vocabulary, ensure_ascii=True).encode())
    return digest.hexdigest()


def check(found: str, wanted: str, what: str = "the block") -> None:
    """Refuses what another model made.

    Raises:
        Mismatch: the two fingerprints differ.
    """
    if found != wanted:
        raise Mismatch(
            f"{what} was made by a model with the fingerprint {found or 'none'}, and this one has {wanted}: another model, "
            "other weights, other rotary positions or another tokenizer. Rebuild it from its text."
        )


def _settings(config: Mapping[str, Any]) -> str:
    """A config as text, in one order, without what is incidental."""

    def plain(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {str(k): plain(v) for k, v in sorted(value.items(), key=str) if k not in INCIDENTAL}
        if isinstance(value, (list, tuple)):
            return [plain(v) for v in value]
        return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)

    return json.dumps(plain(config), sort_keys=True)


def _weights(model: Any) -> Iterator[tuple[str, torch.Tensor]]:
    """Every parameter and buffer by name; rotary frequencies are buffers that no file of weights holds."""
    yield from model.named_parameters()
    yield from model.named_buffers()


def _bytes(tensor: torch.Tensor) -> memoryview:
    flat = tensor.detach().cpu().contiguous().reshape(-1)
    return memoryview(flat.view(torch.uint8).numpy())
