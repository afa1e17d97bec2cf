"""Loading: seconds, and the most memory that it needs over what the process held before.

Every load happens in a fresh process. `first` is the first load after the imports, as a user meets it;
it also pays for pages of the libraries that are touched for the first time, some MB whatever the model.
`memory` is a second process that has loaded a model of a few kilobytes before, so that the peak is that of
the weights. The files are in the system's page buffer (the parent reads them first). transformers' load
of the same folder stands beside for context.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from tests.bench import fresh, machine, ratios

AIM = 1.2
FIRST, WARMED, THEIRS = "first", "memory", "huggingface"


def load_ours(folder: str, warm_up: str = "") -> dict[str, Any]:
    """In a fresh process: loads a folder, after loading another one if `warm_up` names it."""
    import torch

    from mistral_core.checkpoint.load import load_model
    from tests.bench.texts import weight_bytes

    torch.set_num_threads(1)
    if warm_up:
        load_model(warm_up)
    loaded, seen = machine.observed(lambda: load_model(folder))
    return {**seen, "weights_bytes": weight_bytes(loaded.model)}


def load_theirs(folder: str) -> dict[str, Any]:
    """In a fresh process: transformers loads the same folder, its modules imported before."""
    import torch
    from transformers import MistralForCausalLM

    from tests.bench.decode import huggingface_model

    torch.set_num_threads(1)
    model, seen = machine.observed(lambda: huggingface_model(folder))
    if not isinstance(model, MistralForCausalLM):
        raise ValueError(f"{folder} holds a {type(model).__name__}; the comparison needs a Mistral")
    return {**seen, "weights_bytes": sum(parameter.nbytes for parameter in model.parameters())}


def small_folder(target: Path, tokenizer: Path) -> None:
    """A model of a few kilobytes, saved where the warm-up finds it."""
    from mistral_core.checkpoint.save import save_mistral
    from mistral_core.config import MistralConfig
    from mistral_core.model import random_model
    from mistral_core.tokenizer import SentencePieceTokenizer

    config = MistralConfig(
        dim=8,
        n_layers=1,
        n_heads=2,
        n_kv_heads=1,
        head_dim=4,
        hidden_dim=8,
        vocab_size=SentencePieceTokenizer(tokenizer).vocab_size,
        norm_eps=1e-5,
        rope_theta=1e4,
        sliding_window=4,
    )
    save_mistral(random_model(config), target, tokenizer)


def compare_loads(folder: Path, rounds: int) -> dict[str, Any]:
    """Loads in turn, each in a fresh process."""
    for path in folder.glob("*.safetensors"):
        path.read_bytes()
    seen: dict[str, list[dict[str, Any]]] = {FIRST: [], WARMED: [], THEIRS: []}
    with tempfile.TemporaryDirectory() as small:
        small_folder(Path(small), folder / "tokenizer.model")
        for _ in range(rounds):
            seen[FIRST].append(fresh.call(__name__, "load_ours", folder=str(folder)))
            seen[WARMED].append(fresh.call(__name__, "load_ours", folder=str(folder), warm_up=small))
            seen[THEIRS].append(fresh.call(__name__, "load_theirs", folder=str(folder)))
    return summary(seen)


def summary(seen: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """Medians and ratios of what the processes saw."""
    weights = seen[WARMED][0]["weights_bytes"]
    over = [run["peak_over_before_bytes"] / weights for run in seen[WARMED]]
    clocks = ("seconds_wall", "seconds_cpu")
    fields = (*clocks, "before_bytes", "peak_bytes", "peak_over_before_bytes")
    return {
        "weights_bytes": weights,
        "peak_over_bare_process_per_weights": ratios.spread(over),
        "aim": AIM,
        "aim_met": max(over) <= AIM,
        "seconds_huggingface_over_ours": {
            clock: ratios.spread([b[clock] / a[clock] for a, b in zip(seen[FIRST], seen[THEIRS], strict=True)])
            for clock in clocks
        },
        **{name: {f: ratios.spread([run[f] for run in runs]) for f in fields} for name, runs in seen.items()},
        "peak_was_reset": all(run["peak_was_reset"] for runs in seen.values() for run in runs),
    }


def measure(quick: bool = False) -> dict[str, Any]:
    """The section `load`, on the bundled model."""
    from mistral_core.checkpoint import registry

    return compare_loads(registry.bundled_root() / registry.DEFAULT_MODEL, 1 if quick else 5)
