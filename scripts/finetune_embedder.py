#!/usr/bin/env python3
"""Trains a low-rank delta for the embedder, and measures it: docs/finetune.md says how and what came of it.

    pip install -r requirements/finetune.txt -e . -e bench -e weights
    run="python scripts/finetune_embedder.py --out build/finetune"
    $run pairs                                                # pairs with hard negatives, one file a fold
    $run train --seeds 0 1 2 --epochs 1                       # a delta for each seed and fold
    $run merge                                                # the mean of the deltas: the artefact
    $run gather                                               # what the house recipe says without an embedder
    $run measure --models base 0-0 0-1 1-0 1-1 2-0 2-1 mean mean-0 mean-1   # all as int8 graphs
    $run report --file bench/results/finetune/figures.json

Data sets are read from ENGRAMS_BENCH_DATA (else ./data). One thread. LoCoMo, MuSiQue and HotpotQA are never read by
`pairs` except, for the last two, the titles of their passages, which are left out of training.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import pickle
import random
import sys
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "bench"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import build_weights as weights_script
import numpy as np

ALL = -1
"""The fold held out when all pairs are trained on."""
FOLDS = (0, 1)
SAMPLED = 50  # questions that the deviation of the words' scores is taken from
SETS = ("locomo", "longmemeval", "musique", "hotpotqa", "sample")
PASSAGE_SHARE = 0.15
"""Of the passage pairs, drawn anew each epoch: so that chats are about two thirds of an epoch."""


def say(line: str) -> None:
    print(time.strftime("%H:%M:%S"), line, flush=True)


def make_pairs(arguments: argparse.Namespace) -> None:
    """Writes pairs-0.pkl and pairs-1.pkl (that fold held out), and folds.json with the fold of each question."""
    from finetune import pairs, sources

    from engrams.models.minilm import MiniLM

    model, known = MiniLM(), {}

    def embed(texts: list[str]) -> np.ndarray:
        new = [text for text in dict.fromkeys(texts) if text not in known]
        for text, row in zip(new, model.embed(new), strict=True):
            known[text] = row
        return np.stack([known[text] for text in texts])

    cases, answers = sources.chats()
    fold = pairs.chat_folds(cases)
    passages = pairs.passage_pairs(*sources.passages(), embed)
    say(f"{len(passages)} passage pairs; folds {[fold.count(f) for f in FOLDS]}")
    for held_out in arguments.folds:
        chats = pairs.chat_pairs(cases, fold, held_out, answers, embed)
        name = "all" if held_out == ALL else str(held_out)
        (arguments.out / f"pairs-{name}.pkl").write_bytes(pickle.dumps(chats + passages))
        say(f"held out {name}: {len(chats)} chat pairs; {len(known)} texts embedded")
    asked = {case.questions[0].id: its for case, its in zip(cases, fold, strict=True)}
    (arguments.out / "folds.json").write_text(json.dumps(asked, indent=0))


def train(arguments: argparse.Namespace) -> None:
    """Writes delta-<seed>-<fold>.npz for each seed and fold, and losses beside it."""
    import torch
    from finetune.mine import Rarity
    from finetune.model import train as run
    from finetune.pairs import epoch

    torch.set_num_threads(1)
    base, raw = weights_script.source(arguments.wheel)
    vocabulary = raw.decode("utf-8").rstrip("\n").split("\n")
    for seed in arguments.seeds:
        for name in arguments.folds:
            path = arguments.out / f"delta-{seed}-{name}.npz"
            if path.is_file():
                continue
            held = pickle.loads((arguments.out / f"pairs-{name}.pkl").read_bytes())
            say(f"seed {seed}, held out {name}: {len(held)} pairs")

            words = None
            if arguments.words:
                sample = random.Random(seed).sample(held, min(len(held), SAMPLED))
                texts = list(
                    dict.fromkeys(text.text for pair in held for text in (pair.positive, *pair.by_meaning))
                )
                known = Rarity(texts, [pair.question for pair in sample])

                def words(
                    asked: list[str], told: list[str], known: Rarity = known, weight: float = arguments.words
                ) -> np.ndarray:
                    return np.float32(weight) * known.between(asked, told)

            def passes(draw: random.Random, held: list = held) -> list:
                return epoch(held, draw, PASSAGE_SHARE)

            delta, losses = run(base, vocabulary, passes, arguments.epochs, seed, say, words)
            path.with_suffix(".json").write_text(json.dumps({"losses": losses, "epochs": arguments.epochs}))
            with path.open("wb") as file:
                np.savez(file, **delta)


def gather(arguments: argparse.Namespace) -> None:
    """Writes signals-<set>.pkl: what the house recipe without an embedder says, the same for every embedder."""
    from finetune import signals, sources

    for name in arguments.sets:
        held = sources.chats()[0] if name == "longmemeval" else sources.cases(name)
        most = arguments.most if name == "longmemeval" else None
        stacks = list(signals.gathered(held, most))
        (arguments.out / f"signals-{name}.pkl").write_bytes(pickle.dumps(stacks))
        say(f"{name}: {sum(len(asked) for _, asked in stacks)} questions")


def graph(wheel: Path | None, delta: Path | None, folder: Path) -> None:
    """Writes the int8 graph of the base, or of the base with a delta, made as the shipped one is; for `MiniLM(folder)`.

    Digest, and with it the fingerprint of the vectors, differ from those of the package's graph if there is a delta.
    """
    weights, vocab = weights_script.source(wheel)
    if delta is not None:
        with np.load(delta) as held:
            weights = weights_script.merged(weights, dict(held))
    made = weights_script.int8_graph(weights)
    described = weights_script.description(hashlib.sha256(made).hexdigest())
    weights_script.written(folder, made, vocab, described)


def make_graph(arguments: argparse.Namespace) -> None:
    """Writes minilm.onnx, vocab.txt and model.json."""
    graph(arguments.wheel, arguments.delta, arguments.folder)
    say(f"{arguments.folder}: {json.loads((arguments.folder / 'model.json').read_text())['sha256'][:12]}")


def merge(arguments: argparse.Namespace) -> None:
    """Writes delta-mean-<fold>.npz, the mean of the seeds that leave a fold out, and delta-mean.npz, that of all."""
    from finetune.soup import mean_of

    for name, folds in (*((f"mean-{fold}", [fold]) for fold in arguments.folds), ("mean", arguments.folds)):
        held = []
        for seed in arguments.seeds:
            for fold in folds:
                with np.load(arguments.out / f"delta-{seed}-{fold}.npz") as delta:
                    held.append(dict(delta))
        with (arguments.out / f"delta-{name}.npz").open("wb") as file:
            np.savez(file, **mean_of(held, arguments.rank))
        say(f"{name}: the mean of {len(held)} deltas, rank {arguments.rank}")


def measure(arguments: argparse.Namespace) -> None:
    """Writes outcomes-<set>-<model>.json for each model that is named: "base", "0-1" (seed, fold left out), "mean"."""
    from finetune.measure import Vectors, outcomes
    from finetune.report import mean

    for model in arguments.models:
        folder = arguments.out / "graphs" / model
        if not (folder / "model.json").is_file():
            graph(arguments.wheel, None if model == "base" else arguments.out / f"delta-{model}.npz", folder)
        embed = Vectors(folder, folder / "vectors.npz")
        for name in arguments.sets:
            path = arguments.out / f"outcomes-{name}-{model}.json"
            if path.is_file():
                continue
            began = time.process_time()
            stacks = pickle.loads((arguments.out / f"signals-{name}.pkl").read_bytes())
            if name == "longmemeval" and model != "base":
                left_out = model.rpartition("-")[2]
                if not left_out.isdigit():
                    say(f"{model} has seen all of {name}: not measured on it")
                    continue
                fold = json.loads((arguments.out / "folds.json").read_text())
                stacks = [(s, asked) for s, asked in stacks if fold[asked[0].id] == int(left_out)]
            told = outcomes(stacks, embed, whole=name != "longmemeval", windows=name in arguments.windows)
            embed.keep()
            path.write_text(json.dumps(told))
            shown = {
                key: round(100 * mean(told, key), 2) for key in next(iter(told.values())) if "@10" in key
            }
            say(f"{name} {model}: {len(told)} questions, {time.process_time() - began:.0f} CPU s, {shown}")


def report(arguments: argparse.Namespace) -> None:
    """Writes the figures of all models that were measured. The vectors' weight in the sum is the base's best."""
    from finetune import measure, report
    from finetune.model import ADAPTED, ADAPTED_LAYERS, LONGEST, RANK, RATE

    from engrams.recipes.engrams import SUM

    def told(name: str, model: str) -> report.Told:
        path = arguments.out / f"outcomes-{name}-{model}.json"
        return json.loads(path.read_text()) if path.is_file() else {}

    out: dict[str, object] = {
        "settings": {
            "rank": RANK,
            "layers": list(ADAPTED_LAYERS),
            "adapted": list(ADAPTED),
            "rate": RATE,
            "longest": LONGEST,
            "passage_share": PASSAGE_SHARE,
            "words": arguments.words,
            "shortlist": measure.SHORTLIST,
            "house": {kind: dict(getattr(SUM, kind)) for kind in ("dialogue", "notes")},
        },
        "training": {},
        "weights": {},
        "sets": {},
    }
    for path in sorted(arguments.out.glob("delta-*.json")):
        out["training"][path.stem.removeprefix("delta-")] = json.loads(path.read_text())
    for kind, names in (("dialogue", ("locomo",)), ("notes", ("musique", "hotpotqa"))):
        bases = [base for name in names if (base := told(name, "base"))]
        if bases:
            keys = {weight: f"turn@10 sum {weight}" for weight in measure.WEIGHTS}
            out["weights"][kind] = report.chosen(bases, keys)
    for name in SETS:
        base = told(name, "base")
        if not base:
            continue
        stacks = pickle.loads((arguments.out / f"signals-{name}.pkl").read_bytes())
        case_of = {asked.id: asked.case for _, questions in stacks for asked in questions}
        notes = name in ("musique", "hotpotqa")
        weight = out["weights"].get("notes" if notes else "dialogue", 0.0)
        house = f"sum {dict(SUM.notes)['dense']}" if notes else measure.HOUSE
        ways = [
            "alone",
            "alone, names kept",
            "sum 0.0",
            f"sum {weight}",
            f"sum {weight} + window {weight}",
            house,
        ]
        seeds = [
            report.joined(*held)
            for seed in arguments.seeds
            if all(held := [told(name, f"{seed}-{fold}") for fold in arguments.folds])
        ]
        merged = [told(name, f"mean-{fold}") for fold in arguments.folds]
        merged = [told(name, "mean")] if name != "longmemeval" else merged
        means = {key: report.points(report.mean(base, key)) for key in next(iter(base.values()))}
        out["sets"][name] = {"questions": len(base), "base": means}
        if name == "longmemeval":
            out["sets"][name]["ids"] = sorted(base)
        if seeds or all(merged):
            found = report.figures(
                base, seeds, report.joined(*merged) if all(merged) else None, ways, case_of
            )
            out["sets"][name]["trained"] = found
    arguments.file.parent.mkdir(parents=True, exist_ok=True)
    arguments.file.write_text(json.dumps(out, indent=1) + "\n", encoding="utf-8")
    say(f"{arguments.file}: {', '.join(out['sets'])}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--out", type=Path, required=True, help="folder of pairs, deltas and figures")
    parser.add_argument("--wheel", type=Path, help=f"wheel of {weights_script.SOURCE} that is already here")
    tasks = parser.add_subparsers(dest="task", required=True)
    pairing = tasks.add_parser("pairs")
    pairing.add_argument("--folds", type=int, nargs="+", default=FOLDS, help="folds held out; -1: none")
    pairing.set_defaults(run=make_pairs)
    training = tasks.add_parser("train")
    training.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    training.add_argument("--folds", nargs="+", default=["0", "1"], help="folds held out; all: none")
    training.add_argument("--epochs", type=int, default=2)
    training.add_argument(
        "--words", type=float, default=0.0, help="weight of BM25 in the logits while training"
    )
    training.set_defaults(run=train)
    gathering = tasks.add_parser("gather")
    gathering.add_argument("--most", type=int, help="so many questions of longmemeval, drawn; else all")
    gathering.set_defaults(run=gather)
    merging = tasks.add_parser("merge")
    merging.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    merging.add_argument("--folds", nargs="+", default=["0", "1"])
    merging.add_argument("--rank", type=int, default=16)
    merging.set_defaults(run=merge)
    measuring = tasks.add_parser("measure")
    measuring.add_argument("--models", nargs="+", required=True)
    measuring.add_argument(
        "--windows", nargs="*", default=[], choices=SETS, help="sets with the vector of a window too"
    )
    measuring.set_defaults(run=measure)
    graphing = tasks.add_parser("graph")
    graphing.add_argument("--delta", type=Path, help="a delta-*.npz; without it the graph that is shipped")
    graphing.add_argument("--folder", type=Path, required=True)
    graphing.set_defaults(run=make_graph)
    reporting = tasks.add_parser("report")
    reporting.add_argument("--file", type=Path, required=True)
    reporting.add_argument("--words", type=float, default=0.0, help="as it was given to train")
    reporting.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    reporting.add_argument("--folds", nargs="+", default=["0", "1"])
    reporting.set_defaults(run=report)
    for task in (gathering, measuring):
        task.add_argument("--sets", nargs="+", default=SETS, choices=SETS)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    arguments.run(arguments)


if __name__ == "__main__":
    main()
