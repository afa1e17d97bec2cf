"""A long text: does a token cost the same after 100,000 tokens as after 1,000, in time and in memory?

One run really writes its way to the far point, with the desk's sampling settings and nothing recorded.
Passing the near point it is timed once (`near_in_passing`); minutes later the machine may be another one, so
the ratio comes from a second, young run of the same request: it is brought to the near point, and then
young and old write short blocks in turn.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mistral_core.compiled.choice import choose_step
from mistral_core.compiled.reader import CompiledReader
from mistral_core.generation import Run
from mistral_core.model import Transformer
from mistral_core.tokenizer import Tokenizer
from tests.bench import machine, ratios, texts
from tests.bench.decode import stepping

AIM = 1.15


def footprint(run: Run) -> dict[str, int]:
    """Bytes of the weights and of the rings, counted on the tensors, and all that the process holds."""
    weights, ring = texts.weight_bytes(run.model), run.kv_cache.nbytes
    return {
        "new_tokens": run.n_read - run.n_prompt,
        "weights_bytes": weights,
        "ring_bytes": ring,
        "weights_and_ring_bytes": weights + ring,
        "resident_bytes": machine.resident_bytes(),
    }


def write_until(run: Run, new_tokens: int, stretch: int, reader: CompiledReader | None = None) -> list[dict[str, Any]]:
    """Writes until so many new tokens exist; a point for each stretch of them. `reader`: as of `stepping`."""
    points = []
    while (left := new_tokens - (run.n_read - run.n_prompt)) > 0:
        block = ratios.write_block(stepping(run, reader), min(stretch, left))
        points.append(
            {
                "new_tokens": run.n_read - run.n_prompt,
                "wall": round(block.wall, 3),
                "cpu": round(block.cpu, 3),
                "median_step": round(block.median_step, 3),
            }
        )
    return points


def compare_ages(
    model: Transformer,
    tokenizer: Tokenizer,
    prompt_ids: Sequence[int],
    *,
    near: int,
    far: int,
    rounds: int,
    length: int,
) -> dict[str, Any]:
    """Time and memory around `near` and around `far` new tokens.

    Raises:
        ValueError: the blocks around `near` would begin before the text or reach `far`.
    """
    half = rounds * length // 2
    if not half <= near < far - half:
        raise ValueError(
            f"{2 * half} tokens around {near} and {far} overlap or begin before the text; use fewer or shorter rounds"
        )

    def beginning() -> Run:
        return texts.start(model, tokenizer, prompt_ids, far + half, sampling=texts.STORY)

    old, reader = beginning(), choose_step(model).reader
    write_until(old, near - half, half, reader)
    passing = write_until(old, near + half, 2 * half, reader)
    at_near = footprint(old)
    curve = write_until(old, far - half, max(1, (far - near) // 10), reader)
    at_far = footprint(old)
    young = beginning()
    write_until(young, near - half, half, reader)
    blocks = ratios.in_turn({"near": stepping(young, reader), "far": stepping(old, reader)}, rounds, length)
    flat = ratios.compare(blocks["far"], blocks["near"])
    grown = at_far["resident_bytes"] - at_near["resident_bytes"]
    return {
        "flatness": flat,
        "aim": AIM,
        "aim_met": flat["wall"]["median"] <= AIM,
        "ms_per_token": {name: ratios.per_token(found) for name, found in blocks.items()},
        "near_in_passing": passing[-1],
        "curve": curve,
        "memory_near": at_near,
        "memory_far": at_far,
        "memory_near_over_far": at_near["weights_and_ring_bytes"] / at_far["weights_and_ring_bytes"],
        "resident_growth_bytes": grown,
        "resident_growth_bytes_per_token": round(grown / (at_far["new_tokens"] - at_near["new_tokens"]), 1),
        "near": near,
        "far": far,
        "rounds": rounds,
        "tokens_per_block": length,
    }


def measure(quick: bool = False) -> dict[str, Any]:
    """The section `growth`, on the bundled model."""
    loaded = texts.bundled()
    found = compare_ages(
        loaded.model,
        loaded.tokenizer,
        loaded.tokenizer.encode(texts.PROMPT),
        near=1000,
        far=5000 if quick else 100_000,
        rounds=20,
        length=50,
    )
    return {
        **found,
        "window": loaded.config.sliding_window,
        "clocks": ratios.CLOCK_NAMES,
        "ratios_are": "time per token at the far point over the near one; 1 = flat. Recording is off; what grows in "
        "the process is the text itself (ids, texts, labels, probabilities, ranks)",
    }
