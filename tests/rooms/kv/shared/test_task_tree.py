"""Task trees: which branch leaves when, what that frees, and that what is left is as if the branch had never been."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch

from engrams.errors import BadSetting
from engrams.kv.reuse.joining import Layer
from engrams.kv.shared.task_tree import After, Pruned, TaskTree
from tests.rooms.kv.readers import Reader, distance, tiny

PROMPT = [0, 7, 3]
#: Keys and values of a token: 3 layers, 2 heads of 8 channels, 4 bytes each, twice.
TOKEN = 3 * 2 * 8 * 4 * 2


@pytest.fixture(scope="module")
def llama() -> Reader:
    return tiny("Llama", num_hidden_layers=3)


def branch(tree: TaskTree, tokens: Sequence[int]) -> Pruned:
    tree.begin()
    tree.write(tokens)
    return tree.end()


def kept(layers: tuple[Layer, ...], places: Sequence[int]) -> list[Layer]:
    return [(k[:, list(places)], v[:, list(places)]) for k, v in layers]


def test_nothing_pruned_is_a_prefill(llama: Reader) -> None:
    tree = TaskTree(llama.model, PROMPT)
    said = tree.write([5, 6])
    tree.write([9])
    assert distance(tree.layers, llama.prefill([*PROMPT, 5, 6, 9])) < 1e-5
    with torch.no_grad():
        expected = llama.model(input_ids=torch.tensor([[*PROMPT, 5, 6]])).logits[0, -2:]
    assert float((said - expected).abs().max()) < 1e-5
    assert tree.bytes == 6 * TOKEN


def test_the_earliest_list_leaves_when_the_stack_is_full(llama: Reader) -> None:
    tree = TaskTree(llama.model, PROMPT, buffer=1)
    assert branch(tree, [10, 11]) == Pruned(0, 0, 0)
    tree.write([5])
    assert branch(tree, [12, 13, 14]) == Pruned(2, 2 * TOKEN, 4)
    assert tree.tokens == [*PROMPT, 5, 12, 13, 14]
    assert tree.bytes == 7 * TOKEN


def test_what_is_left_is_read_as_if_the_branch_had_never_been(llama: Reader) -> None:
    tree = TaskTree(llama.model, PROMPT, buffer=1)
    branch(tree, [10, 11])
    tree.write([5])
    branch(tree, [12, 13])
    assert tree.tokens == [*PROMPT, 5, 12, 13]
    assert tree.positions == [0, 1, 2, 3, 4, 5]
    assert distance(tree.layers, llama.prefill(tree.tokens)) < 1e-5
    said = tree.write([9])
    with torch.no_grad():
        expected = llama.model(input_ids=torch.tensor([[*PROMPT, 5, 12, 13, 9]])).logits[0, -1]
    assert float((said[-1] - expected).abs().max()) < 1e-5


def test_without_a_stack_a_list_leaves_when_it_ends(llama: Reader) -> None:
    tree = TaskTree(llama.model, PROMPT, buffer=0)
    assert branch(tree, [10, 11]) == Pruned(2, 2 * TOKEN, 0)
    assert tree.next_position == 3
    assert distance(tree.layers, llama.prefill(PROMPT)) < 1e-5
    assert branch(tree, [10]) == Pruned(1, TOKEN, 0)


@pytest.mark.parametrize("after", ["turn", "leave"])
def test_what_is_left_may_keep_what_it_drew_from_the_branch(llama: Reader, after: After) -> None:
    tree = TaskTree(llama.model, PROMPT, buffer=1, after=after)
    branch(tree, [10, 11])
    tree.write([5])
    tree.begin()
    tree.write([12, 13])
    before = kept(tree.layers, [0, 1, 2, 5, 6, 7])
    assert tree.end() == Pruned(2, 2 * TOKEN, 0)
    assert tree.tokens == [*PROMPT, 5, 12, 13]
    if after == "leave":  # bit for bit, where they were
        assert tree.positions == [0, 1, 2, 5, 6, 7]
        assert distance(tree.layers, before) == 0
    else:
        assert tree.positions == [0, 1, 2, 3, 4, 5]
        assert distance(kept(tree.layers, [0, 1, 2]), kept(tuple(before), [0, 1, 2])) == 0
        for (k, v), (_, old_v) in zip(tree.layers, before, strict=True):
            assert torch.equal(v, old_v)
            assert k.shape == v.shape
        first = llama.prefill(tree.tokens)[0][0]
        assert float((tree.layers[0][0] - first).abs().max()) < 1e-5
    assert tree.next_position == tree.positions[-1] + 1
    tree.write([9])
    assert len(tree.positions) == 7


def test_lists_within_lists(llama: Reader) -> None:
    """A task whose subtask has subtasks: the inner list leaves first, the outer one then without it."""
    tree = TaskTree(llama.model, PROMPT, buffer=1)
    tree.begin()
    tree.write([20])
    assert branch(tree, [30, 31]) == Pruned(0, 0, 0)
    tree.write([21])
    assert tree.end() == Pruned(2, 2 * TOKEN, 1)  # the inner one; 21 is read again
    assert tree.tokens == [*PROMPT, 20, 21]
    tree.write([5])
    assert branch(tree, [39]) == Pruned(2, 2 * TOKEN, 2)  # the outer one; 5 and 39 are read again
    assert tree.tokens == [*PROMPT, 5, 39]
    assert distance(tree.layers, llama.prefill(tree.tokens)) < 1e-5


def test_a_list_that_is_open_moves_with_what_leaves_before_it(llama: Reader) -> None:
    tree = TaskTree(llama.model, PROMPT, buffer=0)
    tree.begin()
    tree.write([20])
    tree.begin()
    tree.write([30, 31])
    tree.end()
    tree.write([21])
    assert tree.end().tokens == 2  # 20 and 21
    assert tree.tokens == PROMPT
    tree = TaskTree(llama.model, PROMPT, buffer=1)
    branch(tree, [10, 11])
    tree.begin()
    tree.write([20])
    branch(tree, [30])  # now 10 and 11 leave, before the open list
    assert tree.tokens == [*PROMPT, 20, 30]
    tree.end()  # 30 leaves, the list of 20 waits
    assert tree.tokens == [*PROMPT, 20]
    branch(tree, [39])
    assert tree.tokens == [*PROMPT, 39]
    assert distance(tree.layers, llama.prefill(tree.tokens)) < 1e-5


def test_what_makes_no_sense_is_refused(llama: Reader) -> None:
    with pytest.raises(BadSetting):
        TaskTree(llama.model, [])
    with pytest.raises(BadSetting):
        TaskTree(llama.model, PROMPT, buffer=-1)
    with pytest.raises(BadSetting, match="read, turn or leave"):
        TaskTree(llama.model, PROMPT, after="forget")  # type: ignore[arg-type]
    tree = TaskTree(llama.model, PROMPT)
    with pytest.raises(BadSetting, match="has begun"):
        tree.end()
    with pytest.raises(BadSetting, match="at least one token"):
        tree.write([])
