"""Workers of one cache: every view is what a model would have computed with those keys at those positions, from the beginning."""

from __future__ import annotations

import threading
from typing import Any

import pytest
import torch

from engrams.errors import BadSetting, UnknownName
from engrams.kv.shared.hogwild import Hogwild
from engrams.kv.shared.live import Ask, SharedCache
from tests.rooms.kv.readers import Reader, tiny

PROMPT = (0, 7, 3, 9)


@pytest.fixture(scope="module")
def llama() -> Reader:
    return tiny("Llama", num_hidden_layers=3)


class Longhand:
    """The same conversation without a cache interface: keys are kept as they are before rotation, and rotated anew each time."""

    def __init__(self, model: Any) -> None:
        self.model, self.decoder = model, model.model
        self.keys: dict[str, list[Any]] = {}
        self.values: dict[str, list[Any]] = {}

    def rotated(self, keys: Any, positions: Any) -> Any:
        """Keys or queries float[H, n, D] at int64[n] positions."""
        cos, sin = self.decoder.rotary_emb(keys, positions[None])
        first, second = keys.chunk(2, -1)
        return keys * cos[0] + torch.cat((-second, first), -1) * sin[0]

    def step(self, asks: list[tuple[tuple[str, ...], tuple[int, ...]]]) -> list[Any]:
        hidden = [self.decoder.embed_tokens(torch.tensor(tokens)) for _, tokens in asks]
        for number, layer in enumerate(self.decoder.layers):
            normed = [layer.input_layernorm(h) for h in hidden]
            attend = layer.self_attn

            def heads(x: Any) -> Any:
                return x.view(len(x), -1, 8).transpose(0, 1)

            for (view, _), x in zip(asks, normed, strict=True):
                kept = self.keys.setdefault(view[-1], [torch.zeros(2, 0, 8) for _ in self.decoder.layers])
                also = self.values.setdefault(view[-1], [torch.zeros(2, 0, 8) for _ in self.decoder.layers])
                kept[number] = torch.cat([kept[number], heads(attend.k_proj(x))], 1)
                also[number] = torch.cat([also[number], heads(attend.v_proj(x))], 1)
            for i, ((view, tokens), x) in enumerate(zip(asks, normed, strict=True)):
                named = [name for name in view if name in self.keys]
                k = torch.cat([self.keys[name][number] for name in named], 1)
                v = torch.cat([self.values[name][number] for name in named], 1)
                places = torch.arange(k.shape[1])
                mine = places[-len(tokens) :]
                q = self.rotated(heads(attend.q_proj(x)), mine)
                k = self.rotated(k, places).repeat_interleave(2, 0)
                logits = q @ k.transpose(1, 2) / 8**0.5
                logits = logits.masked_fill(places[None] > mine[:, None], float("-inf"))
                out = (logits.softmax(-1) @ v.repeat_interleave(2, 0)).transpose(0, 1).flatten(1)
                hidden[i] = hidden[i] + attend.o_proj(out)
            hidden = [h + layer.mlp(layer.post_attention_layernorm(h)) for h in hidden]
        return [self.model.lm_head(self.decoder.norm(h)) for h in hidden]


def test_two_workers_read_each_other_exactly(llama: Reader) -> None:
    """Views in different orders, texts of different length, six passes; every logit as in longhand."""
    cache, plain = SharedCache(llama.model), Longhand(llama.model)
    for name in ("prompt", "a", "b"):
        cache.add(name)
    views = {"a": ("prompt", "b", "a"), "b": ("prompt", "a", "b")}
    passes: list[list[tuple[tuple[str, ...], tuple[int, ...]]]] = [
        [(("prompt",), PROMPT)],
        [(views["a"], (5, 6)), (views["b"], (8, 4, 2))],
        [(views["a"], (11,)), (views["b"], (12,))],
        [(views["b"], (13, 14))],
        [(views["a"], (15, 16, 17, 18)), (views["b"], (19,))],
        [(views["a"], (20,)), (views["b"], (21,))],
    ]
    with torch.no_grad():
        for asks in passes:
            got = cache.step([Ask(view, tokens) for view, tokens in asks])
            for one, other, (_, tokens) in zip(got, plain.step(asks), asks, strict=True):
                assert one.shape == (len(tokens), 40)
                assert float((one - other).abs().max()) < 1e-5
        for view in views.values():
            for number, (keys, values) in enumerate(cache.view(view)):
                expected = torch.cat([plain.keys[name][number] for name in view], 1)
                turned = plain.rotated(expected, torch.arange(expected.shape[1]))
                assert float((keys - turned).abs().max()) < 1e-5
                assert (
                    float((values - torch.cat([plain.values[n][number] for n in view], 1)).abs().max()) < 1e-5
                )


def test_the_first_layer_of_a_view_is_that_of_a_prefill(llama: Reader) -> None:
    cache = SharedCache(llama.model)
    for name in ("prompt", "a", "b"):
        cache.add(name)
    cache.step([Ask(("prompt",), PROMPT)])
    cache.step([Ask(("prompt", "b", "a"), (5, 6, 1)), Ask(("prompt", "a", "b"), (8, 4))])
    for view in (("prompt", "a", "b"), ("prompt", "b", "a"), ("b", "prompt")):
        tokens = [t for name in view for t in cache[name].tokens]
        prefill = llama.prefill(tokens)[0]
        keys, values = cache.view(view)[0]
        assert float((keys - prefill[0]).abs().max()) < 1e-5
        assert float((values - prefill[1]).abs().max()) < 1e-5


def test_one_worker_alone_is_an_ordinary_generation(llama: Reader) -> None:
    cache = SharedCache(llama.model)
    cache.add("prompt")
    cache.add("own")
    cache.step([Ask(("prompt",), PROMPT)])
    said = [cache.step([Ask(("prompt", "own"), (token,))])[0][0] for token in (5, 6, 9)]
    with torch.no_grad():
        expected = llama.model(input_ids=torch.tensor([[*PROMPT, 5, 6, 9]])).logits[0, -3:]
    assert float((torch.stack(said) - expected).abs().max()) < 1e-5
    whole = llama.prefill([*PROMPT, 5, 6, 9])
    for (k, v), (full_k, full_v) in zip(cache.view(("prompt", "own")), whole, strict=True):
        assert float((k - full_k).abs().max()) < 1e-5
        assert float((v - full_v).abs().max()) < 1e-5


def test_what_is_written_in_a_pass_is_seen_in_that_pass(llama: Reader) -> None:
    """Another token of b at the same moment changes what a says; without b in view it does not."""

    def said(other: int, view: tuple[str, ...]) -> Any:
        cache = SharedCache(llama.model)
        for name in ("prompt", "a", "b"):
            cache.add(name)
        cache.step([Ask(("prompt",), PROMPT)])
        return cache.step([Ask(view, (5,)), Ask(("prompt", "b"), (other,))])[0]

    seeing, blind = ("prompt", "b", "a"), ("prompt", "a")
    assert float((said(8, seeing) - said(9, seeing)).abs().max()) > 1e-4
    assert float((said(8, blind) - said(9, blind)).abs().max()) < 1e-6


def test_a_step_that_is_done_goes_to_the_end_of_what_is_common(llama: Reader) -> None:
    cache = SharedCache(llama.model)
    for name in ("common", "a"):
        cache.add(name)
    cache.step([Ask(("common",), PROMPT)])
    cache.step([Ask(("common", "a"), (5, 6))])
    before = cache.view(("common", "a"))
    held = cache.bytes
    cache.fold("a", "common")
    assert cache["common"].tokens == (*PROMPT, 5, 6)
    assert len(cache["a"]) == 0
    assert cache.bytes == held
    for (k, v), (old_k, old_v) in zip(cache.view(("common",)), before, strict=True):
        assert float((k - old_k).abs().max()) < 1e-5
        assert torch.equal(v, old_v)
    cache.fold("a", "common")  # nothing to move
    assert cache["common"].tokens == (*PROMPT, 5, 6)
    assert cache.drop("common") == held
    assert cache.names == ("a",)


def test_a_pass_that_fails_changes_nothing(llama: Reader) -> None:
    cache = SharedCache(llama.model)
    for name in ("prompt", "a"):
        cache.add(name)
    cache.step([Ask(("prompt",), PROMPT)])
    before = cache.bytes
    with pytest.raises(IndexError):
        cache.step([Ask(("prompt", "a"), (4000,))])  # no such token
    hook = llama.model.model.layers[2].register_forward_pre_hook(lambda *_: 1 / 0)
    try:
        with pytest.raises(ZeroDivisionError):
            cache.step([Ask(("prompt", "a"), (4,))])
    finally:
        hook.remove()
    assert (cache["a"].tokens, cache.bytes) == ((), before)


def test_threads_write_one_cache(llama: Reader) -> None:
    """Two threads of five passes each: nothing is lost, and every layer of a block holds what was written."""
    cache = SharedCache(llama.model)
    for name in ("prompt", "a", "b"):
        cache.add(name)
    cache.step([Ask(("prompt",), PROMPT)])

    def work(own: str, other: str, first: int) -> None:
        for token in range(first, first + 5):
            cache.step([Ask(("prompt", other, own), (token,))])

    threads = [threading.Thread(target=work, args=args) for args in (("a", "b", 10), ("b", "a", 20))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert cache["a"].tokens == (10, 11, 12, 13, 14)
    assert cache["b"].tokens == (20, 21, 22, 23, 24)
    for keys, values in cache["a"].layers:
        assert keys.shape == values.shape == (2, 5, 8)


def test_asks_that_make_no_sense_are_refused(llama: Reader) -> None:
    cache = SharedCache(llama.model)
    for name in ("prompt", "a"):
        cache.add(name)
    with pytest.raises(BadSetting, match="not there yet"):
        cache.add("a")
    with pytest.raises(UnknownName, match="did you mean 'prompt'"):
        cache["promt"]
    with pytest.raises(UnknownName):
        cache.drop("z")
    for asks in ([], [Ask((), (1,))], [Ask(("a",), ())], [Ask(("a",), (1,)), Ask(("prompt", "a"), (2,))]):
        with pytest.raises(BadSetting):
            cache.step(asks)
    with pytest.raises(UnknownName):
        cache.step([Ask(("nobody", "a"), (1,))])


def test_hogwild_lets_workers_see_unfinished_steps(llama: Reader) -> None:
    said: list[tuple[int, int]] = []

    def choose(logits: Any, worker: int) -> int:
        said.append((worker, int(logits.argmax())))
        return 10 * (worker + 1) + len(said)

    team = Hogwild(llama.model, PROMPT, [(5, 6), (8,)], others=(1,), own=(2,))
    assert team.view(0) == ("common", "others", "worker 1", "own", "worker 0")
    assert team.view(1) == ("common", "others", "worker 0", "own", "worker 1")
    assert team.step(choose) == (11, 22)
    assert team.step(choose) == (13, 24)
    assert team.cache["worker 0"].tokens == (5, 6, 11)
    assert team.cache["worker 1"].tokens == (8, 22)
    team.finish(0, (7,))
    assert team.cache["common"].tokens == (*PROMPT, 5, 6, 11)
    team.step(choose)
    assert team.cache["worker 0"].tokens == (13, 7)
    assert [worker for worker, _ in said] == [0, 1] * 3


def test_hogwild_says_what_the_longhand_says(llama: Reader) -> None:
    plain, taken = Longhand(llama.model), []

    def choose(logits: Any, worker: int) -> int:
        taken.append(logits)
        return int(logits.argmax())

    team = Hogwild(llama.model, PROMPT, [(5, 6), (8,)], others=(1,), own=(2,))
    with torch.no_grad():
        plain.step([(("common",), PROMPT)])
        plain.step([(("common", "others"), (1,))])
        plain.step([(("common", "others", "own"), (2,))])
        feed: list[tuple[int, ...]] = [(5, 6), (8,)]
        for _ in range(4):
            chosen = team.step(choose)
            expected = plain.step([(team.view(i), feed[i]) for i in range(2)])
            for one, other in zip(taken[-2:], expected, strict=True):
                assert float((one - other[-1]).abs().max()) < 1e-5
            feed = [(token,) for token in chosen]


def test_hogwild_needs_a_prompt_and_openings(llama: Reader) -> None:
    for prompt, openings in (((), [(1,)]), (PROMPT, []), (PROMPT, [(1,), ()])):
        with pytest.raises(BadSetting):
            Hogwild(llama.model, prompt, openings)
