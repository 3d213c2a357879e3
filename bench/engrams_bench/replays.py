"""Real outputs of real models, replayed: what others had a model extract from a data set answers the steps that ask for just that.

Only what was really written by a model is answered. A recipe is run with the steps that these outputs can answer, and with the
counterparts that ask no model in place of all others; its row says so.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engrams import Recipe
from engrams.step import walk
from engrams_bench.cases import Case
from engrams_bench.datasets.locomo import evidence
from engrams_bench.datasets.reading import document, elements
from engrams_bench.errors import MissingData

#: Where notes of gpt-3.5 on LoCoMo lie: `<sample>_gpt35_entities.json` (`memories` with `dia_id` and `text_normalized`, `entities` with
#: `value`, `edges` from entities to the memories that mention them) and `<sample>_gpt35_question_keys.json` (lists of keys by the number
#: of the question in its sample, from 1).
EXTRACTS = Path("locomo/llm_extracts")

#: A reply to one question of a step: its stored text by block, and the object the step expects.
Reply = Callable[[Mapping[str, str]], Mapping[str, Any]]


class Replay:
    """What can be answered for one case, by the name of the prompt that asks: a language model as `Memory.open` takes it."""

    def __init__(self, case: str, replies: Mapping[str, Reply]) -> None:
        self.replies = replies
        # Answers are remembered by the name of the model, and two cases may show the same words.
        self.__qualname__ = f"Replay({case})"

    def __call__(self, request: Any) -> str:
        """The recorded answer to a request.

        Raises:
            KeyError: nothing was recorded for this prompt; a recipe is run with `form`, so that it does not ask.
        """
        ask = request.ask
        return json.dumps(self.replies[ask.prompt.name](ask.input))

    def form(self, recipe: Recipe) -> Recipe:
        """The recipe with the steps that can be answered, and without models for the rest.

        Names that were recorded message by message are asked for so, where facts are then taken from single messages, too.

        Raises:
            MissingData: it asks, and nothing that it asks for was recorded: its row would be one without models.
        """
        entities = next((s for _, s in walk(recipe.write) if _prompt(s) == "entities"), None)
        if getattr(entities, "of", "") == "messages" and not {"triples"} & self.replies.keys():
            recipe = recipe.replace("write.ExtractEntities.of", "message")
        asked = {_prompt(s) for chain in recipe.chains().values() for _, s in walk(chain) if s.asks}
        if asked and not asked & self.replies.keys():
            raise MissingData(
                f"nothing that {recipe.name} asks for was recorded over this set ({', '.join(sorted(self.replies))} were); "
                "run it with --models none"
            )
        return recipe.without_models(keep=lambda step: _prompt(step) in self.replies, form="replayed")


def _prompt(step: object) -> str:
    return str(getattr(getattr(step, "prompt", None), "name", ""))


def replay_of(name: str, folder: Path) -> Callable[[Case], Replay]:
    """What was recorded over a data set, case by case.

    - musique: entities and triples of gpt-3.5-turbo-1106 over its passages, published with HippoRAG.
    - locomo: the observations (facts with the turns they rest on) and summaries of sessions that come with it; where they are at hand,
      what gpt-3.5-turbo noted of each turn (the names in it, its words with days and pronouns resolved) and of each question (keys).

    Raises:
        MissingData: nothing was recorded over this set, or the files are not in the data folder.
    """
    if name == "musique":
        return _musique(_one(folder, "multihop/openie_musique_train*.json"))
    if name == "locomo":
        return _locomo(_one(folder, "locomo/locomo*.json"), folder / EXTRACTS)
    raise MissingData(
        f"no outputs of a model are known over {name!r}; there are some over locomo and musique"
    )


def _one(folder: Path, pattern: str) -> Path:
    found = sorted(folder.glob(pattern))
    if not found:
        raise MissingData(f"{folder / pattern}: no such file; bench/README.md says where it comes from")
    return found[0]


def _musique(path: Path) -> Callable[[Case], Replay]:
    docs = {doc["passage"]: doc for doc in document(path)["docs"]}

    def entities(blocks: Mapping[str, str]) -> Mapping[str, Any]:
        return {"entities": docs.get(blocks["passage"], {}).get("extracted_entities", [])}

    def triples(blocks: Mapping[str, str]) -> Mapping[str, Any]:
        found = docs.get(blocks["passage"], {}).get("extracted_triples", [])
        return {"triples": [[str(part) for part in t] for t in found if len(t) == 3]}

    return lambda case: Replay(case.id, {"entities": entities, "triples": triples})


def _locomo(path: Path, extracts: Path) -> Callable[[Case], Replay]:
    samples = {str(sample["sample_id"]): sample for sample in elements(path)}

    def replay(case: Case) -> Replay:
        sample = samples[case.id]
        told = Told.of(case, sample)
        noted = extracts / f"{case.id}_gpt35_entities.json"
        keys = extracts / f"{case.id}_gpt35_question_keys.json"
        more = Noted.of(told, sample, noted, keys).replies() if noted.is_file() and keys.is_file() else {}
        return Replay(
            case.id,
            more
            | {
                "facts": lambda blocks: {"facts": told.facts(blocks["messages"])},
                "facts_of_turn": lambda blocks: {"facts": told.facts_of_text(blocks["message"])},
                "session_summary": lambda blocks: {"text": told.summary(blocks["memories"])},
                "day_summary": lambda blocks: {"text": told.summary(blocks["memories"])},
            },
        )

    return replay


@dataclass(frozen=True)
class Told:
    """The observations and summaries of one conversation, found by what was said.

    `turns`: the ids of turns by their words; `lines`: by who said them and their words, as prompts show them; `observed`: what was
    noted of a turn; `home` and `summaries`: the session of a turn, and its summary.
    """

    turns: Mapping[str, tuple[str, ...]]
    lines: Mapping[str, tuple[str, ...]]
    observed: Mapping[str, tuple[str, ...]]
    home: Mapping[str, str]
    summaries: Mapping[str, str]

    @classmethod
    def of(cls, case: Case, sample: Mapping[str, Any]) -> Told:
        """What a sample of LoCoMo holds beside its turns."""
        turns: dict[str, tuple[str, ...]] = {}
        lines: dict[str, tuple[str, ...]] = {}
        home: dict[str, str] = {}
        for session in case.sessions:
            for turn in session.turns:
                text, line = turn.message.content, f"{turn.message.speaker}: {turn.message.content}"
                turns[text] = (*turns.get(text, ()), turn.id)
                lines[line] = (*lines.get(line, ()), turn.id)
                home[turn.id] = session.id
        observed: dict[str, tuple[str, ...]] = {}
        for noted in sample.get("observation", {}).values():
            for said in noted.values():
                for text, where in said:
                    # A fact that rests on several turns is told with the first of them.
                    for id in evidence(where)[:1]:
                        observed[id] = (*observed.get(id, ()), str(text))
        summaries = {
            key.removeprefix("session_").removesuffix("_summary"): str(text)
            for key, text in sample.get("session_summary", {}).items()
        }
        return cls(turns, lines, observed, home, summaries)

    def facts(self, shown: str) -> list[str]:
        """What was noted of the turns in a dialogue as prompts show it, `[day] speaker: words` a message."""
        return self._facts(id for line in messages(shown) for id in self.lines.get(line, ()))

    def facts_of_text(self, said: str) -> list[str]:
        """What was noted of the turns with these words."""
        return self._facts(self.turns.get(said, ()))

    def summary(self, shown: str) -> str:
        """The summaries of the sessions whose turns are in a dialogue, in their order."""
        found = (self.home[id] for line in messages(shown) for id in self.lines.get(line, ()))
        return "\n".join(self.summaries.get(session, "") for session in dict.fromkeys(found)).strip()

    def _facts(self, ids: Iterable[str]) -> list[str]:
        return list(dict.fromkeys(fact for id in ids for fact in self.observed.get(id, ())))


@dataclass(frozen=True)
class Noted:
    """What gpt-3.5 noted of the turns and questions of one conversation.

    `names` and `resolved`: by the id of a turn, the names it mentions, and its words with days and pronouns resolved; `keys`: by a
    question's words, what to look it up by.
    """

    told: Told
    names: Mapping[str, tuple[str, ...]]
    resolved: Mapping[str, str]
    keys: Mapping[str, tuple[str, ...]]

    @classmethod
    def of(cls, told: Told, sample: Mapping[str, Any], noted: Path, keys: Path) -> Noted:
        """What two files hold on a sample of LoCoMo."""
        held, asked = document(noted), document(keys)
        home = {id: evidence(one["dia_id"])[0] for id, one in held["memories"].items()}
        names: dict[str, tuple[str, ...]] = dict.fromkeys(home.values(), ())
        for edge in held["edges"]:
            turn, name = home[edge["memory_id"]], str(held["entities"][edge["entity_id"]]["value"])
            names[turn] = (*names[turn], name)
        resolved = {home[id]: str(one["text_normalized"]) for id, one in held["memories"].items()}
        words = {
            str(question["question"]): tuple(str(key) for key in asked[str(number)])
            for number, question in enumerate(sample["qa"], 1)
        }
        return cls(told, names, resolved, words)

    def replies(self) -> dict[str, Reply]:
        """What can be answered with it, by the name of the prompt.

        A note of A-Mem's form gets the names as keywords, the resolved words as context, and no tags, which were not noted.
        """

        def note(blocks: Mapping[str, str]) -> Mapping[str, Any]:
            who, _, said = blocks["message"].partition(" says: ")
            ids = self.told.lines[f"{who}: {said}"]
            return {"keywords": self._names(ids), "context": self.resolved.get(ids[0], ""), "tags": []}

        return {
            "entities": lambda blocks: {"entities": self._names(self.told.turns[blocks["passage"]])},
            "note": note,
            "keywords": lambda blocks: {"keywords": list(self.keys[blocks["question"]])},
            "names_of_question": lambda blocks: {"entities": list(self.keys[blocks["question"]])},
        }

    def _names(self, ids: Sequence[str]) -> list[str]:
        return list(dict.fromkeys(name for id in ids for name in self.names.get(id, ())))


def messages(shown: str) -> Sequence[str]:
    """The messages of a dialogue as prompts show it, without their days."""
    found: list[str] = []
    for line in shown.split("\n"):
        if line[:1] == "[" and line[11:13] == "] ":
            found.append(line[13:])
        elif found:  # a message of several lines
            found[-1] += f"\n{line}"
    return found
