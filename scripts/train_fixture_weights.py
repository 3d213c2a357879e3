"""Trains the small model that tests, docs and examples of parametric memory stand on, and checks the one that is committed.

    scripts/train_fixture_weights.py            trains it anew into tests/fixtures/weights (seconds on one core)
    scripts/train_fixture_weights.py --check    fails unless the committed file is the one DIGEST names

The model is ours: made by this script from a seed, of a world that `engrams_bench.parametric.world` makes up; no pretrained
weights and no foreign text are in it. It is under the licence of the project (MIT). Another processor or version of torch
rounds differently, and so gives another file that knows the same.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / "tests" / "fixtures" / "weights"
SEED = 0
MOST_BYTES = 1_000_000
WEIGHTS = "model.safetensors"


def digest(folder: Path) -> str:
    return hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest()


def check() -> int:
    told = json.loads((OUT / "DIGEST.json").read_text(encoding="utf-8"))
    found = digest(OUT)
    if found != told["sha256"]:
        print(
            f"{OUT / WEIGHTS}: sha256 {found}, DIGEST.json names {told['sha256']}; train it anew",
            file=sys.stderr,
        )
        return 1
    print(f"{OUT / WEIGHTS}: as DIGEST.json names it")
    return 0


def train() -> int:
    sys.path[:0] = [str(ROOT), str(ROOT / "bench")]
    import torch
    from engrams_bench.parametric.base_model import rows
    from engrams_bench.parametric.base_model import train as teach
    from engrams_bench.parametric.world import BEGIN, WORDS, build
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import WhitespaceSplit
    from tokenizers.processors import TemplateProcessing
    from transformers import PreTrainedTokenizerFast

    torch.set_num_threads(1)
    world = build(SEED)
    trained = teach(world)
    prompts, values = rows(world)
    with torch.no_grad():
        known = float((trained.model(input_ids=prompts).logits[:, -1].argmax(-1) == values).float().mean())
    trained.model.save_pretrained(OUT)
    (OUT / "generation_config.json").unlink(missing_ok=True)
    words = Tokenizer(WordLevel({word: at for at, word in enumerate(WORDS)}, unk_token="<unk>"))
    words.pre_tokenizer = WhitespaceSplit()
    words.post_processor = TemplateProcessing(single="<s> $A", special_tokens=[("<s>", BEGIN)])
    PreTrainedTokenizerFast(
        tokenizer_object=words, pad_token="<pad>", bos_token="<s>", unk_token="<unk>"
    ).save_pretrained(OUT)
    told = {
        "sha256": digest(OUT),
        "seed": SEED,
        "steps": trained.steps,
        "facts known": known,
        "licence": "MIT, as the project; made by scripts/train_fixture_weights.py from nothing but a seed",
    }
    (OUT / "DIGEST.json").write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
    size = sum(path.stat().st_size for path in OUT.iterdir())
    print(
        f"{OUT}: {size:,} bytes, {trained.steps} steps, {trained.seconds:.1f} processor seconds, {known:.1%} known"
    )
    return 0 if size < MOST_BYTES and known == 1.0 else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--check", action="store_true", help="train nothing; compare the committed file with its digest"
    )
    sys.exit(check() if parser.parse_args().check else train())
