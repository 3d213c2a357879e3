"""HippoRAG, both: facts of passages as a graph of phrases, walked from facts near to the question or from what it names."""

from __future__ import annotations

from engrams.compose.steps import FitBudget, OrderForReading, Render
from engrams.ingest.segment import SplitPassages
from engrams.joints import OrElse
from engrams.organise.embed import Embed
from engrams.organise.triples import ExtractEntities, ExtractTriples
from engrams.recall.choose import KeepChosen
from engrams.recall.fact_graph import NeedSome, SeedGraph, Synonyms, WalkGraph
from engrams.recall.nearest import Nearest
from engrams.recall.question_names import AskNames, LinkNames
from engrams.recipe import Paper, Recipe

HIPPORAG_2 = Recipe(
    name="hipporag-2",
    summary="Passages, and the facts a model reads in them, as one graph; a walk from the facts nearest to the question.",
    paper=Paper(
        "From RAG to Memory: Non-Parametric Continual Learning for Large Language Models",
        2025,
        "https://arxiv.org/abs/2502.14802",
    ),
    write=SplitPassages() >> ExtractEntities() >> ExtractTriples() >> Embed(),
    read=OrElse(
        first=Nearest(kinds=("fact",), k=5, scale="min-max", distinct=True)
        >> KeepChosen()
        >> NeedSome()
        >> SeedGraph(phrases=5, passage_weight=0.05, synonyms=Synonyms(min_cosine=0.8, most=100))
        >> WalkGraph(damping=0.5, k=5),
        backup=Nearest(kinds=("passage",), k=5, widen=True),
    )
    >> FitBudget()
    >> OrderForReading()
    >> Render(),
    differs=(
        "most=100 synonyms of a phrase and doubled weights of facts and synonyms are the authors' code's, not the paper's",
        "phrases are the same where their words are, whatever their punctuation; the code keeps endings such as 's",
        "the model that chooses facts gives their numbers, not their text; its prompt is ours and has no examples",
        "vectors are the memory's embedder's, without instructions, of the first 600 characters of a text",
    ),
    needs=("chat", "embedder"),
)


HIPPORAG = Recipe(
    name="hipporag",
    writer=HIPPORAG_2.writer,
    summary="The facts a model reads in passages as a graph of phrases; a walk from what the question names.",
    paper=Paper(
        "HippoRAG: Neurobiologically Inspired Long-Term Memory for Large Language Models",
        2024,
        "https://arxiv.org/abs/2405.14831",
    ),
    write=HIPPORAG_2.write,
    read=OrElse(
        first=AskNames()
        >> LinkNames(synonyms=Synonyms(min_cosine=0.8, most=100), specificity=True)
        >> WalkGraph(damping=0.5, k=10, by="facts", unsure_until=-1.0),
        backup=Nearest(kinds=("passage",), k=10, widen=True),
    )
    >> FitBudget()
    >> OrderForReading()
    >> Render(),
    differs=(
        "damping=0.5 is the paper's and its scripts'; 0.1 is the default of the authors' code",
        "unsure_until=0.9 is doc_ensemble of the authors' code, which its experiments leave off",
        "a question that names nothing is answered by vectors, as with doc_ensemble; without it all passages score the same",
        "what it derives is what hipporag-2 derives: entities and facts of one prompt each, most=100 synonyms of a phrase",
        "one look-up: the loop with IRCoT, which asks again after each thought, is the caller's",
        "vectors are the memory's embedder's, without instructions; the paper takes Contriever and ColBERTv2",
    ),
    needs=("chat", "embedder"),
)
