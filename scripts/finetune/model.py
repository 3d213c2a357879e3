"""all-MiniLM-L6-v2 in torch, frozen, with a low-rank delta on queries and values; and how the delta is trained."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Sequence

import numpy as np
import torch
from build_weights import HEADS, LAYERS, NORM_EPSILON, WIDTH, Arrays, matrices, positions
from torch import nn
from torch.nn import functional

from engrams.models.wordpiece import WordPiece
from finetune.pairs import Item

LONGEST = 48  # word pieces: most turns of a talk are shorter, and the time of a step is what limits us
ADAPTED_LAYERS = range(
    3, LAYERS
)  # the upper half: below it nothing is to be differentiated, 35 % less time a step
RANK = 8  # Hu et al. 2022 (LoRA), table 6: more than 8 on queries and values gains nothing
ADAPTED = ("query", "value")
RATE = 1e-3
WARM_SHARE = 0.1
DECAY = 0.01
SHARPNESS = 20.0  # scale of the cosine in the softmax: 1 / 0.05, as the base model was trained
LARGEST_STEP = 1.0  # of the gradient's norm


class Adapted(nn.Module):
    """The frozen model with its delta; the forward pass is that of scripts/build_weights.py."""

    def __init__(self, weights: Arrays, seed: int) -> None:
        super().__init__()
        self._frozen = {
            name: torch.from_numpy(np.array(array, np.float32))
            for name, array in (
                ("words", weights["embeddings.word_embeddings.weight"]),
                ("places", positions(weights)),
                ("norm", weights["embeddings.LayerNorm.weight"]),
                ("norm_bias", weights["embeddings.LayerNorm.bias"]),
            )
        }
        self._layers = [
            {
                name: torch.from_numpy(np.array(array, np.float32))
                for name, array in matrices(weights, n).items()
            }
            for n in range(LAYERS)
        ]
        draw = torch.Generator().manual_seed(seed)
        self.down = nn.ParameterDict()
        self.up = nn.ParameterDict()
        for number in ADAPTED_LAYERS:
            for part in ADAPTED:
                first = torch.randn(WIDTH, RANK, generator=draw) / math.sqrt(WIDTH)
                self.down[f"{number}_{part}"] = nn.Parameter(first)
                self.up[f"{number}_{part}"] = nn.Parameter(torch.zeros(RANK, WIDTH))

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """int64[n, t], bool[n, t] -> float32[n, WIDTH], unit rows."""
        held = self._frozen
        x = held["words"][ids] + held["places"][: ids.shape[1]]
        x = functional.layer_norm(x, (WIDTH,), held["norm"], held["norm_bias"], NORM_EPSILON)
        seen = mask[:, None, None, :]
        for number, part in enumerate(self._layers):
            q, k, v = (x @ part["qkv"] + part["qkv_bias"]).split(WIDTH, dim=-1)
            if number in ADAPTED_LAYERS:
                q = q + x @ self.down[f"{number}_query"] @ self.up[f"{number}_query"]
                v = v + x @ self.down[f"{number}_value"] @ self.up[f"{number}_value"]
            q, k, v = (m.unflatten(-1, (HEADS, -1)).transpose(1, 2) for m in (q, k, v))
            mixed = functional.scaled_dot_product_attention(q, k, v, attn_mask=seen)
            mixed = mixed.transpose(1, 2).flatten(2) @ part["attended"] + part["attended_bias"]
            x = functional.layer_norm(x + mixed, (WIDTH,), part["norm1"], part["norm1_bias"], NORM_EPSILON)
            wide = functional.gelu(x @ part["wide"] + part["wide_bias"])
            wide = wide @ part["narrow"] + part["narrow_bias"]
            x = functional.layer_norm(x + wide, (WIDTH,), part["norm2"], part["norm2_bias"], NORM_EPSILON)
        weight = mask.unsqueeze(-1).float()
        return functional.normalize((x * weight).sum(1), dim=-1)

    def delta(self) -> Arrays:
        """What training has changed: `0.query.down` float32[WIDTH, RANK], `0.query.up` float32[RANK, WIDTH], and so on."""
        out = {}
        for side, held in (("down", self.down), ("up", self.up)):
            for name, value in held.items():
                number, part = name.split("_")
                out[f"{number}.{part}.{side}"] = value.detach().numpy().copy()
        return out


class Reader:
    """Texts as padded word pieces, at most `LONGEST`."""

    def __init__(self, vocabulary: Sequence[str]) -> None:
        self._words = WordPiece(vocabulary)
        self._first, self._last = vocabulary.index("[CLS]"), vocabulary.index("[SEP]")

    def __call__(self, texts: Sequence[str]) -> tuple[torch.Tensor, torch.Tensor]:
        """int64[n, t], bool[n, t]."""
        pieces = [[self._first, *self._words.ids(text)[: LONGEST - 2], self._last] for text in texts]
        ids = torch.zeros(len(pieces), max(map(len, pieces)), dtype=torch.int64)
        for row, held in enumerate(pieces):
            ids[row, : len(held)] = torch.tensor(held)
        lengths = torch.tensor([len(held) for held in pieces])
        return ids, torch.arange(ids.shape[1])[None, :] < lengths[:, None]


def loss_of(
    model: Adapted,
    reader: Reader,
    batch: Sequence[Item],
    words: Callable[[list[str], list[str]], np.ndarray] | None,
) -> torch.Tensor:
    """Multiple-negatives ranking (Henderson et al. 2017, section 4.4): the right answer against the batch's others.

    The others are the answers of other questions and all hard negatives; an answer to the same question, or the same
    text, is no negative. `words` gives what the words say of each question and text: it is added to the logits, so
    that the vectors learn what the words do not say (Gao et al. 2021, CLEAR).
    """
    asked = model(*reader([item.question for item in batch]))
    texts = [item.positive for item in batch] + [text for item in batch for text in item.negatives]
    # Texts of similar length run together: padding is most of the cost otherwise.
    order = sorted(range(len(texts)), key=lambda n: len(texts[n]))
    part = math.ceil(len(order) / 4)
    rows = torch.cat(
        [model(*reader([texts[n] for n in order[at : at + part]])) for at in range(0, len(order), part)]
    )
    found = rows[torch.tensor(np.argsort(order))]
    scores = SHARPNESS * asked @ found.T
    if words is not None:
        scores = scores + torch.from_numpy(words([item.question for item in batch], texts))
    same = torch.zeros_like(scores, dtype=torch.bool)
    for row, item in enumerate(batch):
        for column, text in enumerate(texts):
            other = column < len(batch) and batch[column].source == item.source
            same[row, column] = column != row and (other or text == item.positive)
    return functional.cross_entropy(scores.masked_fill(same, -math.inf), torch.arange(len(batch)))


def train(
    weights: Arrays,
    vocabulary: Sequence[str],
    passes: Callable[[random.Random], list[list[Item]]],
    epochs: int,
    seed: int,
    say: Callable[[str], None],
    words: Callable[[list[str], list[str]], np.ndarray] | None = None,
) -> tuple[Arrays, list[float]]:
    """The trained delta and the mean loss of each epoch; `passes` gives the batches of one epoch."""
    torch.manual_seed(seed)
    model, reader, draw = Adapted(weights, seed), Reader(vocabulary), random.Random(seed)
    adam = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=DECAY)
    done, losses = 0, []
    total = epochs * len(passes(random.Random(seed)))
    for number in range(epochs):
        began, seen = time.process_time(), []
        for batch in passes(draw):
            rising = (done + 1) / max(1.0, WARM_SHARE * total)
            falling = (total - done) / max(1.0, (1 - WARM_SHARE) * total)
            adam.param_groups[0]["lr"] = RATE * max(0.0, min(1.0, rising, falling))
            loss = loss_of(model, reader, batch, words)
            adam.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), LARGEST_STEP)
            adam.step()
            done += 1
            seen.append(float(loss.detach()))
            if done % 5 == 0:
                say(
                    f"seed {seed} step {done}/{total} loss {np.mean(seen[-5:]):.3f} {time.process_time() - began:.0f} s"
                )
        losses.append(float(np.mean(seen)))
        say(f"seed {seed} epoch {number + 1}: loss {losses[-1]:.4f}, {time.process_time() - began:.0f} CPU s")
    return model.delta(), losses
