"""The house recipe on small conversations of our own: each finds its answer, and loses it without one of its signals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pytest

from engrams import Memory
from engrams.recipe import Recipe
from engrams.recipes.engrams import ENGRAMS, SUM


def without(*signals: str) -> Recipe:
    """The house recipe with some signals weighing nothing."""
    dialogue = tuple((name, 0.0 if name in signals else weight) for name, weight in SUM.dialogue)
    notes = tuple((name, 0.0 if name in signals else weight) for name, weight in SUM.notes)
    changed = ENGRAMS.replace("read.SumStandardised.dialogue", dialogue)
    return changed.replace("read.SumStandardised.notes", notes)


@dataclass(frozen=True)
class Line:
    """One message of a small conversation."""

    speaker: str
    text: str
    session: str = "one"
    at: str = "2024-03-01"
    role: str = "user"


def best(recipe: Recipe, lines: Sequence[Line], question: str) -> str:
    """The text of the first hit."""
    with Memory.open(":memory:", recipe=recipe) as memory:
        for line in lines:
            said = {"role": line.role, "content": line.text}
            if line.speaker:
                said["name"] = line.speaker
            memory.add([said], session=line.session, occurred_at=line.at)
        return memory.search(question, k=1)[0].text


SMALL_TALK = [
    Line("Ines", "Good morning, did you sleep well?"),
    Line("Jonas", "Quite well, thanks."),
    Line("Ines", "The weather is turning at last."),
    Line("Jonas", "Yes, spring is coming."),
]

CASES: list[tuple[str, list[Line], str, str]] = [
    (
        "speaker",
        [*SMALL_TALK, Line("Ines", "I adopted a cat, a grey cat."), Line("Jonas", "I adopted a brown one.")],
        "What cat did Jonas adopt?",
        "I adopted a brown one.",
    ),
    (
        "date",
        [
            *SMALL_TALK,
            Line("Ines", "We went hiking, hiking near the lake.", session="a", at="2023-05-07"),
            Line("Jonas", "Hiking, lovely.", session="a", at="2023-05-07"),
            Line("Ines", "We went hiking near the coast.", session="b", at="2023-09-02"),
            Line("Jonas", "Lovely.", session="b", at="2023-09-02"),
        ],
        "Where did Ines go hiking in September 2023?",
        "We went hiking near the coast.",
    ),
    (
        "spoken",
        [
            *SMALL_TALK,
            Line("Ines", "The appointment with the dentist is next Friday.", session="a", at="2024-05-03"),
            Line("Jonas", "Good luck.", session="a", at="2024-05-03"),
            Line("Ines", "The appointment with the dentist is tomorrow.", session="b", at="2024-05-14"),
            Line("Jonas", "Good luck.", session="b", at="2024-05-14"),
        ],
        "Which appointment is there on 10 May?",
        "The appointment with the dentist is next Friday.",
    ),
    (
        "tells when",
        [
            *SMALL_TALK,
            Line("Ines", "I painted the garden fence.", session="a"),
            Line("Jonas", "Nice.", session="a"),
            Line("Ines", "Last week I painted the fence, at last.", session="b"),
            Line("Jonas", "Nice.", session="b"),
        ],
        "When did Ines paint the fence?",
        "Last week I painted the fence, at last.",
    ),
    (
        "meaning",
        [
            *SMALL_TALK,
            Line("Ines", "My guitar needs new strings."),
            Line("Jonas", "My tax papers need a stamp."),
        ],
        "Who plays a musical instrument?",
        "My guitar needs new strings.",
    ),
    (
        "role",
        [
            Line("", "Good evening.", role="user"),
            Line("", "Good evening, how can I help?", role="assistant"),
            Line("", "My favourite soup is lentil soup.", role="user"),
            Line("", "Lentil soup is a favourite soup.", role="assistant"),
        ],
        "What is my favourite soup?",
        "My favourite soup is lentil soup.",
    ),
    (
        "question",
        [
            *SMALL_TALK,
            Line("Ines", "Which colour has your basket?"),
            Line("Jonas", "The basket is red."),
        ],
        "What colour is the picnic basket?",
        "The basket is red.",
    ),
]


@pytest.mark.parametrize(("signal", "lines", "question", "answer"), CASES, ids=[c[0] for c in CASES])
def test_each_signal_earns_its_place(signal: str, lines: list[Line], question: str, answer: str) -> None:
    assert best(ENGRAMS, lines, question) == answer
    gone = (signal, f"{signal} nearby") if signal == "meaning" else (signal, "reply")
    assert best(without(*gone), lines, question) != answer


def test_the_turns_around_an_answer_lead_to_it() -> None:
    lines = [
        *SMALL_TALK,
        Line("Ines", "How was the concert in Porto?", session="two"),
        Line("Jonas", "Two hours of fado, and everybody cried.", session="two"),
        Line("Ines", "Nice.", session="two"),
        Line("Jonas", "Two hours of waiting, and everybody yawned.", session="three"),
        Line("Ines", "Nice.", session="three"),
    ]
    question = "What did Jonas hear at the concert in Porto?"
    assert best(ENGRAMS, lines, question) == "Two hours of fado, and everybody cried."
    alone = without("words nearby", "meaning nearby", "session", "reply")
    assert best(alone, lines, question) != "Two hours of fado, and everybody cried."


def test_long_turns_do_not_win_by_their_length() -> None:
    things = (
        "concert opera piano dinner garden office train river mountain school hotel museum kitchen window letter "
        "bridge market castle island forest library hospital theatre station airport harbour village tower valley "
        "desert glacier meadow orchard vineyard chapel stadium"
    )
    rambling = " ".join(f"{thing} is on my list as well." for thing in things.split())
    answer = "I play the violin at every concert."
    lines = [*SMALL_TALK, Line("Ines", rambling), Line("Jonas", answer)]
    question = "Which instrument, and in which hall?"
    assert best(ENGRAMS, lines, question) == answer
    assert best(without("length"), lines, question) == rambling


def test_shares_of_a_hit_add_up_to_its_score() -> None:
    with Memory.open(":memory:") as memory:
        memory.add(
            [{"role": "user", "name": li.speaker, "content": li.text} for li in SMALL_TALK], session="one"
        )
        hit = memory.search("How is the weather, Ines?", k=1, explain=True)[0]
    assert hit.text == "The weather is turning at last."
    assert set(hit.signals) == {name for name, _ in SUM.dialogue}
    assert sum(hit.signals.values()) == pytest.approx(hit.score, abs=1e-4)


def test_chinese_notes_are_found() -> None:
    lines = [
        Line("", text, at=f"2024-04-0{day}")
        for day, text in enumerate(
            (
                "我的上司叫赵雅琳。",
                "我表妹是当老师的。",
                "周末想去爬山。",
                "我同事在银行上班。",
                "今天天气很好。",
            ),
            start=1,
        )
    ]
    assert best(ENGRAMS, lines, "我的表妹做什么工作？") == "我表妹是当老师的。"


@pytest.mark.parametrize(
    "change",
    [
        lambda: ENGRAMS.replace("read.Top.k", 3),
        lambda: ENGRAMS.replace("read.WindowScores.radius", 1),
        lambda: without("date"),
    ],
)
def test_a_changed_parameter_shows_on_the_card(change: Callable[[], Recipe]) -> None:
    assert change().fingerprint() != ENGRAMS.fingerprint()
    assert change().card() != ENGRAMS.card()
