"""Rectangles of ids, losses and what counts as right, by hand."""

from __future__ import annotations

import math

import pytest
import torch

from engrams.errors import BadSetting
from engrams.weights.lessons import Lesson, Reserve, Session
from engrams.weights.rows import IGNORED, join, loss, right, rows, texts


def test_rows_are_padded_on_the_right_and_label_answers_alone() -> None:
    made = rows([((5, 6), (7,)), ((8,), (9, 4, 3))])
    assert made.ids.tolist() == [[5, 6, 7, 0], [8, 9, 4, 3]]
    assert made.mask.tolist() == [[1, 1, 1, 0], [1, 1, 1, 1]]
    assert made.labels.tolist() == [[IGNORED, IGNORED, 7, IGNORED], [IGNORED, 9, 4, 3]]
    assert made.last.tolist() == [1, 0]


def test_a_text_foretells_all_but_its_first_token() -> None:
    assert texts([(1, 2, 3)]).labels.tolist() == [[IGNORED, 2, 3]]


def test_joined_rows_take_the_longer_width() -> None:
    both = join(rows([((5,), (6,))]), rows([((1, 2), (3,))]))
    assert both.ids.tolist() == [[5, 6, 0], [1, 2, 3]]
    assert both.labels.tolist() == [[IGNORED, 6, IGNORED], [IGNORED, IGNORED, 3]]


def test_loss_and_right_look_at_answers_alone() -> None:
    asked = rows([((0,), (1,)), ((0,), (2,))])
    logits = torch.zeros(2, 2, 3)
    logits[0, 0] = torch.tensor([0.0, math.log(2.0), 0.0])  # 2 / 4 for token 1, which is wanted
    logits[1, 0] = torch.tensor([0.0, math.log(2.0), 0.0])  # 1 / 4 for token 2, which is wanted
    logits[:, 1] = torch.tensor([99.0, 0.0, 0.0])  # behind the answer: nobody asks
    assert loss(logits, asked).item() == pytest.approx((math.log(2) + math.log(4)) / 2)
    assert right(logits, asked).tolist() == [True, False]


def test_an_answer_of_two_tokens_is_right_as_a_whole() -> None:
    asked = rows([((0,), (1, 2))])
    logits = torch.zeros(1, 3, 3)
    logits[0, 0, 1] = 1.0
    assert right(logits, asked).tolist() == [False]  # the second token's likeliest is 0
    logits[0, 1, 2] = 1.0
    assert right(logits, asked).tolist() == [True]


def test_what_a_session_says_anew_leaves_the_reserve() -> None:
    told, other = Lesson(((1, 2),), (3,), ((2, 1),)), Lesson(((5,),), (6,))
    reserve = Reserve((told, other), (told,), ((9, 9),))
    left = reserve.without([Session("s", (Lesson(((2, 1),), (4,)),))])  # the other way to ask counts too
    assert (left.replayed, left.held, left.texts) == ((other,), (), ((9, 9),))


@pytest.mark.parametrize(
    "wrong", [lambda: Lesson((), (1,)), lambda: Lesson(((1,),), ()), lambda: Session("s", ())]
)
def test_a_lesson_without_prompt_or_answer_is_refused(wrong: object) -> None:
    with pytest.raises(BadSetting):
        wrong()  # type: ignore[operator]
