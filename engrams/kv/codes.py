"""Numbers in 8 or 4 bits: keys with a scale for each channel, values with one for each token."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False, slots=True)
class Coded:
    """Codes of float[n, m] and what makes numbers of them again: low + code · step, along one axis.

    `codes` uint8[n, m] at 8 bits, uint8[n, ceil(m/2)] at 4 (the even column in the low half); `low`, `step` float32 [1, m] or
    [n, 1]. A number that was coded comes back with an error of at most step / 2.
    """

    codes: Tensor
    low: Tensor
    step: Tensor


def code(numbers: Tensor, bits: int, axis: int) -> Coded:
    """Codes float[n, m] with `bits` 8 or 4; `axis` 0 gives each channel (column) a scale, 1 each token (row).

    Keys have channels that are large in every token, values have none: so keys are coded by channel and values by token.
    Source: Liu et al. 2024 (KIVI), section 3.2. Departs: a scale spans all tokens of a block's head (KIVI: groups of 32), and
    none is left in full precision, since a block is a chunk and no running cache. 4 and 8 bits, not 2.
    """
    wide = numbers.float()
    if not wide.numel():
        shape = (1, wide.shape[1]) if axis == 0 else (wide.shape[0], 1)
        return Coded(_narrow(wide.to(torch.uint8), bits), torch.zeros(shape), torch.zeros(shape))
    low = wide.amin(axis, keepdim=True)
    step = (wide.amax(axis, keepdim=True) - low) / (2**bits - 1)
    safe = torch.where(step > 0, step, torch.ones_like(step))
    codes = ((wide - low) / safe).round().clamp(0, 2**bits - 1).to(torch.uint8)
    return Coded(_narrow(codes, bits), low, step)


def decode(coded: Coded, bits: int, columns: int, dtype: torch.dtype) -> Tensor:
    """The numbers again: dtype[n, columns]."""
    codes = coded.codes if bits == 8 else _widen(coded.codes, columns)
    return (coded.low + codes.float() * coded.step).to(dtype)


def _narrow(codes: Tensor, bits: int) -> Tensor:
    if bits == 8:
        return codes
    if codes.shape[1] % 2:
        codes = torch.cat((codes, codes.new_zeros(codes.shape[0], 1)), dim=1)
    return codes[:, 0::2] | (codes[:, 1::2] << 4)


def _widen(codes: Tensor, columns: int) -> Tensor:
    both = torch.stack((codes & 15, codes >> 4), dim=-1)
    return both.flatten(1)[:, :columns]
