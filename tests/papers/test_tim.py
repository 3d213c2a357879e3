"""Think-in-Memory on a trace worked out by hand: thoughts in groups of a hash, forgotten and merged inside them, found in one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from engrams import Memory
from engrams.arithmetic import cross_polytope
from engrams.errors import BadSetting
from engrams.organise.review import AskReview, ByHash, RuleReview
from engrams.prompts import Prompt
from engrams.recall.nearest import Nearest
from engrams.recipe import Recipe
from engrams.recipes.tim import GROUPS, TIM
from engrams.records import Engram
from engrams.step import Chain, steps_of
from tests.papers.talks import Drawn, Reply, opened, tell, texts

THOUGHTS, FORGET, MERGE = Prompt("thoughts"), Prompt("forget_thoughts"), Prompt("merge_thoughts")
#: Tea and coffee point almost the same way; what points the other way never shares their group.
WORDS = {"tea": (1, 0, 0), "coffee": (0.999, 0.0447, 0), "war": (-1, 0, 0)}


def think(blocks: dict[str, str]) -> dict[str, object]:
    """A thought for each line that says who does what to what."""
    said = [line.split(": ", 1)[1].rstrip(".").split(" ", 2) for line in blocks["passage"].splitlines()]
    return {"triples": [parts for parts in said if len(parts) == 3]}


def contradicted(blocks: dict[str, str]) -> dict[str, object]:
    """Who hates something no longer likes it."""
    lines = blocks["memories"].splitlines()
    hated = {line.split("hates ")[1] for line in lines if "hates" in line}
    gone = [n for n, line in enumerate(lines, 1) if "likes" in line and line.split("likes ")[1] in hated]
    return {"changes": [{"operation": "DELETE", "numbers": gone}] if gone else []}


def joined(blocks: dict[str, str]) -> dict[str, object]:
    """What somebody likes is one thought."""
    lines = blocks["memories"].splitlines()
    likes = [n for n, line in enumerate(lines, 1) if "likes" in line]
    text = "Ada likes " + " and ".join(lines[n - 1].split("likes ")[1] for n in likes)
    return {"changes": [{"operation": "MERGE", "numbers": likes, "text": text}] if len(likes) > 1 else []}


REPLIES: dict[Prompt, Reply] = {THOUGHTS: think, FORGET: contradicted, MERGE: joined}


def without(prompt: Prompt) -> Recipe:
    """TiM without the review that asks with one prompt."""
    kept = [s for s in steps_of(TIM.write) if getattr(getattr(s, "judge", None), "prompt", None) != prompt]
    return replace(TIM, write=Chain(tuple(kept)))


def test_a_thought_is_a_relation_that_a_model_makes_of_a_question_and_its_answer() -> None:
    with opened(TIM, REPLIES, WORDS) as (memory, talk):
        said = [{"role": "user", "content": "Ada likes tea."}, {"role": "assistant", "content": "Good."}]
        ids = memory.add(said, session="one").event_ids
        memory.work()
        [thought] = memory.get_all()
        assert isinstance(thought, Engram)
        assert (thought.kind, thought.content, thought.sources) == ("thought", "Ada likes tea", ids)
        assert (thought.metadata["subject"], thought.metadata["object"]) == ("Ada", "tea")
        # One question; alone in its group there is nothing to review.
        assert [name for name, _ in talk.asked] == ["thoughts"]
        assert list(talk.shown("thoughts")[0]) == ["passage"]


def test_inside_a_group_what_is_contradicted_is_forgotten_and_what_belongs_together_becomes_one() -> None:
    with opened(TIM, REPLIES, WORDS) as (memory, talk):
        [one] = tell(memory, "user: Ada likes tea.")
        [two] = tell(memory, "user: Ada likes coffee.", day=1)
        assert texts(memory, "thought") == ["Ada likes tea and coffee"]
        [merged] = memory.get_all()
        assert isinstance(merged, Engram)
        assert list(merged.sources) == [one, two]
        assert [r.change for r in memory.history(merged.id)] == ["ADD", "MERGE"]
        assert [name for name, _ in talk.asked[1:]] == ["thoughts", "forget_thoughts", "merge_thoughts"]
        tell(memory, "user: Ada hates tea and coffee.", day=2)
        assert texts(memory, "thought") == ["Ada hates tea and coffee"]
        gone = memory.get(merged.id)
        assert isinstance(gone, Engram) and gone.state == "archived"
        # One alone was left: nothing to merge.
        assert [name for name, _ in talk.asked[4:]] == ["thoughts", "forget_thoughts"]


def test_groups_do_not_know_each_other() -> None:
    with opened(TIM, REPLIES, WORDS) as (memory, talk):
        tell(memory, "user: Ada likes tea.", "user: Ada likes war.")
        assert sorted(texts(memory, "thought")) == ["Ada likes tea", "Ada likes war"]
        assert talk.shown("merge_thoughts") == []
        assert [h.text for h in memory.search("Who brews coffee?", k=9)] == ["Ada likes tea"]
        assert [h.text for h in memory.search("war?", k=9)] == ["Ada likes war"]
    with opened(TIM.replace("read.Nearest.groups", 0), REPLIES, WORDS) as (memory, _):
        tell(memory, "user: Ada likes tea.", "user: Ada likes war.")
        assert len(memory.search("Who brews coffee?", k=9)) == 2


def test_an_empty_group_gives_nothing() -> None:
    with opened(TIM, REPLIES, WORDS) as (memory, _):
        tell(memory, "user: Ada likes war.")
        made = memory.context("Who brews tea?")
        assert (made.found, made.hits) == (False, ())


def test_new_thoughts_of_one_answer_are_held_against_each_other() -> None:
    both: dict[Prompt, Reply] = {
        **REPLIES,
        THOUGHTS: {"triples": [["Ada", "likes", "tea"], ["Ada", "likes", "coffee"], ["Ada", "hates", "tea"]]},
    }
    with opened(TIM, both, WORDS) as (memory, _):
        tell(memory, "user: So I said.")
        assert sorted(texts(memory, "thought")) == ["Ada hates tea", "Ada likes coffee"]


@pytest.mark.parametrize(
    ("missing", "left"),
    [(FORGET, ["Ada likes tea", "Ada hates tea"]), (MERGE, ["Ada likes tea", "Ada likes coffee"])],
)
def test_without_a_review_what_it_would_take_stays(missing: Prompt, left: list[str]) -> None:
    with opened(without(missing), REPLIES, WORDS) as (memory, _):
        for line in left:
            tell(memory, f"user: {line}.")
        assert texts(memory, "thought") == left


def test_five_thoughts_are_recalled() -> None:
    with opened(without(MERGE), REPLIES, WORDS) as (memory, _):
        tell(memory, *(f"user: Ada likes tea{n}." for n in range(7)))
        assert len(memory.context("tea?").hits) == 5
        assert len(memory.search("tea?", k=7)) == 7


def test_numbers_a_model_makes_up_change_nothing() -> None:
    wild: dict[Prompt, Reply] = {
        THOUGHTS: think,
        FORGET: {"changes": [{"operation": "DELETE", "numbers": [9]}]},
        MERGE: {
            "changes": [
                {"operation": "MERGE", "numbers": [1, 7], "text": "Lost"},
                {"operation": "MERGE", "numbers": [1, 2]},
            ]
        },
    }
    with opened(TIM, wild, WORDS) as (memory, _):
        tell(memory, "user: Ada likes tea.", "user: Ada likes coffee.")
        assert texts(memory, "thought") == ["Ada likes tea", "Ada likes coffee"]


def test_the_group_is_the_largest_of_both_signs_of_the_projections() -> None:
    turn = np.random.default_rng(5).standard_normal((3, 2))
    vectors = np.eye(3, dtype=np.float32)
    # Of a unit vector the projections are a row of R.
    expected = [int(np.argmax([*row, *-row])) for row in turn]
    assert cross_polytope(vectors, 4, 5).tolist() == expected
    assert cross_polytope(-vectors, 4, 5).tolist() == [(g + 2) % 4 for g in expected]
    assert cross_polytope(vectors * 7, 4, 5).tolist() == expected
    assert cross_polytope(np.empty((0, 3), np.float32), 4, 5).tolist() == []
    for wrong in (1, 3, 0):
        with pytest.raises(ValueError, match="even"):
            cross_polytope(vectors, wrong, 5)


def test_near_vectors_mostly_share_a_group_and_far_ones_rarely() -> None:
    rng = np.random.default_rng(1)
    one = rng.standard_normal((2000, 64)).astype(np.float32)
    near = one + 0.3 * rng.standard_normal(one.shape).astype(np.float32)
    far = rng.standard_normal(one.shape).astype(np.float32)
    groups = cross_polytope(one, GROUPS, 0)
    together, apart = ((cross_polytope(o, GROUPS, 0) == groups).mean() for o in (near, far))
    # By chance one of eight; at a cosine of 0.96 six of seven.
    assert together > 0.75 > 0.2 > apart > 0.05


def test_without_a_model_sentences_are_thoughts_and_repeats_become_one() -> None:
    with Memory.open(":memory:", "tim", embedder=Drawn({}), models="none") as memory:
        first = memory.add("I live in Bern. How are you?", occurred_at="2024-03-01").event_ids
        again = memory.add("I live in Bern!", occurred_at="2024-03-02").event_ids
        [thought] = memory.get_all()
        assert isinstance(thought, Engram)
        assert (thought.content, thought.sources) == ("I live in Bern", (*first, *again))
        memory.add("I moved to Porto.", occurred_at="2024-03-09")
        assert texts(memory, "thought") == ["I moved to Porto"]
        assert "without a model: TakeSentences in place of ExtractTriples" in memory.recipe.differs
        assert "without a model: RuleReview in place of AskReview" in memory.recipe.differs


def test_settings_that_make_no_sense_are_refused() -> None:
    for groups in (3, -2):
        with pytest.raises(BadSetting, match="groups"):
            Nearest(groups=groups)
    with pytest.raises(BadSetting, match="groups"):
        ByHash(find=Nearest(), groups=0)
    with pytest.raises(BadSetting, match="acts"):
        AskReview(acts=(), prompt=MERGE)
    with pytest.raises(BadSetting, match="acts"):
        RuleReview(acts=("ADD",))  # type: ignore[arg-type]
