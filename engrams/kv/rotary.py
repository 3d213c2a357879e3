"""Turning keys to other positions: what makes a stored block usable wherever it is put."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

import torch

from engrams.errors import BadSetting

#: Kinds of rotary positions whose frequencies are the same at every length. `dynamic` and `longrope` change them with it.
FIXED = ("default", "linear", "llama3", "yarn")


@dataclass(frozen=True, eq=False, slots=True)
class Rotary:
    """A model's rotary positions: pair i of a head's channels turns by `frequencies[i]` radians per token.

    `frequencies`: float32[D/2], as the model multiplies them with positions. Scaling of what was turned (`attention_scaling`
    of yarn) lies in the keys already and stays in them, since a turn keeps lengths.
    """

    frequencies: torch.Tensor
    kind: str = "default"

    @classmethod
    def of(cls, model: Any) -> Rotary:
        """Reads a model's rotary positions.

        Raises:
            BadSetting: they are of a kind that cannot be turned afterwards: none at all, with frequencies that depend on the
                length (dynamic-NTK, longrope), with several positions per token (M-RoPE), on a part of the channels,
                another base in some layers, or with neighbouring channels paired.
        """
        config = model.config.get_text_config(decoder=True)
        settings = dict(getattr(config, "rope_parameters", None) or {})
        if any(isinstance(value, dict) for value in settings.values()):
            raise _refused("several kinds of layers with rotary positions of their own", "one for all layers")
        kind = str(settings.get("rope_type", "default"))
        if kind not in FIXED:
            raise _refused(
                f"rotary positions of the kind {kind!r}, whose frequencies depend on the length",
                ", ".join(FIXED),
            )
        if settings.get("mrope_section") or settings.get("mrope_interleaved"):
            raise _refused("several positions per token (M-RoPE)", "one position per token")

        heads = config.num_attention_heads
        width = getattr(config, "head_dim", None) or config.hidden_size // heads
        turning = [module for module in model.modules() if hasattr(module, "inv_freq")]
        if not turning:
            raise _refused("no rotary positions", "a decoder with rotary positions")
        frequencies = turning[0].inv_freq.detach().to("cpu", torch.float32)
        part = float(
            settings.get("partial_rotary_factor", getattr(config, "partial_rotary_factor", None) or 1.0)
        )
        if part != 1.0 or 2 * len(frequencies) != width or getattr(config, "qk_rope_head_dim", None):
            raise _refused(
                f"rotary positions on {2 * len(frequencies)} of {width} channels", "all channels of a head"
            )
        if any(not torch.equal(module.inv_freq.cpu().float(), frequencies) for module in turning):
            raise _refused("other frequencies in some layers", "one set for all layers")
        if not _pairs_halves(turning[0]):
            raise _refused(
                "rotary positions that pair neighbouring channels", "the two halves of a head paired"
            )
        return cls(frequencies, kind)

    def move(self, keys: torch.Tensor, old: torch.Tensor, new: torch.Tensor) -> torch.Tensor:
        """Keys that stood at positions `old`, as the model would have them at `new`; same shape and dtype.

        `keys` [..., D] as stored, after rotation; `old`, `new` int64, broadcastable to [...]. k' = k·cos Δ + rotate_half(k)·sin Δ,
        worked in float32. Δ is the difference of the two angles as the model rounds them, so that the result is what a
        prefill there gives, and not what exact arithmetic would. Source: Su et al. 2021 (RoFormer), section 3.4.2.
        """
        f = self.frequencies.to(keys.device)
        old, new = old.to(keys.device), new.to(keys.device)
        angle = (new[..., None].float() * f).double() - (old[..., None].float() * f).double()
        cos = angle.cos().float()
        sin = angle.sin().float()
        first, second = keys.float().chunk(2, dim=-1)
        turned = torch.cat((first * cos - second * sin, second * cos + first * sin), dim=-1)
        return turned.to(keys.dtype)


def _pairs_halves(module: Any) -> bool:
    """Whether channel i turns with channel i + D/2, asked of the code of the model that the module belongs to."""
    turn = getattr(sys.modules[type(module).__module__], "rotate_half", None)
    if turn is None:
        return False
    return bool(torch.equal(turn(torch.arange(4.0)), torch.tensor([-2.0, -3.0, 0.0, 1.0])))


def _refused(found: str, works: str) -> BadSetting:
    return BadSetting("model", found, works)
