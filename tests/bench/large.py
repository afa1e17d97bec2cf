"""A network of Mistral 7B's shape with random weights, and what each kind of weights costs on it.

    python -m tests.bench.large make FOLDER             14.5 GB of bfloat16, a shard at a time
    python -m tests.bench.large measure FOLDER          load seconds, peak and tokens/s of each kind

Nothing is downloaded, and nothing that it says depends on what the weights are: time and memory do not. The
folder is the caller's to remove. Each kind is measured in a process of its own; `VmHWM` of the system counts the
pages of mapped files that were read, beside what the process holds itself.
"""

from __future__ import annotations

import argparse
import json
import statistics
import struct
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from mistral_core.checkpoint import registry
from mistral_core.config import MISTRAL_7B, MistralConfig
from tests.bench import fresh, machine

LAYERS_A_SHARD = 4
"""About 1.8 GB."""
UNUSED = 5
"""SentencePiece's type of a piece that no text is split into."""
KINDS = ("bfloat16", "int8")
THEIRS = "transformers bfloat16"
PROMPT, NEW_TOKENS = 32, 24


def make(folder: Path, n_layers: int = MISTRAL_7B.n_layers, seed: int = 0) -> None:
    """Writes the network in Mistral's layout: `params.json`, shards in bfloat16, and a tokenizer of 32,000 pieces."""
    import torch
    from safetensors.torch import save_file

    config = replace(MISTRAL_7B, n_layers=n_layers)
    folder.mkdir(parents=True)
    generator = torch.Generator().manual_seed(seed)
    for number, shapes in enumerate(_shards(config)):
        tensors = {}
        for name, shape in shapes.items():
            rows = torch.empty(shape).normal_(0.0, 0.02, generator=generator)
            tensors[name] = (rows + 1.0 if len(shape) == 1 else rows).bfloat16()
        save_file(tensors, folder / f"consolidated.{number:02}.safetensors")
    bundled = registry.bundled_root() / registry.DEFAULT_MODEL / "tokenizer.model"
    (folder / "tokenizer.model").write_bytes(padded(bundled.read_bytes(), config.vocab_size))
    (folder / "params.json").write_text(json.dumps(config.to_params()), encoding="utf-8")


def _shards(config: MistralConfig) -> Iterator[dict[str, tuple[int, ...]]]:
    from mistral_core.checkpoint.tensors import expected_shapes

    shapes = expected_shapes(config)
    for first in range(0, config.n_layers, LAYERS_A_SHARD):
        layers = {f"layers.{index}" for index in range(first, first + LAYERS_A_SHARD)}
        yield {name: shape for name, shape in shapes.items() if ".".join(name.split(".")[:2]) in layers}
    yield {name: shape for name, shape in shapes.items() if not name.startswith("layers.")}


def padded(tokenizer: bytes, vocab_size: int) -> bytes:
    """A SentencePiece model with unused pieces after its own, up to `vocab_size`.

    Its pieces are the repeated field 1 of a protocol buffer, so more of them can follow at the end.
    """
    import sentencepiece

    have = sentencepiece.SentencePieceProcessor(model_proto=tokenizer).get_piece_size()
    more = b""
    for number in range(have, vocab_size):
        text = f"<unused {number}>".encode()
        piece = b"\x0a" + bytes([len(text)]) + text + b"\x15" + struct.pack("<f", 0.0) + b"\x18" + bytes([UNUSED])
        more += b"\x0a" + bytes([len(piece)]) + piece
    return tokenizer + more


def one(folder: str, kind: str, threads: int) -> dict[str, Any]:
    """In a fresh process: loads the network in one kind of weights, reads a prompt, writes, and says what it took."""
    import torch

    torch.set_num_threads(threads)
    tokens = torch.randint(3, MISTRAL_7B.vocab_size, (1, PROMPT), generator=torch.Generator().manual_seed(0))
    before, started = machine.peak_bytes(), time.perf_counter()
    step = _theirs(Path(folder)) if kind == THEIRS else _ours(Path(folder), kind)
    loaded, at_load = time.perf_counter(), machine.peak_bytes()
    with torch.inference_mode():
        step(tokens)
        read, seconds = time.perf_counter(), []
        for _ in range(NEW_TOKENS):
            began = time.perf_counter()
            step(tokens[:, :1])
            seconds.append(time.perf_counter() - began)
    return {
        "kind": kind,
        "threads": threads,
        "load_seconds": round(loaded - started, 1),
        "prompt_tokens_per_second": round(PROMPT / (read - loaded), 2),
        "tokens_per_second_median": round(1 / statistics.median(seconds), 2),
        "tokens_per_second_all": round(NEW_TOKENS / sum(seconds), 2),
        "peak_gb_before": round(before / 1e9, 2),
        "peak_gb_after_load": round(at_load / 1e9, 2),
        "peak_gb": round(machine.peak_bytes() / 1e9, 2),
        "own_gb": round(machine.status_bytes("RssAnon") / 1e9, 2),
        "load_average": machine.load_average(),
    }


def _ours(folder: Path, kind: str) -> Callable[[Any], Any]:
    from mistral_core.checkpoint.load import load_model

    model = load_model(folder, weights=cast(Any, kind)).model
    kv_cache = model.empty_kv_cache(max_context=PROMPT + NEW_TOKENS)
    return lambda tokens: model(tokens, kv_cache=kv_cache, last_only=True)


def _theirs(folder: Path) -> Callable[[Any], Any]:
    """transformers' network on the same pages of the files; the order of rotary rows does not matter for time."""
    import torch
    from safetensors.torch import load_file
    from transformers import MistralConfig as TheirConfig
    from transformers import MistralForCausalLM

    from mistral_core.checkpoint.configuration import config_to_hugging_face, read_config
    from mistral_core.checkpoint.tensors import hugging_face_name

    config, _ = read_config(folder)
    stored = {name: tensor for path in folder.glob("*.safetensors") for name, tensor in load_file(path).items()}
    with torch.device("meta"):
        model = MistralForCausalLM(TheirConfig(**config_to_hugging_face(config, "bfloat16")))
    model.load_state_dict({hugging_face_name(name): tensor for name, tensor in stored.items()}, assign=True)
    model.model.rotary_emb = type(model.model.rotary_emb)(model.config)  # its angles were made without memory
    model.eval()
    held: dict[str, Any] = {"past_key_values": None}

    def step(tokens: Any) -> None:
        held["past_key_values"] = model(tokens, use_cache=True, logits_to_keep=1, **held).past_key_values

    return step


def main() -> int:
    """Returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.large", description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("make", "measure"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--layers", type=int, default=MISTRAL_7B.n_layers)
    parser.add_argument("--kinds", nargs="+", default=[*KINDS, THEIRS], choices=["float32", *KINDS, THEIRS])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    options = parser.parse_args()
    if options.what == "make":
        make(options.folder, options.layers)
        return 0
    for threads in options.threads:
        for kind in options.kinds:
            found = fresh.call("tests.bench.large", "one", folder=str(options.folder), kind=kind, threads=threads)
            print(json.dumps(found), flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
