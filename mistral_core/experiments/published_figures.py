"""What was published of the models that the paper compares: their configurations, and its table of benchmarks.

The configurations are the keys of each config.json that make the network. Llama 1 33B (the paper calls it 34B) is from
table 2 of "LLaMA" (arXiv 2302.13971) and the hidden width of its converted config.json.
The scores are table 2 of "Mistral 7B" (arXiv 2310.06825), digit by digit; its makers ran all of them themselves.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from mistral_core.checkpoint.configuration import published_text
from mistral_core.config import MistralConfig

MISTRAL, SECOND, LARGEST = "Mistral 7B", "Llama 2 13B", "Llama 2 70B"
CODE = "Code Llama 7B"
SCORES_SOURCE = "Mistral 7B, arXiv 2310.06825, table 2"


@dataclass(frozen=True, kw_only=True)
class Shape:
    """The sizes of a config.json."""

    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    num_key_value_heads: int
    max_position_embeddings: int
    vocab_size: int = 32_000
    rms_norm_eps: float = 1e-5
    rope_theta: float = 10_000.0


def _shape(*sizes: int, **other: float | int) -> Shape:
    names = list(Shape.__dataclass_fields__)[: len(sizes)]
    return Shape(**dict(zip(names, sizes, strict=True)), **other)  # type: ignore[arg-type]


SHAPES = {
    MISTRAL: _shape(4096, 14_336, 32, 32, 8, 32_768),
    "Llama 2 7B": _shape(4096, 11_008, 32, 32, 32, 4096),
    SECOND: _shape(5120, 13_824, 40, 40, 40, 4096),
    LARGEST: _shape(8192, 28_672, 80, 64, 8, 4096),
    "Llama 1 33B": _shape(6656, 17_920, 60, 52, 52, 2048, rms_norm_eps=1e-6),
    CODE: _shape(4096, 11_008, 32, 32, 32, 16_384, vocab_size=32_016, rope_theta=1e6),
}
"""By model, in the order in which they are shown."""
WINDOW = 4096
"""Mistral 7B's; the Llamas have none."""

BENCHMARKS = (
    "MMLU",
    "HellaSwag",
    "WinoG",
    "PIQA",
    "Arc-e",
    "Arc-c",
    "NQ",
    "TriviaQA",
    "HumanEval",
    "MBPP",
    "MATH",
    "GSM8K",
)
CODING = ("HumanEval", "MBPP")
SCORES = {
    "Llama 2 7B": (44.4, 77.1, 69.5, 77.9, 68.7, 43.2, 24.7, 63.8, 11.6, 26.1, 3.9, 16.0),
    SECOND: (55.6, 80.7, 72.9, 80.8, 75.2, 48.8, 29.0, 69.6, 18.9, 35.4, 6.0, 34.3),
    CODE: (36.9, 62.9, 62.3, 72.8, 59.4, 34.5, 11.0, 34.9, 31.1, 52.5, 5.2, 20.8),
    MISTRAL: (60.1, 81.3, 75.3, 83.0, 80.0, 55.5, 28.8, 69.9, 30.5, 47.5, 13.1, 52.2),
}
"""Per cent, in the order of `BENCHMARKS`."""


def config_of(name: str) -> MistralConfig:
    """The network of a published model.

    Raises:
        KeyError: none of these.
    """
    kind = (
        {"architectures": ["MistralForCausalLM"], "model_type": "mistral", "sliding_window": WINDOW}
        if name == MISTRAL
        else {"architectures": ["LlamaForCausalLM"], "model_type": "llama"}
    )
    shared = {"hidden_act": "silu", "tie_word_embeddings": False}
    return published_text(json.dumps({**kind, **shared, **vars(SHAPES[name])}), f"the configuration of {name}").config


def score(model: str, benchmark: str) -> float:
    """A score of table 2, per cent.

    >>> score("Mistral 7B", "NQ"), score("Llama 2 13B", "NQ")
    (28.8, 29.0)
    """
    return SCORES[model][BENCHMARKS.index(benchmark)]
