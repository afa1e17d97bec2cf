"""What sharing keys and values saves, in bytes: from configurations alone, without torch.

    kept for a token    2 x n_layers x n_kv_heads x head_dim x bytes of a number
    read in a step      the same of each key in sight: 2 x n_kv_heads x head_dim x bytes x sum of min(W, context)
    copied              the same with n_heads in the place of n_kv_heads: keys and values repeated for each query head

The last is what a program keeps that repeats them before it stores them, and what one that repeats them before it
multiplies (`repeat_kv`) makes for the time of a layer. `Attention.attend` stacks the queries of a group instead.

Source: multi-query: Shazeer 2019 (arXiv 1911.02150); grouped-query: Ainslie et al. 2023 (arXiv 2305.13245).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from mistral_core.analysis.accounting import kv_bytes_per_token, kv_cache_bytes, weight_bytes, without_gqa
from mistral_core.config import MistralConfig, brief

Kind = Literal["MHA", "GQA", "MQA"]
"""Multi-head: a key/value head for each query head; grouped-query: one for several; multi-query: one for all."""


def kind_of(config: MistralConfig) -> Kind:
    """How a model's heads share keys and values.

    >>> from mistral_core.config import MISTRAL_7B
    >>> kind_of(MISTRAL_7B), kind_of(without_gqa(MISTRAL_7B)), kind_of(with_one_kv_head(MISTRAL_7B))
    ('GQA', 'MHA', 'MQA')
    """
    if config.n_kv_heads == config.n_heads:
        return "MHA"
    return "MQA" if config.n_kv_heads == 1 else "GQA"


def group_of(config: MistralConfig, kv_head: int) -> range:
    """The query heads, from 0, that read a key/value head.

    >>> from mistral_core.config import MISTRAL_7B
    >>> list(group_of(MISTRAL_7B, 7))
    [28, 29, 30, 31]

    Raises:
        ValueError: no such key/value head.
    """
    if isinstance(kv_head, bool) or not isinstance(kv_head, int) or not 0 <= kv_head < config.n_kv_heads:
        raise ValueError(
            f"key/value head {brief(kv_head)} is not in this model; each layer has 0 to {config.n_kv_heads - 1}"
        )
    size = config.n_heads // config.n_kv_heads
    return range(kv_head * size, (kv_head + 1) * size)


def with_one_kv_head(config: MistralConfig) -> MistralConfig:
    """The same network with one key/value head for all query heads (wk and wv shrink with it)."""
    return replace(config, n_kv_heads=1)


@dataclass(frozen=True, kw_only=True)
class Sharing:
    """What a model keeps and reads, beside itself with nothing shared and with all shared.

    Attributes:
        name, kind: of the model. n_layers, n_heads, n_kv_heads, head_dim: its shape.
        per_token: bytes of keys and values that one token adds, as long as no window is full.
        per_token_mha, per_token_mqa: the same with a key/value head for each query head; with one for all.
        context: tokens before the step. read: bytes of keys and values that the step reads.
        read_mha: the same with a key/value head for each query head.
        weights: bytes of all parameters, of which a step reads nearly all, whatever the context.
    """

    name: str
    kind: Kind
    n_layers: int
    n_heads: int
    n_kv_heads: int
    head_dim: int
    per_token: int
    per_token_mha: int
    per_token_mqa: int
    context: int
    read: int
    read_mha: int
    weights: int

    @property
    def saves(self) -> float:
        """How many times as much nothing shared would keep: query heads for each key/value head."""
        return self.n_heads / self.n_kv_heads


def sharing(name: str, config: MistralConfig, context: int, bytes_per_number: int = 2) -> Sharing:
    """The row of one model.

    >>> from mistral_core.config import MISTRAL_7B
    >>> row = sharing("Mistral 7B", MISTRAL_7B, 4096)
    >>> row.per_token // 2**10, row.per_token_mha // 2**10, row.read // 2**20
    (128, 512, 512)

    Raises:
        ValueError: `context` or `bytes_per_number` below 1.
    """
    full = without_gqa(config)
    return Sharing(
        name=name,
        kind=kind_of(config),
        n_layers=config.n_layers,
        n_heads=config.n_heads,
        n_kv_heads=config.n_kv_heads,
        head_dim=config.head_dim,
        per_token=kv_bytes_per_token(config, bytes_per_number),
        per_token_mha=kv_bytes_per_token(full, bytes_per_number),
        per_token_mqa=kv_bytes_per_token(with_one_kv_head(config), bytes_per_number),
        context=context,
        read=kv_cache_bytes(config, context, bytes_per_number),
        read_mha=kv_cache_bytes(full, context, bytes_per_number),
        weights=weight_bytes(config, bytes_per_number),
    )


def sharing_table(configs: Mapping[str, MistralConfig], context: int, bytes_per_number: int = 2) -> tuple[Sharing, ...]:
    """The rows of several models, in their order.

    Raises:
        ValueError: as `sharing`.
    """
    return tuple(sharing(name, config, context, bytes_per_number) for name, config in configs.items())
