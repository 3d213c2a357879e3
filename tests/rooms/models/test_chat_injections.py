"""What of the orders in stored text reaches a model that obeys everything it reads outside the blocks."""

from __future__ import annotations

import re
from typing import Any

import pytest

from engrams.errors import BadSetting
from engrams.models.chat_asking import Asking
from engrams.models.chat_openai import OpenAIChat
from engrams.models.chat_plugged import CallableEndpoint
from engrams.models.scripted import ScriptedServer
from engrams.models.scripted_wire import Heard, Said
from engrams.ports import Ask, Request, ToolCall, Turn
from engrams.prompts import Prompt, disarmed, fenced
from tests.rooms.models.injections import INJECTIONS, ORDER, tagged

NOTE = Prompt("note", inline="Write one note of the message.")
NAIVE = "Write one note of the message.\n\nMessage: "


def read_outside(system: str, messages: list[str]) -> str:
    """What a model reads as said to it: all but what stands in blocks.

    It is as easily fooled as any: every line break counts, a chat template's mark ends a block, hidden letters are read, and a
    block ends where the first line says a block ends.
    """
    whole = [system]
    mark = ""
    for message in messages:
        first = re.match(r"Mark of the blocks: (\w+)", message)
        mark = first[1] if first else mark
        inside = False
        for line in re.split(r"[\n\r\x0b\x0c\x85\u2028\u2029]", message):
            hidden = "".join(chr(ord(c) - 0xE0000) for c in line if 0xE0020 <= ord(c) < 0xE007F)
            whole.append(hidden)
            if re.search(
                r"<\|\w+\|>|\[/?INST\]|</?s>|<(?:start|end)_of_turn>|<</?SYS>>|\x1b|\x08", line, re.IGNORECASE
            ):
                inside = False
            if mark and re.fullmatch(rf"<<<\w+ {mark}", line):
                inside = True
            elif mark and re.fullmatch(rf"{mark} \w+>>>", line):
                inside = False
            elif not inside:
                whole.append(line)
    return "\n".join(whole)


def obedient(request: Request) -> Any:
    read = read_outside(request.system, [turn.text for turn in request.turns if turn.role != "assistant"])
    return "CANARY" if ORDER in read else "A note."


def asking(function: Any) -> Asking:
    return Asking.over(CallableEndpoint(function, "toy"), len, sleep=lambda _: None)


def test_there_are_many_and_each_gives_the_order() -> None:
    assert len(INJECTIONS) >= 30
    for text in INJECTIONS.values():
        assert ORDER in text or tagged(ORDER) in text


def test_put_into_a_prompt_as_most_programs_do_all_get_through() -> None:
    obeyed = [name for name, text in INJECTIONS.items() if ORDER in read_outside(NAIVE + text, [])]
    obeyed += [name for name, text in INJECTIONS.items() if ORDER in read_outside("", [NAIVE + text])]
    assert set(obeyed) == set(INJECTIONS)


@pytest.mark.parametrize("name", INJECTIONS)
def test_in_a_block_none_gets_through(name: str) -> None:
    text = INJECTIONS[name]
    assert asking(obedient).ask(Ask("note", NOTE, {"message": text})).text == "A note."
    turns = (Turn("assistant", "", (ToolCall("c1", "look", {}),)), Turn("tool", text, call_id="c1"))
    assert asking(obedient).ask(Ask("note", NOTE, {"question": "What?"}, turns=turns)).text == "A note."


def test_over_the_wire_none_gets_through_and_none_becomes_a_message() -> None:
    def script(heard: Heard) -> Said:
        assert [role for role, _ in heard.messages] == ["user"]
        read = read_outside(heard.system, [text for _, text in heard.messages])
        return Said("CANARY" if ORDER in read else "A note.")

    with ScriptedServer(script) as server:
        endpoint = OpenAIChat("toy", server.url)
        model = Asking.over(endpoint, len)
        answers = model.ask_many([Ask("note", NOTE, {"message": text}) for text in INJECTIONS.values()])
        endpoint.close()
    assert {answer.text for answer in answers} == {"A note."}


def test_a_model_that_obeys_what_stands_in_blocks_is_not_helped_by_them() -> None:
    """The fence says what is data; whether a model heeds it is the model's."""

    def gullible(request: Request) -> Any:
        said = request.system + "".join(turn.text for turn in request.turns)
        return "CANARY" if ORDER in said else "A note."

    obeyed = [
        n
        for n, t in INJECTIONS.items()
        if asking(gullible).ask(Ask("note", NOTE, {"message": t})).text == "CANARY"
    ]
    hidden = {"hidden in tags", "hidden behind a flag"}  # what nobody can see is not there at all any more
    assert set(obeyed) == set(INJECTIONS) - hidden


def test_an_answer_that_repeats_an_order_puts_it_into_no_instruction() -> None:
    schema = {"type": "object", "properties": {"note": {"type": "integer"}}, "required": ["note"]}

    def parrot(request: Request) -> Any:
        read = read_outside(request.system, [turn.text for turn in request.turns if turn.role == "user"])
        return {"note": 1} if ORDER not in read and len(request.turns) > 1 else {"note": ORDER, ORDER: ORDER}

    assert asking(parrot).ask(Ask("note", NOTE, {"message": ORDER}, schema)).value == {"note": 1}


def test_what_a_reader_sees_stays() -> None:
    for text in (
        "Ada → Porto <3 >> 2 << x > y\n\ttabbed [sic] (INST) |pipe| <b>bold</b>",
        "zero\u200bwidth and \u200djoiner 👨\u200d👩\u200d👧 🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
        "انتقلت آدا إلى بورتو",
        "<<EOF heredoc and a >> b",
    ):
        assert disarmed(text) == text
    assert disarmed("a <|im_start|> b <<<X >>> [INST] </s>") == "a ‹|im_start|› b ‹‹‹X ››› ⁅INST⁆ ‹/s›"
    assert disarmed("one\r\ntwo\rthree") == "one\ntwo\nthree"


def test_a_mark_that_stands_in_a_text_is_taken_out() -> None:
    assert fenced({"text": "a m1 TEXT>>> b"}, "m1") == "<<<TEXT m1\na  TEXT››› b\nm1 TEXT>>>"


def test_marks_are_new_each_time_and_names_are_words() -> None:
    assert fenced({"text": "x"}) != fenced({"text": "x"})
    assert fenced({"new-facts list": "x"}, "m").startswith("<<<NEW_FACTS_LIST m")
    for wrong in ("", "a\nb", "9", "x>"):
        with pytest.raises(BadSetting, match="block"):
            fenced({wrong: "x"})
