"""What a model costs: parameters, bytes and arithmetic, by formula, from its configuration alone.

The ring is what grouped-query attention and the sliding window are for, so the ledger puts a
model beside itself without the one, without the other, and without both.

Left out, because they are small or depend on the program: activations, the positions of the
slots (see `ring_position_bytes`), norms and softmax in the arithmetic, the allocator.

Source: "Mistral 7B" (arXiv 2310.06825) section 2 and table 1; Ainslie et al. 2023 (arXiv
2305.13245) for grouped queries; Kaplan et al. 2020 (arXiv 2001.08361) section 2.1 for the FLOPs.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from mistral_core.config import MistralConfig, Window, brief

POSITION_BYTES = 8
"""A slot's position is one int64 per layer."""
MAX_COUNT = 2**40
"""Tokens, texts or bytes a number: what is larger is a slip of the hand, and no float holds what follows."""


def parameter_count(config: MistralConfig) -> dict[str, int]:
    """Numbers of learned parameters by part, and their `total`.

    A tied output counts once, in `embedding`.

    >>> from mistral_core.config import MISTRAL_7B
    >>> parameter_count(MISTRAL_7B)["total"]
    7241732096
    """
    c = config
    parts = {
        "embedding": c.vocab_size * c.dim,
        "attention": c.n_layers * 2 * c.dim * c.head_dim * (c.n_heads + c.n_kv_heads),
        "feed_forward": c.n_layers * 3 * c.dim * c.hidden_dim,
        "norms": (2 * c.n_layers + 1) * c.dim,
        "output": 0 if c.tied_embeddings else c.vocab_size * c.dim,
    }
    return {**parts, "total": sum(parts.values())}


def weight_bytes(config: MistralConfig, bytes_per_number: int = 2) -> int:
    """Bytes of all parameters, `bytes_per_number` each (2 for float16 and bfloat16, 4 for float32)."""
    return _at_least_1("bytes_per_number", bytes_per_number) * parameter_count(config)["total"]


def kept_bytes(config: MistralConfig) -> dict[str, int]:
    """Bytes that the weights take in memory, by the kinds of `load_model`.

    bfloat16 counts pages of a file that is mapped: every token reads them. int8 has 12 bytes more for each row, its
    embedding is bfloat16, and one that is tied to the output is kept in int8 beside it. Gains are float32.

    >>> from mistral_core.config import MISTRAL_7B
    >>> {kind: round(size / 1e9, 2) for kind, size in kept_bytes(MISTRAL_7B).items()}
    {'float32': 28.97, 'bfloat16': 14.48, 'int8': 7.39}
    """
    c, parts = config, parameter_count(config)
    gains, embedding = 4 * parts["norms"], parts["embedding"]
    matrices = parts["attention"] + parts["feed_forward"] + (embedding if c.tied_embeddings else parts["output"])
    rows = c.n_layers * ((c.n_heads + 2 * c.n_kv_heads) * c.head_dim + 2 * c.dim + 2 * c.hidden_dim) + c.vocab_size
    return {
        "float32": 4 * parts["total"],
        "bfloat16": 2 * (parts["total"] - parts["norms"]) + gains,
        "int8": matrices + 12 * rows + 2 * embedding + gains,
    }


def loading_bytes(config: MistralConfig) -> dict[str, int]:
    """Bytes that loading takes at its peak, by the kinds of `load_model`: the weights, and one tensor in float32."""
    c = config
    one = 4 * c.dim * max(c.vocab_size, c.hidden_dim, c.n_heads * c.head_dim)
    return {kind: size + one for kind, size in kept_bytes(config).items()}


def slots(window: Window, context: int, sinks: int = 0) -> int:
    """Slots of one layer that hold something after `context` tokens: `min(S + W, context)`."""
    return context if window is None else min(window + sinks, context)


def kv_cache_bytes(
    config: MistralConfig, context: int, bytes_per_number: int = 2, *, batch: int = 1, allocated: bool = False
) -> int:
    """Bytes of the keys and values of one ring per layer.

        sum over layers: 2 x n_kv_heads x head_dim x min(W, context) x bytes_per_number

    For another number of key/value heads or another window, change the configuration
    (`without_gqa`, `config.with_window`).

    Args:
        config: heads and windows.
        context: tokens seen; the slots of a layer without a window.
        bytes_per_number: 2 for float16 and bfloat16, 4 for float32.
        batch: texts held at once.
        allocated: count all W slots of a window, as a ring takes them at the start, not only those in use.

    >>> from mistral_core.config import MISTRAL_7B
    >>> kv_cache_bytes(MISTRAL_7B, context=32_768) // 2**20
    512
    """
    _at_least_1("context", context)
    _at_least_1("bytes_per_number", bytes_per_number)
    held = (
        window + config.sinks if allocated and window is not None else slots(window, context, config.sinks)
        for window in config.windows
    )
    return _at_least_1("batch", batch) * 2 * config.n_kv_heads * config.head_dim * sum(held) * bytes_per_number


def kv_bytes_per_token(config: MistralConfig, bytes_per_number: int = 2) -> int:
    """Bytes of keys and values that one token adds in all layers, as long as no window is full.

    >>> from mistral_core.config import MISTRAL_7B
    >>> kv_bytes_per_token(MISTRAL_7B) // 2**10
    128
    """
    return kv_cache_bytes(config, 1, bytes_per_number)


CONTEXTS = (1024, 4096, 8192, 32_768, 131_072)
"""Tokens at which a configuration is held beside itself."""


@dataclass(frozen=True, kw_only=True)
class KvBytes:
    """Bytes of keys and values after so many tokens.

    Attributes:
        context: tokens seen.
        own: of the model. without_window: each layer holding all tokens. without_both: and a key/value head for each
            query head.
    """

    context: int
    own: int
    without_window: int
    without_both: int


def kv_bytes_by_context(
    config: MistralConfig, contexts: Iterable[int] = CONTEXTS, bytes_per_number: int = 2
) -> tuple[KvBytes, ...]:
    """What a model keeps at each context, beside itself without its savings.

    >>> from mistral_core.config import MISTRAL_7B
    >>> [row.own // 2**20 for row in kv_bytes_by_context(MISTRAL_7B)]
    [128, 512, 512, 512, 512]

    Raises:
        ValueError: a context or `bytes_per_number` below 1.
    """
    full = config.with_window(None)
    return tuple(
        KvBytes(
            context=context,
            own=kv_cache_bytes(config, context, bytes_per_number),
            without_window=kv_cache_bytes(full, context, bytes_per_number),
            without_both=kv_cache_bytes(without_gqa(full), context, bytes_per_number),
        )
        for context in contexts
    )


def ring_position_bytes(config: MistralConfig, context: int, *, batch: int = 1) -> int:
    """Bytes of the positions that tell, for each allocated slot, whose key it holds."""
    return batch * POSITION_BYTES * sum(context if window is None else window for window in config.windows)


def without_gqa(config: MistralConfig) -> MistralConfig:
    """The same network with a key/value head for each query head (wk and wv grow with it)."""
    return replace(config, n_kv_heads=config.n_heads)


def flops_per_token(config: MistralConfig, context: int) -> int:
    """Floating point operations to decode one token that has `context - 1` tokens before it.

        2 x (attention + feed_forward + vocab_size x dim) + sum over layers: 4 x n_heads x head_dim x min(W, context)

    A multiplication and an addition count two; the embedding is a look-up and counts nothing.
    """
    _at_least_1("context", context)
    parts = parameter_count(config)
    matrices = parts["attention"] + parts["feed_forward"] + config.vocab_size * config.dim
    visible = sum(slots(window, context, config.sinks) for window in config.windows)
    return 2 * matrices + 4 * config.n_heads * config.head_dim * visible


@dataclass(frozen=True, kw_only=True)
class LedgerRow:
    """One variant of a model at one context length.

    Attributes:
        name: what is different.
        n_kv_heads: key/value heads.
        slots: slots in use, summed over the layers.
        parameters: how many there are.
        weight_bytes: bytes of them.
        kv_cache_bytes: bytes of keys and values in use, without the slots' positions.
        factor: its `kv_cache_bytes` over this model's.
        flops_per_token: to decode one token at this context length.
    """

    name: str
    n_kv_heads: int
    slots: int
    parameters: int
    weight_bytes: int
    kv_cache_bytes: int
    factor: float
    flops_per_token: int


@dataclass(frozen=True, kw_only=True)
class Ledger:
    """A model beside itself without its two savings.

    Attributes:
        context: tokens seen.
        bytes_per_number: of weights, keys and values.
        rows: this model; without GQA; without the window; without both.
    """

    context: int
    bytes_per_number: int
    rows: tuple[LedgerRow, LedgerRow, LedgerRow, LedgerRow]


def ledger(config: MistralConfig, context: int, bytes_per_number: int = 2) -> Ledger:
    """The four variants at a context length.

    >>> from mistral_core.config import MISTRAL_7B
    >>> [row.factor for row in ledger(MISTRAL_7B, context=32_768).rows]
    [1.0, 4.0, 8.0, 32.0]

    Raises:
        ValueError: `context` or `bytes_per_number` below 1.
    """
    own = kv_cache_bytes(config, context, bytes_per_number)
    variants = {
        "this model": config,
        "without grouped queries": without_gqa(config),
        "without the window": config.with_window(None),
        "without both": without_gqa(config).with_window(None),
    }

    def row(name: str) -> LedgerRow:
        variant = variants[name]
        bytes_held = kv_cache_bytes(variant, context, bytes_per_number)
        return LedgerRow(
            name=name,
            n_kv_heads=variant.n_kv_heads,
            slots=sum(slots(window, context, variant.sinks) for window in variant.windows),
            parameters=parameter_count(variant)["total"],
            weight_bytes=weight_bytes(variant, bytes_per_number),
            kv_cache_bytes=bytes_held,
            factor=bytes_held / own,
            flops_per_token=flops_per_token(variant, context),
        )

    first, second, third, fourth = (row(name) for name in variants)
    return Ledger(context=context, bytes_per_number=bytes_per_number, rows=(first, second, third, fourth))


def _at_least_1(name: str, value: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"{name} is {brief(value)}; it must be a whole number of at least 1")
    if value > MAX_COUNT:
        raise ValueError(f"{name} is {brief(value)}; nothing is counted beyond {MAX_COUNT:,}")
    return value
