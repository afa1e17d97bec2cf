"""Files that nobody wrote: a thousand of them loaded, and what came of each.

`python -m tests.model.checkpoint.hostile` prints one JSON object. It is a process of its own, so that a crash of a
library is an exit code, memory is that of loading alone, and the tests' type checks do not speak before the loader
does. Hypothesis draws the cases, the same ones each time. One that fails is made as small as it can be and still
fail, and ends the process with what became of it; all others of its kind are counted.
"""

from __future__ import annotations

import json
import random
import resource
import shutil
import struct
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hypothesis
import torch
from hypothesis import strategies

from mistral_core.checkpoint.folder import INDEX_FILE, CheckpointError
from mistral_core.checkpoint.load import load_model
from mistral_core.checkpoint.save import save_hugging_face, save_mistral
from mistral_core.model import random_model
from tests.model.checkpoint import gguf_files
from tests.model.checkpoint.folders import TINY, TOKENIZER, split

COUNTS = {"safetensors bytes": 150, "safetensors header": 200, "index": 50, "config.json": 200, "params.json": 100}
COUNTS |= {"gguf": 200, "gguf keys": 100}
"""Cases of each kind: a thousand."""
MESSAGE = 600
"""Characters of a refusal."""
SECONDS = 10.0
"""Of one load; usual are 0.02, and this is a bound for a machine that does much else."""
MOST_BYTES = 4 * 2**20
"""Of Python's for one load: a sound folder has 0.5 MB of weights, and its tokenizer's lists 1 MB."""
SETTINGS = {"derandomize": True, "deadline": None, "database": None, "suppress_health_check": [*hypothesis.HealthCheck]}
HUGE = [0, 1, -1, 2, 7, 2**31, 2**32, 2**53, 2**63, 2**64 - 1, 10**300, 10**4000]
TEXTS = [
    "",
    "x",
    "x" * 5000,
    "x" * 100_000,
    "\ud800",
    "\0",
    "\u202e\x1b[31m",
    "../../x",
    "BF16",
    "F4",
    "I64",
    "default",
    "llama",
]


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


def value(draw: random.Random) -> Any:
    """Something that a JSON file can say, and seldom what it should."""
    return draw.choice(
        [
            lambda: None,
            lambda: draw.choice([True, False]),
            lambda: draw.choice(HUGE),
            lambda: draw.choice(TEXTS),
            lambda: draw.choice([0.5, -0.0, 1e-320, 1e300, float("inf"), float("nan"), 2.0]),
            lambda: [draw.choice(HUGE) for _ in range(draw.randrange(5))],
            lambda: [None, 5] * draw.choice([1, 5000]),
            lambda: {draw.choice(TEXTS): draw.choice(HUGE)},
            lambda: {"rope_type": draw.choice(TEXTS), "rope_theta": draw.choice([5e2, *HUGE])},
            lambda: nested(draw.choice([1, 90, 480, 900])),
            lambda: draw.randrange(64),
        ]
    )()


def changed_object(draw: random.Random, content: dict[str, Any]) -> dict[str, Any]:
    """One to three keys have another value, are gone, or are new."""
    content = dict(content)
    for _ in range(draw.randint(1, 3)):
        key = draw.choice([*content, draw.choice(TEXTS), draw.choice(["moe", "rope_scaling", "layer_types", "sinks"])])
        if draw.random() < 0.15:
            content.pop(key, None)
        else:
            content[key] = value(draw)
    if draw.random() < 0.03:
        content |= {f"key {number}": number for number in range(3000)}
    return content


def changed_bytes(draw: random.Random, data: bytes, begin: int, end: int) -> bytes:
    """One to four changes within a stretch: bytes, whole numbers, a cut, something doubled or taken out."""
    changed = bytearray(data)
    for _ in range(draw.randint(1, 4)):
        at = draw.randrange(begin, end)
        how = draw.randrange(6)
        if how < 2:
            changed[at : at + 1] = bytes([draw.choice((0, 1, 34, 123, 255, draw.randrange(256)))])
        elif how == 2:
            changed[at : at + 8] = struct.pack("<Q", draw.choice([0, 1, 2**16, 2**31, 2**32, 2**40, 2**63, 2**64 - 1]))
        elif how == 3:
            changed[at : at + 4] = struct.pack("<I", draw.choice([0, 1, 8, 9, 255, 2**31, 2**32 - 1]))
        elif how == 4:
            del changed[at : at + draw.randint(1, 40)]
        else:
            changed[at:at] = changed[at : at + draw.randint(1, 200)]
    return bytes(changed[: draw.randrange(len(changed) + 1)] if draw.random() < 0.1 else changed)


def changed_header(draw: random.Random, data: bytes) -> bytes:
    """A safetensors file whose header is well-formed JSON and says something else."""
    (length,) = struct.unpack("<Q", data[:8])
    header, rest = json.loads(data[8 : 8 + length]), data[8 + length :]
    for _ in range(draw.randint(1, 3)):
        name = draw.choice([key for key in header if key != "__metadata__"])
        how = draw.randrange(5)
        if how == 0:
            header[draw.choice(TEXTS)] = header.pop(name)
        elif how == 1:
            header[name] = value(draw)
        elif how == 2 and isinstance(header[name], dict):
            header[name] = {**header[name], draw.choice(["dtype", "shape", "data_offsets"]): value(draw)}
        elif how == 3 and isinstance(header[name], dict) and isinstance(header[name].get("shape"), list):
            header[name] = {**header[name], "shape": header[name]["shape"][::-1]}
        else:
            header["__metadata__"] = value(draw)
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + rest


def changed_keys(draw: random.Random, data: bytes) -> bytes:
    """A GGUF file with one to thirty metadata keys more, of any letters; its weights lie where they lay."""
    (keys,) = struct.unpack("<Q", data[16:24])
    more, count = b"", draw.choice([1, 2, 30])
    for number in range(count):
        length = 32 * draw.choice([1, 2, 30]) - 16
        name = draw.choice(["general.", "llama.", "llama.", "x"]) + str(number)
        letter = draw.choice(["k", "k", "\0", "\x1b", "\u2067", "\udcff", "."])
        key = (name + letter * length).encode(errors="surrogateescape")[:length]
        more += struct.pack("<Q", length) + key + struct.pack("<II", draw.choice([4, 5, 6]), draw.choice([0, 2**31]))
    if draw.random() < 0.5:
        data = changed_bytes(draw, data, 24, 2000)
    return data[:16] + struct.pack("<Q", keys + count) + more + data[24:]


def folders(root: Path) -> dict[str, Path]:
    """A sound folder of each layout."""
    model = random_model(TINY, seed=1, std=0.4)
    save_mistral(model, root / "mistral", TOKENIZER)
    save_hugging_face(model, root / "hugging face", TOKENIZER)
    save_hugging_face(model, root / "shards", TOKENIZER)
    split(root / "shards", "model.safetensors", ["model-1.safetensors", "model-2.safetensors"], INDEX_FILE)
    gguf_files.write(root / "gguf")
    return {folder.name: folder for folder in root.iterdir()}


def cases(sound: dict[str, Path]) -> dict[str, tuple[Path, Callable[[random.Random], bytes]]]:
    """By kind, the file that is changed and how."""
    weights, config = sound["hugging face"] / "model.safetensors", sound["hugging face"] / "config.json"
    params, gguf = sound["mistral"] / "params.json", sound["gguf"] / "model.gguf"
    data, numbers, of_gguf = weights.read_bytes(), json.loads(config.read_text()), gguf.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    own, text = json.loads(params.read_text()), config.read_bytes()
    index = sound["shards"] / INDEX_FILE
    places = json.loads(index.read_text())

    def of_config(draw: random.Random) -> bytes:
        if draw.random() < 0.2:
            return changed_bytes(draw, text, 0, len(text))
        return json.dumps(changed_object(draw, numbers)).encode()

    def of_weights(draw: random.Random) -> bytes:
        return changed_bytes(draw, data, *draw.choice([(0, 8 + length), (0, 8 + length), (8 + length, len(data))]))

    def of_index(draw: random.Random) -> bytes:
        if draw.random() < 0.2:
            return json.dumps(changed_object(draw, places)).encode()
        return json.dumps({**places, "weight_map": changed_object(draw, places["weight_map"])}).encode()

    return {
        "safetensors bytes": (weights, of_weights),
        "index": (index, of_index),
        "safetensors header": (weights, lambda draw: changed_header(draw, data)),
        "config.json": (config, of_config),
        "params.json": (params, lambda draw: json.dumps(changed_object(draw, own)).encode()),
        "gguf": (gguf, lambda draw: changed_bytes(draw, of_gguf, 0, len(of_gguf) - 400_000)),
        "gguf keys": (gguf, lambda draw: changed_keys(draw, of_gguf)),
    }


def attempt(folder: Path) -> dict[str, Any]:
    """Loads a folder: what came of it, in how many seconds, and the most bytes that Python held for it."""
    tracemalloc.start()
    began, told = time.perf_counter(), ""
    try:
        load_model(folder)
    except BaseException as error:  # a library's panic is no Exception
        told = f"{type(error).__name__}: {error!r}"[:300]
        if type(error) in (ValueError, CheckpointError):
            said = str(error)
            told = "" if 20 < len(said) < MESSAGE and said.isprintable() else f"{len(said)} characters: {said!r}"[:900]
            outcome = "refused"
        else:
            outcome = "broken"
    else:
        outcome = "loaded"
    seconds, (_, peak) = time.perf_counter() - began, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return {"outcome": outcome, "told": told, "seconds": seconds, "peak": peak}


def cases_of(kind: str, sound: Path, change: Callable[[random.Random], bytes], at: Path) -> list[dict[str, Any]]:
    """All cases of a kind: the sound folder, with one file changed, and what came of loading it.

    Each has a folder of its own, for headers are remembered by path.

    Raises:
        AssertionError: one that is neither loaded nor refused as it should be, made small.
    """
    results: list[dict[str, Any]] = []

    def one(draw: random.Random) -> None:
        data = change(draw)  # may break the case off, so it comes first
        folder = at / f"{kind} {len(results)}"
        folder.mkdir()
        for path in sound.parent.iterdir():
            if path != sound:
                (folder / path.name).symlink_to(path)
        (folder / sound.name).write_bytes(data)
        result = attempt(folder)
        results.append(result)
        shutil.rmtree(folder)
        assert not result["told"], result["told"]
        assert result["seconds"] < SECONDS, f"{result['seconds']:.1f} s"
        assert result["peak"] < MOST_BYTES, f"{result['peak']:,} bytes"

    drawn = strategies.randoms(use_true_random=False)
    hypothesis.settings(max_examples=COUNTS[kind], **SETTINGS)(hypothesis.given(drawn)(one))()
    return results


def main() -> None:
    """Runs all cases and prints what came of them."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        hypothesis.configuration.set_hypothesis_home_dir(root / "hypothesis")  # nothing is kept beside the tests
        sound = folders(root / "sound")
        for folder in sound.values():
            load_model(folder)  # what a first load takes once is no case's
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        results = {kind: cases_of(kind, path, change, root) for kind, (path, change) in cases(sound).items()}
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    json.dump({"results": results, "grown": grown}, sys.stdout)


if __name__ == "__main__":
    main()
