"""What sharing saves and costs, as rows of tables: this model, its twins, and four published configurations."""

from __future__ import annotations

from collections.abc import Mapping

from app.theme import size
from mistral_core.analysis.sharing_bytes import Sharing, sharing_table
from mistral_core.checkpoint import registry
from mistral_core.config import MistralConfig
from mistral_core.experiments.published_figures import config_of
from mistral_core.training.family_results import reached, recorded_results

PUBLISHED = ("Mistral 7B", "Llama 2 7B", "Llama 2 13B", "Llama 2 70B")
TWINS = ("mha", "baseline", "mqa")
"""Alike but for their key/value heads: one for each of eight query heads, two, and one for all."""
CONTEXT = 4096
"""Tokens before the step whose reads are counted: the window of Mistral 7B, the longest text of a Llama 2."""
BYTES_PER_NUMBER = 2


def published() -> tuple[Sharing, ...]:
    """The rows of the published models."""
    return sharing_table({name: config_of(name) for name in PUBLISHED}, CONTEXT, BYTES_PER_NUMBER)


def those_here(name: str, config: MistralConfig, twins: Mapping[str, MistralConfig]) -> tuple[Sharing, ...]:
    """The rows of the shown model and of its twins."""
    return sharing_table({name: config} | dict(twins), CONTEXT, BYTES_PER_NUMBER)


def twins_here() -> tuple[str, ...]:
    """The twins that can be chosen here."""
    return tuple(name for name in TWINS if name in registry.browser_models())


def as_row(row: Sharing, source: str) -> dict[str, str]:
    """A row of the table of bytes, in words."""
    return {
        "model": row.name,
        "query : key/value heads": f"{row.n_heads} : {row.n_kv_heads}",
        "kind": row.kind,
        "a token adds": size(row.per_token),
        "nothing shared (MHA)": size(row.per_token_mha),
        "all shared (MQA)": size(row.per_token_mqa),
        "a step reads": size(row.read),
        "nothing shared would read": size(row.read_mha),
        "weights": size(row.weights),
        "configuration": source,
    }


def quality_rows() -> list[dict[str, str]]:
    """What the twins reached: bits per byte of held-out text, and how far the seeds lie apart.

    Raises:
        OSError: there are no recorded results.
    """
    by_name = {row.first.name: row for row in reached(recorded_results())}
    rows = []
    for name in TWINS:
        if (row := by_name.get(name)) is None:
            continue
        heads = row.first.changes.get("n_kv_heads", 2)
        apart = "one seed" if row.short_spread is None else f"within {row.short_spread:.4f}"
        rows.append(
            {
                "model": name,
                "key/value heads": f"{heads} for 8 query heads",
                "bits per byte": f"{row.short:.4f}",
                "its seeds lie": apart,
                "parameters": f"{row.first.parameters:,}",
            }
        )
    return rows
