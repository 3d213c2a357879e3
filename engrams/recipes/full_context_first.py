"""ConvoMem's finding as a recipe: everything while there is little, then a hybrid search, then the house's recall."""

from __future__ import annotations

from engrams.compose.steps import FitBudget, OrderForReading, Render
from engrams.recall.few import ByConversations
from engrams.recall.select import Everything
from engrams.recipe import Paper, Recipe
from engrams.recipes.engrams import ENGRAMS
from engrams.recipes.reference import HYBRID_RRF

FULL_CONTEXT_FIRST = Recipe(
    name="full-context-first",
    writer=ENGRAMS.writer,
    summary="Everything up to 30 conversations, words and vectors by rank up to 150, the house's recall beyond.",
    paper=Paper(
        "ConvoMem Benchmark: Why Your First 150 Conversations Don't Need RAG",
        2025,
        "https://arxiv.org/abs/2511.10523",
    ),
    write=ENGRAMS.write,
    read=ByConversations(
        full=Everything(),
        hybrid=HYBRID_RRF.ranking(),
        beyond=ENGRAMS.ranking(),
        full_until=30,
        hybrid_until=150,
    )
    >> FitBudget(share=1.0)
    >> OrderForReading()
    >> Render(),
    differs=(
        "30 and 150 are the paper's transition points between long context and retrieval; the recipe made of them is ours",
        "everything is cut to the budget of tokens, the newest first: give one that holds 30 conversations",
        "the paper leaves open what comes beyond 150; here the recall of the recipe 'engrams'",
        "without an embedder the hybrid search is BM25 alone, and the house's recall does without vectors",
    ),
)
