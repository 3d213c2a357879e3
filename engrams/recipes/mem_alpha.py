"""Mem-alpha: core, semantic and episodic memories that a policy files by calling tools, found again by their words."""

from __future__ import annotations

from engrams.compose.steps import FitBudget, OrderForReading, Render
from engrams.deciding import Decide, Linear
from engrams.organise.shelves import SHELF_TOOLS, FileAway, FileSentences, LooksOfInsert, Shelves, ShowShelves
from engrams.prompts import Prompt
from engrams.recall.always import Preface
from engrams.recall.by_words import WordScores
from engrams.recall.few import WhileItFits
from engrams.recall.fuse import SumStandardised
from engrams.recall.question import ReadQuestion
from engrams.recall.select import TopOfEach
from engrams.recipe import Paper, Recipe

#: Who files: `MEM_ALPHA.replace("write.Decide.policy", "pipeline")`, or "trained:FILE".
FILER: Decide[Shelves] = Decide(
    tools=SHELF_TOOLS,
    prompt=Prompt("shelve"),
    shown=ShowShelves(most=20),
    pipeline=FileSentences(),
    policy="tools",
    trained=Linear(LooksOfInsert(newest=20)),
    operation="extract",
    most_turns=1,
    most_calls=64,
    answer_tokens=2048,
)

_WORDS_ALONE = (("words", 1.0),)
_LISTS = ("semantic", "episodic")

MEM_ALPHA = Recipe(
    name="mem-alpha",
    summary="A core text, facts and events that a policy files by calling tools; the core is always there, the others by words.",
    paper=Paper(
        "Mem-alpha: Learning Memory Construction via Reinforcement Learning",
        2025,
        "https://arxiv.org/abs/2509.25911",
    ),
    write=FileAway(FILER),
    read=ReadQuestion(keep_names=True)
    >> WordScores(k1=1.5, b=0.75)
    >> SumStandardised(dialogue=_WORDS_ALONE, notes=_WORDS_ALONE)
    >> WhileItFits(
        whole=TopOfEach(_LISTS, k=100_000), beyond=TopOfEach(_LISTS, k=15), kinds=_LISTS, tokens=2048 * 15
    )
    >> Preface(kinds=("core",))
    >> FitBudget()
    >> OrderForReading()
    >> Render(),
    unit=20,
    differs=(
        "a chunk is up to 20 messages of a conversation, as they were added; the authors' code packs 4,096 tokens",
        "the policy is any model that calls tools, or policy='trained:FILE', weights of a few looks at a statement that say what is "
        "inserted; the paper trains Qwen3-4B by reinforcement (GRPO)",
        "memories are known by numbers, not by random ids, and may name the message they are from",
        "what is deleted is archived with its history; a core that was cut is marked",
        "everything is given while it is at most 30,720 tokens, as in the authors' code, as far as the budget of the context goes",
        "words are stemmed and stop words left out; the authors' BM25 takes words as they are. Search by vectors, and their mode that "
        "rethinks all memories at once, are left out",
    ),
    needs=("chat",),
)
