"""Prompts and answers as one rectangle of token ids, and what is read off a model's answer to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from engrams.weights.lessons import Tokens

#: What `cross_entropy` leaves out.
IGNORED = -100


@dataclass(frozen=True, eq=False)
class Rows:
    """n sequences, padded on the right to t tokens.

    `ids` int64[n, t]; `mask` int64[n, t], 1 where a token stands; `labels` int64[n, t], the token itself where it belongs to
    an answer, else `IGNORED`; `last` int64[n], the place of a prompt's last token.
    """

    ids: Tensor
    mask: Tensor
    labels: Tensor
    last: Tensor

    def __len__(self) -> int:
        return int(self.ids.shape[0])

    def at(self, chosen: Tensor) -> Rows:
        """The chosen rows: int64[m] or bool[n]."""
        return Rows(self.ids[chosen], self.mask[chosen], self.labels[chosen], self.last[chosen])


def rows(told: Sequence[tuple[Tokens, Tokens]], device: torch.device | str = "cpu") -> Rows:
    """Prompts and their answers, side by side. With an empty answer: the prompt alone."""
    longest = max((len(prompt) + len(answer) for prompt, answer in told), default=1)
    ids = torch.zeros(len(told), longest, dtype=torch.long)
    mask, labels = torch.zeros_like(ids), torch.full_like(ids, IGNORED)
    last = torch.zeros(len(told), dtype=torch.long)
    for row, (prompt, answer) in enumerate(told):
        whole = (*prompt, *answer)
        ids[row, : len(whole)] = torch.tensor(whole)
        mask[row, : len(whole)] = 1
        labels[row, len(prompt) : len(whole)] = ids[row, len(prompt) : len(whole)]
        last[row] = len(prompt) - 1
    return Rows(ids.to(device), mask.to(device), labels.to(device), last.to(device))


def texts(told: Sequence[Tokens], device: torch.device | str = "cpu") -> Rows:
    """Texts in which every token but the first is to be foretold."""
    return rows([(text[:1], text[1:]) for text in told], device)


def join(first: Rows, second: Rows) -> Rows:
    """The rows of both."""
    wide = max(first.ids.shape[1], second.ids.shape[1])

    def padded(one: Tensor, fill: int) -> Tensor:
        return functional.pad(one, (0, wide - one.shape[1]), value=fill)

    return Rows(
        torch.cat([padded(first.ids, 0), padded(second.ids, 0)]),
        torch.cat([padded(first.mask, 0), padded(second.mask, 0)]),
        torch.cat([padded(first.labels, IGNORED), padded(second.labels, IGNORED)]),
        torch.cat([first.last, second.last]),
    )


def loss(logits: Tensor, asked: Rows) -> Tensor:
    """Mean cross-entropy of the answers' tokens; `logits` float[n, t, V]. Natural logarithm."""
    return functional.cross_entropy(
        logits[:, :-1].flatten(0, 1).float(), asked.labels[:, 1:].flatten(), ignore_index=IGNORED
    )


def right(logits: Tensor, asked: Rows) -> Tensor:
    """bool[n]: whether greedy decoding would give the answer, all of its tokens; `logits` float[n, t, V].

    The answer stands in the rows: its tokens are all the likeliest there exactly when decoding step by step finds them.
    """
    wanted = asked.labels[:, 1:]
    found = logits[:, :-1].argmax(-1)
    return torch.as_tensor(((found == wanted) | (wanted == IGNORED)).all(-1))
