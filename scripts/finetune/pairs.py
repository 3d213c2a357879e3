"""The training pairs: questions with what answers them, and hard negatives, from data whose licences allow it."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from engrams_bench.cases import Case

from finetune.folds import folds, trainable
from finetune.mine import Floats, Words, hardest, says
from finetune.names import NAMES, exchange, exchanged, mentioned, said_by, told_of, without

Embed = Callable[[Sequence[str]], Floats]

#: Sessions of LongMemEval that others wrote; the licences of the first are not known, so neither is trained on.
FOREIGN = ("sharegpt", "ultrachat")
#: Negatives kept of each kind; one of each kind is drawn every time a pair is used.
KEPT = 4
#: Turns embedded to look for negatives of meaning, drawn evenly: 5 ms each.
POOL = 6_000
#: Characters read of a text: more than `LONGEST` word pieces of scripts/finetune/model.py.
READ = 480


@dataclass(frozen=True, slots=True)
class Text:
    """Something that can be found: `place` says where it is from (session or passage), `mine` whether the user said it."""

    text: str
    place: str
    mine: bool = True


@dataclass(frozen=True, slots=True)
class Pair:
    """A question, what answers it, and what does not, by words and by meaning. `kind`: "chat" or "passage"."""

    question: str
    positive: Text
    by_words: tuple[Text, ...]
    by_meaning: tuple[Text, ...]
    kind: str
    source: str


@dataclass(frozen=True, slots=True)
class Item:
    """One row of a batch: two or three texts as the model reads them, and the question they belong to."""

    question: str
    positive: str
    negatives: tuple[str, ...]
    source: str


def chat_folds(cases: Sequence[Case]) -> list[int]:
    """The fold of each LongMemEval question: questions with a session of evidence in common are in one.

    Their haystacks share sessions so much that they are one component; `trainable` therefore leaves out of training
    every session that lies in a haystack of the fold that is asked.
    """
    return folds(
        [case.questions[0].sessions for case in cases], [case.questions[0].category for case in cases]
    )


def chat_pairs(
    cases: Sequence[Case], fold: Sequence[int], held_out: int, answers: dict[str, str], embed: Embed
) -> list[Pair]:
    """Pairs of the LongMemEval questions outside fold `held_out` (-1: of all); no text of a haystack of that fold."""
    haystacks = [[_bare(session.id) for session in case.sessions] for case in cases]
    allowed = trainable(haystacks, fold, held_out)
    pool: dict[str, Text] = {}
    for case in cases:
        for session in case.sessions:
            name = _bare(session.id)
            if name in allowed and not name.startswith(FOREIGN):
                for turn in session.turns:
                    if turn.message.role == "user" or name.startswith("answer"):
                        pool.setdefault(
                            f"{name}:{turn.id.rpartition(':')[2]}",
                            Text(turn.message.content[:READ], name, turn.message.role == "user"),
                        )
    names = sorted(pool)
    held = [pool[name] for name in random.Random(0).sample(names, min(POOL, len(names)))]
    miner = Miner(held, embed)
    out = []
    for case, its in zip(cases, fold, strict=True):
        question = case.questions[0]
        if its == held_out or question.abstain:
            continue
        wrong = {_bare(name) for name in question.sessions}
        gold = [
            Text(turn.message.content[:READ], _bare(session.id), turn.message.role == "user")
            for session in case.sessions
            for turn in session.turns
            if turn.id in question.turns and _bare(session.id) in allowed
        ]
        by_words, by_meaning = miner.of(question.text, wrong, answers.get(question.id, ""))
        out += [Pair(question.text, found, by_words, by_meaning, "chat", question.id) for found in gold]
    return out


#: Questions about one fact, as we put them; a relation without one is not trained on.
ASKED = {
    "director": ("Who directed {}?", "Who is the director of {}?"),
    "date of birth": ("When was {} born?", "What is the birthday of {}?"),
    "father": ("Who is the father of {}?", "Whose child is {}?"),
    "mother": ("Who is the mother of {}?", "Who gave birth to {}?"),
    "country of citizenship": ("Which country is {} a citizen of?", "What nationality does {} have?"),
    "date of death": ("When did {} die?", "On what day did the life of {} end?"),
    "publication date": ("When did {} come out?", "When was {} published?"),
    "place of birth": ("Where was {} born?", "Which town does {} come from?"),
    "spouse": ("Who is {} married to?", "Who is the husband or wife of {}?"),
    "place of death": ("Where did {} die?", "In which place did {} pass away?"),
    "country of origin": ("Which country is {} from?", "Where was {} made?"),
    "composer": ("Who composed the music of {}?", "Who wrote the score of {}?"),
    "performer": ("Who performs {}?", "Which artist sings {}?"),
    "employer": ("Where does {} work?", "Who employs {}?"),
    "educated at": ("Where did {} study?", "Which school did {} go to?"),
}


def passage_pairs(
    case: Case, triples: dict[str, list[tuple[str, str, str]]], unseen: Iterable[str], embed: Embed
) -> list[Pair]:
    """Pairs of 2WikiMultiHopQA: each question with its passages, each fact of its evidence asked alone.

    `triples`: for each question id (subject, relation, object). Passages titled as one of `unseen` (those of the sets
    that are measured) are neither positives nor negatives.
    """
    banned = {title.casefold() for title in unseen}
    texts: dict[str, Text] = {}
    for session in case.sessions:
        content = session.turns[0].message.content
        title = content.partition("\n")[0]
        if title.casefold() not in banned:
            texts[session.turns[0].id] = Text(content[:READ], title)
    gold = {id for question in case.questions for id in question.turns}
    rest = [id for id in sorted(texts) if id not in gold]
    kept = [*sorted(gold & texts.keys()), *random.Random(0).sample(rest, min(len(rest), POOL // 4))]
    miner = Miner([texts[id] for id in kept], embed)
    by_title = {text.place: text for text in texts.values()}
    out, told = [], set()
    for question in case.questions:
        wrong = {texts[id].place for id in question.turns if id in texts}
        negatives = miner.of(question.text, wrong, "")
        out += [
            Pair(question.text, texts[id], *negatives, "passage", question.id)
            for id in question.turns
            if id in texts
        ]
        for subject, relation, _ in triples.get(question.id, []):
            if relation in ASKED and subject in by_title and (subject, relation) not in told:
                told.add((subject, relation))
                asked = random.Random(f"{subject} {relation}").choice(ASKED[relation]).format(subject)
                negatives = miner.of(asked, {subject}, "")
                out.append(Pair(asked, by_title[subject], *negatives, "passage", f"{subject}/{relation}"))
    return out


class Miner:
    """Looks for hard negatives in a pool of texts."""

    def __init__(self, pool: Sequence[Text], embed: Embed) -> None:
        self._pool, self._embed = pool, embed
        self._words = Words([text.text for text in pool])
        self._vectors = embed([text.text for text in pool])
        self._places = np.array([text.place for text in pool])

    def of(self, question: str, wrong: set[str], answer: str) -> tuple[tuple[Text, ...], tuple[Text, ...]]:
        """Up to `KEPT` by words and by meaning, none from a place in `wrong`, none that holds the answer's words."""
        forbidden = np.isin(self._places, sorted(wrong)) if wrong else np.zeros(len(self._pool), bool)
        found = []
        for scores in (self._words.scores(question), self._vectors @ self._embed([question])[0]):
            best = [self._pool[row] for row in hardest(scores, forbidden, KEPT * 2)]
            found.append(tuple(text for text in best if not says(text.text, answer))[:KEPT])
        return found[0], found[1]


def epoch(pairs: Sequence[Pair], draw: random.Random, share: float = 1.0, size: int = 32) -> list[list[Item]]:
    """Batches of one pass in an order of its own; all items of a batch are of one kind. `share` of the passages counts.

    Every chat pair is used three times, in three forms: as it was asked; asked by somebody else of a person whose name
    is left out; and with that name. In the last two the turns stand behind names, and all names are drawn anew.
    """
    chats = [pair for pair in pairs if pair.kind == "chat"]
    passages = [pair for pair in pairs if pair.kind == "passage"]
    passages = draw.sample(passages, round(share * len(passages)))
    items = [[form(pair, draw, how) for pair in chats for how in ("own", "nameless", "named")]]
    items.append([form(pair, draw, "own") for pair in passages])
    batches = []
    for held in items:
        draw.shuffle(held)
        batches += [held[at : at + size] for at in range(0, len(held) - size + 1, size)]
    draw.shuffle(batches)
    return batches


def form(pair: Pair, draw: random.Random, how: str) -> Item:
    """A pair as one item, with one negative, by words as often as by meaning: `how` is "own", "nameless" or "named"."""
    kinds = [found for found in (pair.by_words, pair.by_meaning) if found]
    negatives = [draw.choice(draw.choice(kinds))] if kinds else []
    texts = [pair.positive, *negatives]
    present = mentioned(pair.question, *(text.text for text in texts))
    others = exchange(draw, present) if pair.kind == "chat" else {}
    question = exchanged(pair.question, others)
    told = [replace(text, text=exchanged(text.text, others)) for text in texts]
    if how == "own":
        read = [text.text for text in told]
    else:
        asked, other = draw.sample([name for name in NAMES if name not in others.values()], 2)
        question = told_of(question, asked)
        if how == "nameless":
            question = without(question, asked)
        # Either speaker may stand before a wrong turn: the name alone must not give it away.
        read = [said_by(asked if told[0].mine else other, told[0].text)]
        read += [said_by(draw.choice((asked, asked, other)), text.text) for text in told[1:]]
    return Item(question, read[0], tuple(read[1:]), pair.source)


def _bare(session: str) -> str:
    return session.partition("#")[0]
