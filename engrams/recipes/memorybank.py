"""MemoryBank: rounds, summaries and portraits of days and of all, forgotten by Ebbinghaus' curve."""

from __future__ import annotations

from engrams.compose.steps import FitBudget, OrderForReading, Render
from engrams.ingest.rounds import GroupRounds
from engrams.organise.embed import Embed
from engrams.organise.forget import Forget
from engrams.organise.groups import SummariseGroups
from engrams.prompts import Prompt
from engrams.recall.always import Preface
from engrams.recall.nearest import Nearest
from engrams.recipe import Paper, Recipe

MEMORYBANK = Recipe(
    name="memorybank",
    summary="Rounds and summaries of days; what is not recalled is forgotten; a portrait of the person before every answer.",
    paper=Paper(
        "MemoryBank: Enhancing Large Language Models with Long-Term Memory",
        2023,
        "https://arxiv.org/abs/2305.10250",
    ),
    write=GroupRounds(key="all") >> Embed(),
    consolidate=SummariseGroups(
        by="day", of="round", into="summary", prompt=Prompt("day_summary"), tokens=400
    )
    >> SummariseGroups(by="day", of="round", into="profile", prompt=Prompt("day_profile"), tokens=400)
    >> SummariseGroups(
        by="all", of="summary", of_grain="day", into="summary", prompt=Prompt("whole_summary"), tokens=400
    )
    >> SummariseGroups(
        by="all", of="profile", of_grain="day", into="profile", prompt=Prompt("whole_profile"), tokens=400
    )
    >> Forget(kinds=("round",), forgetting="paper"),
    read=Nearest(kinds=("round", "summary"), k=6, widen=True, reinforce=True)
    >> Preface(kinds=("profile", "summary"), grain="all")
    >> FitBudget()
    >> OrderForReading()
    >> Render(),
    differs=(
        "forgetting='paper' is e^(-t/S); 'released' is the authors' code, e^(-(t/5)S)",
        "a round is found and given whole; the authors' code splits it, and glues parts up to 200 characters",
        "days are counted to the newest message, not to the present day",
        "what is forgotten is archived: its history and its events stand",
        "the last three turns of the running conversation are the caller's to add",
    ),
    needs=("chat", "embedder"),
)
