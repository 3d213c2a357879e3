"""The parts of the fine-tuning script that need no torch: names, folds, hard negatives, the merged delta."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

SCRIPTS = Path(__file__).resolve().parents[3] / "scripts"


@pytest.fixture(autouse=True)
def scripts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(SCRIPTS))


@pytest.mark.parametrize(
    ("own", "told", "nameless"),
    [
        (
            "What degree did I graduate with?",
            "What degree did Rosa graduate with?",
            "What degree did graduate with?",
        ),
        (
            "How long have I been using my bike?",
            "How long has Rosa been using Rosa's bike?",
            "How long has been using bike?",
        ),
        ("Where do I keep mine?", "Where does Rosa keep Rosa's?", "Where does keep ?"),
        ("I’m tired. Remind me!", "Rosa is tired. Remind Rosa!", "is tired. Remind !"),
        (
            "Which city is big in Illinois?",
            "Which city is big in Illinois?",
            "Which city is big in Illinois?",
        ),
    ],
)
def test_a_question_about_oneself_becomes_one_about_somebody(own: str, told: str, nameless: str) -> None:
    from finetune.names import told_of, without

    assert told_of(own, "Rosa") == told
    assert without(told, "Rosa") == nameless


def test_names_are_exchanged_all_at_once_and_only_as_whole_words() -> None:
    from finetune.names import exchanged

    assert (
        exchanged("Rosa met Lars; Rosamund's Lars", {"Rosa": "Lars", "Lars": "Olga"})
        == "Lars met Olga; Rosamund's Olga"
    )
    assert exchanged("nobody here", {}) == "nobody here"


def test_new_names_are_none_of_the_old_ones() -> None:
    from finetune.names import NAMES, exchange, mentioned

    present = mentioned("Lars wrote to Rosa.", "rosa is a flower; Rosa again")
    assert set(present) == {"Lars", "Rosa"}
    for seed in range(20):
        others = exchange(random.Random(seed), present)
        assert set(others) == {"Lars", "Rosa"}
        assert len(set(others.values())) == 2
        assert not set(others.values()) & {"Lars", "Rosa"}
        assert set(others.values()) <= set(NAMES)


def test_questions_that_share_evidence_are_in_one_fold_and_kinds_are_spread() -> None:
    from finetune.folds import components, folds

    members = [["a"], ["b", "c"], ["d"], ["c"], ["e"], ["f"]]
    assert components(members) == [0, 1, 2, 1, 3, 4]
    chosen = folds(members, ["x", "y", "x", "y", "x", "x"])
    assert chosen[1] == chosen[3]
    assert sorted(chosen[n] for n in (0, 2, 4, 5)) == [0, 0, 1, 1]


def test_nothing_of_a_haystack_that_is_asked_of_is_trained_on() -> None:
    from finetune.folds import trainable

    haystacks = [["a", "b"], ["b", "c"], ["d", "e"], ["e", "f", "c"]]
    assert trainable(haystacks, [0, 1, 0, 1], 1) == {"a", "d"}
    assert trainable(haystacks, [0, 1, 0, 1], 0) == {"c", "f"}
    assert trainable(haystacks, [0, 1, 0, 1], -1) == set("abcdef")


def test_bm25_by_hand() -> None:
    from finetune.mine import Words

    words = Words(["red boat", "red red house", "garden"])
    # Two of three texts hold "red": ln(1 + 1.5 / 2.5). The mean length is 2.
    rare = np.log(1 + 1.5 / 2.5)
    one = rare * 1 * 2.2 / (1 + 1.2 * (0.25 + 0.75 * 2 / 2))
    two = rare * 2 * 2.2 / (2 + 1.2 * (0.25 + 0.75 * 3 / 2))
    assert words.scores("Where is the red?") == pytest.approx([one, two, 0], rel=1e-6)


def test_the_hardest_are_those_that_score_best_and_are_allowed() -> None:
    from finetune.mine import hardest

    scores = np.array([0.5, 3, 2, 0, 2], np.float32)
    forbidden = np.array([False, True, False, False, False])
    assert hardest(scores, forbidden, 2) == [2, 4]
    assert hardest(scores, forbidden, 9) == [2, 4, 0]
    assert hardest(scores, forbidden, 2, skip=1) == [4, 0]


def test_a_text_that_holds_the_answer_is_no_negative() -> None:
    from finetune.mine import says

    assert says("I've moved to the Green Houses of Leith.", "green house")
    assert not says("A house that is green", "green house")
    assert not says("anything", "the")


def test_a_miner_looks_by_words_and_by_meaning_and_leaves_out_what_answers() -> None:
    from finetune.pairs import Miner, Text

    pool = [
        Text("my boat is red", "gold"),
        Text("the boat sank", "s1"),
        Text("a red boat named Swift", "s2"),
        Text("sailing all day", "s3"),
    ]
    about = {"boat": (1, 0), "sail": (0.9, 0.1)}

    def embed(texts: list[str]) -> np.ndarray:
        rows = [next((at for word, at in about.items() if word in text), (0, 1)) for text in texts]
        return np.array(rows, np.float32)

    by_words, by_meaning = Miner(pool, embed).of("What is the name of the boat?", {"gold"}, "Swift")
    assert [text.place for text in by_words] == ["s1"]
    assert [text.place for text in by_meaning] == ["s1", "s3"]


def test_an_item_tells_no_name_that_the_answer_could_be_known_by() -> None:
    from finetune.names import mentioned
    from finetune.pairs import Pair, Text, form

    pair = Pair(
        "When did I meet Lars?",
        Text("I met Lars in May.", "a"),
        (Text("Lars called me.", "b"),),
        (Text("I saw Olga.", "c", mine=False),),
        "chat",
        "q",
    )
    seen = set()
    for seed in range(20):
        item = form(pair, random.Random(seed), "nameless")
        new = mentioned(item.question)
        assert len(new) == 1
        assert new[0] != "Lars"
        said_wrong = item.negatives[0].partition(": ")[2]
        seen.add(said_wrong.split()[-2])
        assert said_wrong == f"{new[0]} called me." or said_wrong.startswith("I saw ")
        assert said_wrong != "I saw Olga."
        speaker, _, said = item.positive.partition(": ")
        assert said == f"I met {new[0]} in May."
        assert speaker not in item.question
        named = form(pair, random.Random(seed), "named")
        assert named.positive.partition(": ")[0] in named.question
    assert seen == {"called", "saw"}
    own = form(pair, random.Random(0), "own")
    assert own.question.startswith("When did I meet ")
    assert own.positive.startswith("I met ")


def test_an_epoch_uses_every_chat_in_three_forms_and_a_share_of_the_passages() -> None:
    from finetune.pairs import Pair, Text, epoch

    chats = [Pair(f"Did I do {n}?", Text(f"I did {n}", "a"), (), (), "chat", f"c{n}") for n in range(4)]
    passages = [Pair(f"Who is {n}?", Text(f"{n} is", "p"), (), (), "passage", f"p{n}") for n in range(10)]
    batches = epoch(chats + passages, random.Random(1), share=0.4, size=4)
    sources = [sorted(item.source[0] for item in batch) for batch in batches]
    assert sorted(map(tuple, sources)) == [("c",) * 4] * 3 + [("p",) * 4]
    asked = sorted(item.source for batch in batches for item in batch if item.source[0] == "c")
    assert asked == sorted(f"c{n}" for n in range(4) for _ in range(3))


def test_a_delta_is_added_to_the_matrix_it_names_and_to_no_other() -> None:
    from build_weights import merged

    key = "encoder.layer.0.attention.self.query.weight"
    weights = {key: np.arange(4, dtype=np.float32).reshape(2, 2), "other": np.ones(2, np.float32)}
    delta = {
        "0.query.down": np.array([[1.0], [2.0]], np.float16),
        "0.query.up": np.array([[10.0, 0.5]], np.float16),
    }
    out = merged(weights, delta)
    # The matrix is kept as [out, in]: the product [[10, 0.5], [20, 1]] is turned.
    assert out[key].tolist() == [[10.0, 21.0], [2.5, 4.0]]
    assert out["other"] is weights["other"]
    assert weights[key].tolist() == [[0.0, 1.0], [2.0, 3.0]]


def test_words_weigh_by_how_rare_they_are_in_the_pool() -> None:
    from finetune.mine import Rarity

    words = Rarity(["red boat", "red house", "garden fence"], ["red", "boat"])
    found = words.between(["Where is the red boat?", "fog"], ["a boat", "the red", "nothing of the kind"])
    assert found.shape == (2, 3)
    # Both texts are as long; "boat" is in one text of three, "red" in two: ln(1 + 2.5 / 1.5) and ln(1 + 1.5 / 2.5).
    assert found[0, 0] / found[0, 1] == pytest.approx(np.log(1 + 2.5 / 1.5) / np.log(1 + 1.5 / 2.5), rel=1e-5)
    assert found[0, 2] == 0
    assert found[1].tolist() == [0, 0, 0]
    # In deviations: over the pool's own questions and texts it is 1 in the mean.
    pool = words.between(["red", "boat"], ["red boat", "red house", "garden fence"])
    assert pool.std(axis=1).mean() == pytest.approx(1, rel=1e-5)


def test_the_mean_of_deltas_is_the_mean_of_their_products() -> None:
    from finetune.soup import mean_of

    one = {"3.query.down": np.array([[2.0], [0.0]]), "3.query.up": np.array([[1.0, 0.0]])}
    two = {"3.query.down": np.array([[0.0], [1.0]]), "3.query.up": np.array([[0.0, 4.0]])}
    both = mean_of([one, two], rank=2)
    assert (both["3.query.down"] @ both["3.query.up"]).tolist() == [[1.0, 0.0], [0.0, 2.0]]
    # Of rank 1 only the larger of the two directions is left.
    first = mean_of([one, two], rank=1)
    assert (first["3.query.down"] @ first["3.query.up"]).tolist() == pytest.approx(
        np.diag([0.0, 2.0]), abs=0.01
    )
    with pytest.raises(ValueError, match="the same matrices"):
        mean_of([one, {"4.query.down": one["3.query.down"]}], rank=1)


def test_a_seed_is_judged_on_what_its_models_have_not_seen() -> None:
    from finetune.report import gap, joined, over_seeds

    base = {"a": {"turn@5 sum": 0.0}, "b": {"turn@5 sum": 0.5}}
    cross = joined({"a": {"turn@5 sum": 1.0}}, {"b": {"turn@5 sum": 0.5}})
    assert cross == {"a": {"turn@5 sum": 1.0}, "b": {"turn@5 sum": 0.5}}
    unseen = joined(cross, {"a": {"turn@5 sum": 0.5}, "b": {"turn@5 sum": 0.5}})
    assert unseen == {"a": {"turn@5 sum": 0.75}, "b": {"turn@5 sum": 0.5}}
    told = gap(base, cross, "turn@5 sum")
    assert (told["questions"], told["base"], told["trained"], told["difference"]) == (2, 25.0, 75.0, 50.0)
    assert told["interval"] == [0.0, 100.0]
    seeds = over_seeds(base, [cross, unseen], "turn@5 sum")
    assert seeds["each"] == [50.0, 37.5]
    assert seeds["difference"] == 43.75


def test_modules_of_the_script_leave_no_trace_of_torch() -> None:
    import finetune.pairs

    # In a process of its own: other tests of this one may have needed torch.
    program = "import sys, finetune.pairs; print('torch' in sys.modules, finetune.pairs.READ)"
    place = Path(finetune.pairs.__file__).parents[1]
    told = subprocess.run(
        [sys.executable, "-c", program], cwd=place, capture_output=True, text=True, check=True
    )
    assert told.stdout.split() == ["False", str(finetune.pairs.READ)] and finetune.pairs.READ > 0
