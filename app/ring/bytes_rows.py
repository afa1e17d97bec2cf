"""Bytes of keys and values with the two savings of the model, and without each."""

from __future__ import annotations

from typing import Any

from mistral_core.analysis.accounting import kv_cache_bytes, without_gqa
from mistral_core.config import MistralConfig

CONTEXTS = (4096, 8192, 32_768, 131_072)


def bytes_rows(
    config: MistralConfig, contexts: tuple[int, ...] = CONTEXTS, bytes_per_number: int = 2
) -> list[dict[str, Any]]:
    """Bytes of keys and values at each text length: the ring, and what it would be without its two savings.

    `allocated` is taken from the first token on; `used` is what holds something.
    """
    rows = []
    for context in contexts:

        def held(shape: MistralConfig, context: int = context) -> int:
            return kv_cache_bytes(shape, context, bytes_per_number)

        used = held(config)
        rows.append(
            {
                "tokens": context,
                "allocated": kv_cache_bytes(config, context, bytes_per_number, allocated=True),
                "used": used,
                "no_window": held(config.with_window(None)),
                "no_gqa": held(without_gqa(config)),
                "neither": held(without_gqa(config).with_window(None)),
                "window_factor": held(config.with_window(None)) / used,
            }
        )
    return rows
