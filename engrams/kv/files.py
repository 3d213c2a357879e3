"""Blocks as bytes: safetensors and a header of plain values, never pickle; as they are, in 16 or 32, in 8 or in 4 bits."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from engrams.errors import BadSetting, Corrupt
from engrams.kv.block import Block, BlockLayer, Thin
from engrams.kv.codes import Coded, code, decode

#: How numbers are kept: in the model's own type (bit-equal), in another float type, or coded.
Storage = Literal["same", "float32", "float16", "int8", "int4"]
MEDIA_TYPE = "application/vnd.engrams.kv+safetensors"
#: What a header says it is; raised when a reader of an older one could not read it any more.
FORMAT = 1
#: The name under which safetensors' own metadata (text to text) holds our header.
HEADER = "engrams"
FLOATS = {"float32": torch.float32, "float16": torch.float16}
BITS = {"int8": 8, "int4": 4}
#: Types a model may compute in; a header that names another is not ours.
DTYPES = {
    str(t).removeprefix("torch."): t for t in (torch.float64, torch.float32, torch.float16, torch.bfloat16)
}


@dataclass(frozen=True, eq=False, slots=True)
class Packed:
    """A block as it is kept: tensors by name and a header of plain values. `bytes`: what the tensors take, in memory and on disk
    alike (the file has some hundred bytes of header more)."""

    tensors: Mapping[str, Tensor]
    header: Mapping[str, Any]

    @property
    def fingerprint(self) -> str:
        return str(self.header["fingerprint"])

    @property
    def bytes(self) -> int:
        return sum(t.numel() * t.element_size() for t in self.tensors.values())

    @property
    def tokens(self) -> tuple[int, ...]:
        """The tokens the block was made of."""
        return tuple(self.tensors["tokens"].tolist())


def pack(block: Block, storage: Storage = "same") -> Packed:
    """A block as it is kept. "same" gives back bit-equal tensors; "int8" and "int4" err by half a step (`engrams.kv.codes`).

    Raises:
        BadSetting: no such storage.
    """
    if storage not in get_args(Storage):
        raise BadSetting("storage", storage, ", ".join(get_args(Storage)), "kv")
    tensors: dict[str, Tensor] = {"tokens": torch.tensor(block.tokens, dtype=torch.int32)}
    if block.behind:
        tensors["behind"] = torch.tensor(block.behind, dtype=torch.int32)
    layers = []
    for number, layer in enumerate(block.layers):
        straight = _straight(layer, block)
        layers.append(
            {
                "lengths": list(layer.lengths),
                "thin": list(layer.thin.lengths) if layer.thin else None,
                "straight": straight,
                "dtype": str(layer.keys.dtype).removeprefix("torch."),
                "widths": [
                    layer.keys.shape[1],
                    layer.values.shape[1],
                    layer.thin.keys.shape[1] if layer.thin else 0,
                ],
            }
        )
        if not straight:
            tensors[f"{number}.p"] = layer.positions.to(torch.int32)
        if layer.bias is not None:
            tensors[f"{number}.b"] = layer.bias
        if layer.thin is not None:
            tensors[f"{number}.tc"] = layer.thin.channels.to(torch.int16)
            rows = layer.thin.lengths
            _put(tensors, f"{number}.tk", layer.thin.keys, rows, storage, axis=0)
        kept = _whole_lengths(layer)
        _put(tensors, f"{number}.k", layer.keys, kept, storage, axis=0)
        _put(tensors, f"{number}.v", layer.values, layer.lengths, storage, axis=1)
    for name, note in block.notes.items():
        tensors[f"note.{name}"] = note.contiguous()
    header = {
        "format": FORMAT,
        "fingerprint": block.fingerprint,
        "start": block.start,
        "made": dict(block.made),
        "storage": storage,
        "layers": layers,
    }
    return Packed(tensors, header)


def unpack(packed: Packed) -> Block:
    """The block again, in the model's own type.

    Raises:
        Corrupt: a tensor that the header speaks of is missing or has another shape.
    """
    header, tensors = packed.header, packed.tensors
    try:
        if header["format"] != FORMAT:
            raise Corrupt(f"a block of format {header['format']}; this version reads format {FORMAT}")
        tokens = packed.tokens
        layers = tuple(
            _layer(tensors, number, said, header["storage"], header["start"], len(tokens))
            for number, said in enumerate(header["layers"])
        )
        return Block(
            tokens,
            layers,
            header["fingerprint"],
            header["start"],
            tuple(tensors["behind"].tolist()) if "behind" in tensors else (),
            header["made"],
            {name[5:]: tensor for name, tensor in tensors.items() if name.startswith("note.")},
        )
    except (KeyError, TypeError, RuntimeError, IndexError) as cause:
        raise Corrupt(
            f"a block whose header and tensors do not fit: {cause}; drop it and rebuild it"
        ) from cause


def to_bytes(packed: Packed) -> bytes:
    """The file: safetensors with our header in its metadata. The same block gives the same bytes."""
    tensors = {name: tensor.contiguous() for name, tensor in packed.tensors.items()}
    return bytes(save(tensors, metadata={HEADER: json.dumps(dict(packed.header), sort_keys=True)}))


def from_bytes(raw: bytes) -> Packed:
    """A kept block from its file.

    Raises:
        Corrupt: the bytes are no block.
    """
    try:
        (size,) = struct.unpack("<Q", raw[:8])
        header = json.loads(json.loads(raw[8 : 8 + size])["__metadata__"][HEADER])
        tensors = load(raw)
    except (struct.error, ValueError, KeyError, TypeError, SafetensorError) as cause:
        raise Corrupt(f"no block in safetensors: {cause}; drop it and rebuild it") from cause
    if not isinstance(header, dict) or not {"format", "fingerprint", "layers"} <= header.keys():
        raise Corrupt("a file of safetensors without the header of a block; drop it and rebuild it")
    return Packed(tensors, header)


def _whole_lengths(layer: BlockLayer) -> tuple[int, ...]:
    """How many entries of each head have all their channels."""
    if layer.thin is None:
        return layer.lengths
    return tuple(n - t for n, t in zip(layer.lengths, layer.thin.lengths, strict=True))


def _straight(layer: BlockLayer, block: Block) -> bool:
    """Whether the positions are start, start + 1 … in every head, so that nobody need write them down."""
    if set(layer.lengths) != {len(block.tokens)}:
        return False
    steps = torch.arange(block.start, block.start + len(block.tokens))
    return torch.equal(layer.positions, steps.repeat(len(layer.lengths)))


def _put(
    tensors: dict[str, Tensor],
    name: str,
    rows: Tensor,
    lengths: tuple[int, ...],
    storage: Storage,
    axis: int,
) -> None:
    """Keeps packed rows; where a scale belongs to a channel, it belongs to that channel of one head."""
    if storage not in BITS:
        tensors[name] = rows if storage == "same" else rows.to(FLOATS[storage])
        return
    parts = rows.split(lengths) if axis == 0 else (rows,)
    coded = [code(part, BITS[storage], axis) for part in parts]
    tensors[f"{name}.codes"] = torch.cat([c.codes for c in coded])
    tensors[f"{name}.low"] = torch.cat([c.low for c in coded])
    tensors[f"{name}.step"] = torch.cat([c.step for c in coded])


def _take(
    tensors: Mapping[str, Tensor],
    name: str,
    lengths: tuple[int, ...],
    storage: str,
    width: int,
    dtype: torch.dtype,
    axis: int,
) -> Tensor:
    if storage not in BITS:
        rows = tensors[name].to(dtype)
        if rows.shape != (sum(lengths), width):
            raise Corrupt(f"tensor {name} of a block has the shape {tuple(rows.shape)}; drop and rebuild it")
        return rows
    codes, low, step = (tensors[f"{name}.{part}"] for part in ("codes", "low", "step"))
    bits = BITS[storage]
    if axis == 1:
        return decode(Coded(codes, low, step), bits, width, dtype)
    heads = [
        decode(Coded(part, low[h : h + 1], step[h : h + 1]), bits, width, dtype)
        for h, part in enumerate(codes.split(lengths))
    ]
    return torch.cat(heads)


def _layer(
    tensors: Mapping[str, Tensor],
    number: int,
    said: Mapping[str, Any],
    storage: str,
    start: int,
    count: int,
) -> BlockLayer:
    lengths = tuple(said["lengths"])
    dtype = DTYPES[said["dtype"]]
    width_k, width_v, width_t = said["widths"]
    thin = None
    whole = lengths
    if said["thin"] is not None:
        cuts = tuple(said["thin"])
        whole = tuple(n - t for n, t in zip(lengths, cuts, strict=True))
        thin_keys = _take(tensors, f"{number}.tk", cuts, storage, width_t, dtype, 0)
        thin = Thin(thin_keys, tensors[f"{number}.tc"].long(), cuts)
    if said["straight"]:
        positions = torch.arange(start, start + count).repeat(len(lengths))
    else:
        positions = tensors[f"{number}.p"].long()
    return BlockLayer(
        _take(tensors, f"{number}.k", whole, storage, width_k, dtype, 0),
        _take(tensors, f"{number}.v", lengths, storage, width_v, dtype, 1),
        positions,
        lengths,
        tensors.get(f"{number}.b"),
        thin,
    )
