"""The formulas of the methods on numbers small enough to work out by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional

from engrams.errors import BadSetting, UnknownName
from engrams.weights.catalogue import FORMS, METHODS, find
from engrams.weights.lessons import Lesson, Session
from engrams.weights.methods.fpf import most_changed
from engrams.weights.methods.hierarchical_memory import HierarchicalMemory, clusters
from engrams.weights.methods.i_lora import RELEASED, SLOW, ILora
from engrams.weights.methods.merges import MergedLora, merge, ties
from engrams.weights.methods.mlp_memory import MlpMemory, neighbours
from engrams.weights.methods.second_me import made_pairs
from engrams.weights.methods.sema import MEAN, SPREAD, describer, errors, novelty
from engrams.weights.methods.sparse_mezo import quantile
from engrams.weights.methods.wise import Wise
from engrams.weights.running import DOWN, UP


def test_ties_trims_elects_and_takes_the_mean_of_those_that_agree() -> None:
    told = [torch.tensor([4.0, -1.0, 0.5, 2.0]), torch.tensor([2.0, 3.0, -0.5, -1.0])]
    # Half is kept: 4 and 2 of the first, 2 and 3 of the second. Sums 6, 3, 0, 2; in the last place only the first is left.
    assert ties(told, 0.5).tolist() == [3.0, 3.0, 0.0, 2.0]
    # All is kept: signs + + 0 +; in the second place only 3 agrees, in the last only 2.
    assert ties(told, 1.0).tolist() == [3.0, 3.0, 0.0, 2.0]


def test_cat_and_linear_merges() -> None:
    one = {"m" + DOWN: torch.tensor([[1.0, 0.0]]), "m" + UP: torch.tensor([[1.0], [2.0]])}
    other = {"m" + DOWN: torch.tensor([[0.0, 3.0]]), "m" + UP: torch.tensor([[5.0], [0.0]])}
    both = merge([one, other], "cat")
    product = both["m" + UP] @ both["m" + DOWN]
    assert product.tolist() == [[1.0, 15.0], [2.0, 0.0]]  # the sum of the two products
    added = merge([one, other], "linear")
    assert (added["m" + UP] @ added["m" + DOWN]).tolist() == [[6.0, 18.0], [2.0, 6.0]]  # with cross terms


@pytest.mark.filterwarnings(
    "ignore:`is_gradient_checkpointing`:FutureWarning"
)  # peft asks transformers for it
def test_merges_are_those_of_peft(model: object) -> None:
    peft = pytest.importorskip("peft")
    import copy

    config = peft.LoraConfig(r=2, lora_alpha=2, target_modules=["q_proj"], init_lora_weights=False)
    torch.manual_seed(0)
    worn = peft.get_peft_model(copy.deepcopy(model), config, adapter_name="one")
    worn.add_adapter("two", config)
    held = dict(worn.named_parameters())
    name = next(n for n in held if n.endswith("lora_A.one.weight"))
    pairs = [
        {
            "m" + DOWN: held[name.replace(".one.", f".{which}.")].detach(),
            "m" + UP: held[name.replace("lora_A.one.", f"lora_B.{which}.")].detach(),
        }
        for which in ("one", "two")
    ]
    for how in ("linear", "cat", "ties"):
        worn.add_weighted_adapter(["one", "two"], [1.0, 1.0], f"m_{how}", combination_type=how, density=0.5)
        now = dict(worn.named_parameters())
        theirs = [now[name.replace("lora_A.one.", f"{half}.m_{how}.")] for half in ("lora_B", "lora_A")]
        ours = merge(pairs, how, 0.5)  # type: ignore[arg-type]
        assert torch.allclose(theirs[0] @ theirs[1], ours["m" + UP] @ ours["m" + DOWN], atol=1e-6), how


def test_the_slow_adapter_of_i_lora_keeps_its_share_from_the_step_on_where_it_may() -> None:
    assert (RELEASED, SLOW) == (0.25, 0.98)
    shares = [min(1 - 1 / (t + 1), SLOW) for t in range(1, 4)]
    assert shares == pytest.approx([0.5, 2 / 3, 0.75])
    with pytest.raises(BadSetting):
        ILora(ema=1.0)


def test_the_margins_of_wise() -> None:
    wise = Wise(alpha=5, beta=20, gamma=10)
    # d_in 12, d_out 6: [6 - 5]+ + [20 - 12]+ + [10 - 6]+
    assert wise.margins(torch.tensor([10.0, 14.0]), torch.tensor([6.0])).item() == 1 + 8 + 4
    assert wise.margins(torch.tensor([30.0]), torch.tensor([1.0])).item() == 0
    assert (wise.mask_ratio, wise.act_ratio, wise.density) == (0.2, 0.88, 0.53)


def test_neighbours_weigh_by_distance_and_share_a_token() -> None:
    keys = torch.tensor([[0.0, 0.0], [1.0, 0.0], [9.0, 0.0]])
    tokens = torch.tensor([1, 2, 2])
    told = neighbours(keys, tokens, 4, 2, 1.0)
    far = math.exp(-1)
    assert told[0].tolist() == pytest.approx([0, 1 / (1 + far), far / (1 + far), 0])
    assert told[2].tolist() == pytest.approx([0, 0, 1, 0])
    assert told.sum(1).tolist() == pytest.approx([1, 1, 1])


def test_the_mixture_of_mlp_memory_is_a_mixture_of_chances() -> None:
    assert MlpMemory().lam == 0.25
    own, memory = torch.tensor([0.0, 0.0]), torch.tensor([math.log(3.0), 0.0])
    mixed = torch.logaddexp(
        functional.log_softmax(own, -1) + math.log(0.75), functional.log_softmax(memory, -1) + math.log(0.25)
    )
    assert mixed.exp().tolist() == pytest.approx([0.75 * 0.5 + 0.25 * 0.75, 0.75 * 0.5 + 0.25 * 0.25])


def test_a_describer_knows_what_lies_in_its_plane() -> None:
    seen = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [1.0, 1.0, 0.1], [2.0, 1.0, 0.0]])
    told = describer(seen, 2)
    inside, outside = errors(told, torch.tensor([[3.0, 2.0, 0.0], [0.0, 0.0, 2.0]])).tolist()
    assert inside < 0.02
    assert outside > 3.9
    fixed = {**told, MEAN: torch.tensor([1.0]), SPREAD: torch.tensor([0.5])}
    far = errors(fixed, torch.tensor([[0.0, 0.0, 2.0]])).item()
    assert novelty([fixed], torch.tensor([[0.0, 0.0, 2.0]])) == pytest.approx((far - 1.0) / 0.5)


def test_clusters_and_paths_of_a_tree() -> None:
    seen = torch.tensor([[0.0, 0.0], [0.0, 1.0], [10.0, 0.0], [10.0, 1.0]])
    centres, member = clusters(seen, 2)
    assert sorted(centres.tolist()) == [[0.0, 0.5], [10.0, 0.5]]
    assert member[0] == member[1] != member[2]
    bank = HierarchicalMemory(branches=2)
    tree = torch.tensor([[0.0, 0.0], [10.0, 0.0], [0.0, -1.0], [0.0, 1.0], [10.0, -1.0], [10.0, 1.0]])
    assert bank.path(tree, torch.tensor([[1.0, 2.0], [9.0, -2.0]])).tolist() == [[0, 3], [1, 4]]


def test_clusters_of_fewer_rows_than_centres_are_filled_up() -> None:
    centres, member = clusters(torch.tensor([[2.0, 2.0]]), 3, torch.tensor([7.0, 7.0]))
    assert centres.tolist() == [[2.0, 2.0], [7.0, 7.0], [7.0, 7.0]]
    assert member.tolist() == [0]


def test_the_modules_that_changed_most() -> None:
    before = {"a": torch.zeros(2), "b": torch.zeros(4), "c": torch.zeros(1)}
    after = {"a": torch.tensor([0.0, 4.0]), "b": torch.full((4,), 1.0), "c": torch.tensor([-3.0])}
    assert most_changed(before, after, 0.67) == ["c", "a"]  # means 3 and 2
    assert most_changed(before, after, 0.01) == ["c"]


def test_small_weights_are_those_below_the_quantile() -> None:
    assert quantile(torch.tensor([-4.0, 1.0, 3.0, -2.0]), 0.5) == 2.0


def test_pairs_of_second_me_put_a_related_memory_before_the_question() -> None:
    one, other = Lesson(((1, 2),), (3,)), Lesson(((4, 5),), (6,))
    session = Session("s", (one, other))
    assert made_pairs([session], l0=True, l1=False) == [((1, 2), (3,)), ((4, 5), (6,))]
    assert made_pairs([session], l0=False, l1=True) == [((4, 5, 6, 1, 2), (3,)), ((1, 2, 3, 4, 5), (6,))]
    later = Session("t", (Lesson(((1, 2),), (9,)),))
    assert ((1, 2), (9,)) in made_pairs([session, later], l0=True, l1=True)
    assert ((1, 2), (3,)) not in made_pairs([session, later], l0=True, l1=True)


def test_the_catalogue_names_every_method_with_its_paper() -> None:
    published = [
        "fpf",
        "hierarchical-memory",
        "i-lora",
        "mac",
        "mlp-memory",
        "second-me",
        "sema",
        "sparse-mezo",
        "wise",
    ]
    assert list(METHODS) == ["session-lora", *published, "full-fine-tuning", "merged-lora", "one-lora"]
    for name, method in METHODS.items():
        about = method.about
        assert about.name == name
        assert about.title and about.formula and about.url.startswith("https://") and about.differs
    assert all(form.about.name in METHODS for form in FORMS.values())
    with pytest.raises(UnknownName, match="'wise'"):
        find("wisse")


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: MergedLora(how="mean"),  # type: ignore[arg-type]
        lambda: Wise(mask_ratio=0),
        lambda: MlpMemory(lam=1.0),
    ],
)
def test_parameters_out_of_range_are_refused(wrong: object) -> None:
    with pytest.raises(BadSetting):
        wrong()  # type: ignore[operator]
