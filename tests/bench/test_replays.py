"""Recorded outputs of real models: answered for what was recorded, and nothing else."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from engrams_bench.cases import Case
from engrams_bench.datasets import DATASETS
from engrams_bench.errors import MissingData
from engrams_bench.folder import require
from engrams_bench.replays import EXTRACTS, replay_of
from engrams_bench.run import run
from engrams_bench.settings import Settings

from engrams import Memory
from engrams.ports import Ask
from engrams.prompts import Prompt
from engrams.step import walk

LOCOMO = DATASETS["locomo"]

MEMORIES = {
    "D1:1": "Ada's kiln broke 8 May 2023.",
    "D1:2": "Oh no. Who can mend the kiln?",
    "D1:3": "Perhaps the smith in Aldery.",
    "D2:01": "The kiln is mended at last.",
    "D2:2": "Then Ben will bring the bowls 1 March 2024.",
}
NAMES = {
    "D1:1": ["kiln", "8 May 2023"],
    "D1:3": ["smith", "Aldery"],
    "D2:01": ["kiln"],
    "D2:2": ["Ben", "bowls"],
}
KEYS = {
    "1": ["ada", "kiln", "break"],
    "2": ["mended", "kiln"],
    "3": ["ada"],
    "4": ["ben", "bring"],
    "5": ["kiln"],
}


@pytest.fixture
def folder(own_data: Path, tmp_path: Path) -> Path:
    """Our LoCoMo of a few lines, with notes in the form of gpt-3.5's, written by us."""
    place = tmp_path / EXTRACTS
    place.mkdir(parents=True)
    shutil.copy(own_data / "locomo" / "locomo2.json", tmp_path / "locomo")
    for sample, memories, names, keys in (
        ("own-1", MEMORIES, NAMES, KEYS),
        ("own-2", {"D1:1": "Happy new year!"}, {"D1:1": ["new year"]}, {"1": ["cai", "wish"]}),
    ):
        held = {
            "memories": {
                f"memory:{id}": {"dia_id": id, "text_normalized": text} for id, text in memories.items()
            },
            "entities": {f"entity:{n.lower()}": {"value": n} for told in names.values() for n in told},
            "edges": [
                {"entity_id": f"entity:{n.lower()}", "memory_id": f"memory:{id}", "edge_type": "mentions"}
                for id, told in names.items()
                for n in told
            ],
        }
        (place / f"{sample}_gpt35_entities.json").write_text(json.dumps(held))
        (place / f"{sample}_gpt35_question_keys.json").write_text(json.dumps(keys))
    return tmp_path


def cases(folder: Path) -> list[Case]:
    return list(LOCOMO.load(require(LOCOMO, folder)))


class Request:
    """A request as a plugged model is given it."""

    def __init__(self, prompt: str, **blocks: str) -> None:
        self.ask = Ask("any", Prompt(prompt), blocks)


def test_what_was_noted_of_a_turn_and_of_a_question_is_answered(folder: Path) -> None:
    replay = replay_of("locomo", folder)(cases(folder)[0])
    broke = "My kiln broke this morning."
    assert json.loads(replay(Request("entities", passage=broke))) == {"entities": ["kiln", "8 May 2023"]}
    assert json.loads(replay(Request("entities", passage="Oh no. Who can mend it?"))) == {"entities": []}
    assert json.loads(replay(Request("note", message=f"Ada says: {broke}"))) == {
        "keywords": ["kiln", "8 May 2023"],
        "context": "Ada's kiln broke 8 May 2023.",
        "tags": [],
    }
    mended = "Ada says: The kiln is mended at last. [shares a photo: a red kiln in a shed]"
    assert json.loads(replay(Request("note", message=mended)))["context"] == "The kiln is mended at last."
    asked = {"question": "What will Ben bring?"}
    assert json.loads(replay(Request("keywords", **asked))) == {"keywords": ["ben", "bring"]}
    assert json.loads(replay(Request("names_of_question", **asked))) == {"entities": ["ben", "bring"]}


def test_what_was_not_recorded_is_no_answer(folder: Path) -> None:
    replay = replay_of("locomo", folder)(cases(folder)[0])
    with pytest.raises(KeyError):
        replay(Request("evolve", note="", neighbours=""))
    with pytest.raises(KeyError):
        replay(Request("keywords", question="What was never asked?"))
    with pytest.raises(KeyError):
        replay(Request("entities", passage="What was never said."))


def test_the_card_says_what_stands_in_for_what_was_not_recorded(folder: Path) -> None:
    replay = replay_of("locomo", folder)(cases(folder)[0])
    form = replay.form(Memory.catalogue()["a-mem"])
    assert [line for line in form.differs if line.startswith("without a model")] == [
        "without a model: LinkNeighbours in place of Evolve"
    ]
    hipporag = replay.form(Memory.catalogue()["hipporag"])
    assert {step.name for _, step in walk(hipporag.write)} >= {"ExtractEntities", "JoinNames"}
    assert "AskNames" in {step.name for _, step in walk(hipporag.read)}


def test_a_recipe_of_which_nothing_was_recorded_has_no_replayed_row(folder: Path) -> None:
    replay = replay_of("locomo", folder)(cases(folder)[0])
    with pytest.raises(MissingData, match="--models none"):
        replay.form(Memory.catalogue()["rmm"])
    assert replay.form(Memory.catalogue()["bm25"]) == Memory.catalogue()["bm25"]


def test_names_that_were_noted_message_by_message_are_asked_for_so(folder: Path) -> None:
    replay = replay_of("locomo", folder)(cases(folder)[0])
    form = replay.form(Memory.catalogue()["mem0-graph"])
    there = {step.name: step for _, step in walk(form.write)}
    assert getattr(there["ExtractEntities"], "of", "") == getattr(there["JoinNames"], "of", "") == "message"


def test_without_the_notes_what_comes_with_the_set_is_answered_alone(folder: Path) -> None:
    shutil.rmtree(folder / EXTRACTS)
    replay = replay_of("locomo", folder)(cases(folder)[0])
    assert set(replay.replies) == {"facts", "facts_of_turn", "session_summary", "day_summary"}
    with pytest.raises(MissingData, match="locomo and musique"):
        replay_of("sample", folder)


def test_a_recipe_runs_over_them(folder: Path) -> None:
    """The question in the notes' words finds the note; and the model calls of the row are those that were recorded."""
    settings = Settings(store="memory", embedder="minilm", models="replayed")
    result = run(Memory.catalogue()["a-mem"], LOCOMO, folder, settings)
    assert result.name == "locomo-a-mem-replayed"
    assert result.cost["model calls in all"] > 0 and result.cost["model money"] is None
    first = result.outcomes[0]
    assert first.turns[0] is not None
