"""What the command line prints: texts and JSON values, made from what the core returns."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from mistral_core.analysis.accounting import (
    Ledger,
    kept_bytes,
    kv_bytes_by_context,
    kv_bytes_per_token,
    ledger,
    parameter_count,
    ring_position_bytes,
    without_gqa,
)
from mistral_core.checkpoint.published import MOST_KEYS, Published, windows_in_words
from mistral_core.config import named

if TYPE_CHECKING:
    from mistral_core.analysis.rounding import Rounding
    from mistral_core.generation import Run

BYTES_PER_NUMBER = {"float64": 8, "float32": 4, "float16": 2, "bfloat16": 2}


def run_json(run: Run, load_seconds: float) -> dict[str, Any]:
    """A finished run: the whole text and all tokens, the `n_prompt` given ones first.

    The first token has no probability and rank (null): nothing comes before it.
    """
    trace, timings = run.trace(), run.timings
    tokens = [
        {
            "id": int(trace.token_ids[i]),
            "text": trace.token_texts[i],
            "probability": None if math.isnan(trace.probability[i]) else float(trace.probability[i]),
            "rank": int(trace.rank[i]) if trace.rank[i] >= 0 else None,
        }
        for i in range(len(trace))
    ]
    rate = timings.decode_tokens / timings.decode_seconds if timings.decode_tokens else None
    return {
        "model": trace.model_name,
        "model_hash": trace.model_hash,
        "text": trace.text,
        "n_prompt": trace.n_prompt,
        "finish_reason": trace.finish_reason,
        "settings": dict(trace.settings),
        "tokens": tokens,
        "timings": {"load_seconds": load_seconds, **asdict(timings), "tokens_per_second": rate},
    }


def info_json(name: str, published: Published, context: int, dtype: str) -> dict[str, Any]:
    """What a configuration says and costs, in bytes of the given dtype: at a context length, and at some others."""
    config, width = published.config, BYTES_PER_NUMBER[dtype]
    table: Ledger = ledger(config, context, width)
    return {
        "model": name,
        "layout": published.layout,
        "weights_bytes": kept_bytes(config),
        "config": config.to_params(),
        "windows": list(config.windows),
        "exact_reach": config.exact_reach(),
        "trained_context": published.trained_context,
        "parameters": parameter_count(config),
        "context": context,
        "dtype": dtype,
        "ring_position_bytes": ring_position_bytes(config, context),
        "ledger": [asdict(row) for row in table.rows],
        "kv_bytes_per_token": kv_bytes_per_token(config, width),
        "kv_bytes_per_token_without_gqa": kv_bytes_per_token(without_gqa(config), width),
        "kv_bytes_by_context": [asdict(row) for row in kv_bytes_by_context(config, bytes_per_number=width)],
        "keys_read": list(published.read),
        "keys_ignored": list(published.ignored),
        "notices": list(published.notices),
    }


def info_text(content: dict[str, Any]) -> str:
    """`info_json` for people."""
    lines = [content["model"], ""]
    said = {**content["config"], "sliding_window": windows_in_words(tuple(content["windows"]))}
    lines += [f"  {key:<16} {_plain(value)}" for key, value in said.items()]
    reach, trained = content["exact_reach"], content["trained_context"]
    lines += [f"  {'exact reach':<16} {'all earlier tokens' if reach is None else f'{reach:,} tokens back'}"]
    lines += [
        f"  {'trained on texts':<16} {'of unknown length' if trained is None else f'of up to {trained:,} tokens'}"
    ]
    lines += ["", *(f"  {part:<16} {count:>17,} parameters" for part, count in content["parameters"].items())]
    kept = ", ".join(f"{readable_bytes(size)} as {kind}" for kind, size in content["weights_bytes"].items())
    lines += ["", f"  In memory with --weights: {kept}"]
    lines += ["", f"In {content['dtype']}, after {content['context']:,} tokens of context:", ""]
    heading = ("", "weights", "keys and values", "factor", "KV heads", "slots")
    lines += _table(
        heading,
        *(
            (
                row["name"],
                readable_bytes(row["weight_bytes"]),
                readable_bytes(row["kv_cache_bytes"]),
                f"x {row['factor']:,.4g}",
                f"{row['n_kv_heads']:,}",
                f"{row['slots']:,}",
            )
            for row in content["ledger"]
        ),
    )
    width = BYTES_PER_NUMBER[content["dtype"]]
    lines += ["", f"Keys and values by tokens of context, {width} bytes a number:", "", *_by_context(content)]
    for what, keys in (("Made the network", content["keys_read"]), ("Change nothing in it", content["keys_ignored"])):
        if keys:
            lines += ["", f"{what}: {named(keys, MOST_KEYS)}"]
    return "\n".join(lines)


def _by_context(content: dict[str, Any]) -> list[str]:
    """The bytes at some lengths of context, a line each, and those that one more token takes."""
    one, alone = content["kv_bytes_per_token"], content["kv_bytes_per_token_without_gqa"]
    return _table(
        ("", "this model", "without the window", "without both"),
        ("each token", *map(readable_bytes, (one, one, alone))),
        *(
            (f"{row['context']:,}", *(readable_bytes(row[key]) for key in ("own", "without_window", "without_both")))
            for row in content["kv_bytes_by_context"]
        ),
    )


def _table(*rows: tuple[str, ...]) -> list[str]:
    """Lines with the first column to the left and the others to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  " + "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip() for row in rows]


def rounding_text(apart: Rounding, weights: str, against: str | None) -> str:
    """What rounding the weights changes, for people."""
    return (
        f"{weights} against {against}: KL of the next token's distribution {apart.mean_kl:.2g} nats in the mean, "
        f"{apart.max_kl:.2g} at most; the likeliest token is the same after {apart.same_first:.1%} of "
        f"{apart.tokens:,} tokens"
    )


def readable_bytes(count: int) -> str:
    """Bytes in the largest binary unit that leaves at least 1.

    >>> readable_bytes(512 * 2**20), readable_bytes(1000)
    ('512 MiB', '1,000 bytes')
    """
    for exponent, unit in ((30, "GiB"), (20, "MiB"), (10, "KiB")):
        if count >= 2**exponent:
            return f"{count / 2**exponent:.4g} {unit}"
    return f"{count:,} bytes"


def _plain(value: Any) -> str:
    if value is None:
        return "none"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
