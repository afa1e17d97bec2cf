"""What the benchmarks let the bundled model write, and a tokenizer that never ends a text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from mistral_core.checkpoint import registry
from mistral_core.checkpoint.load import LoadedModel, load_model
from mistral_core.generation import Run
from mistral_core.model import Transformer
from mistral_core.request import GenerationRequest
from mistral_core.sampling import SamplingSettings
from mistral_core.tokenizer import Tokenizer
from mistral_core.trace.trace import NOTHING, RecordingPlan

PROMPT = "Once upon a time there was a girl who lived in a little house in the wood."
GREEDY = SamplingSettings(temperature=0.0)
STORY = SamplingSettings(temperature=0.8, top_p=0.95)
"""The settings that the desk starts with."""


class Endless:
    """A tokenizer whose end-of-text id is -1, which no token has: a run stops at its length alone.

    The model's own end token is then read like any other, and the text goes on behind it. Without this a
    benchmark of 50,000 tokens would end with the first story.
    """

    eos_id = -1

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.vocab_size, self.bos_id = tokenizer.vocab_size, tokenizer.bos_id
        self.prefixes_space = tokenizer.prefixes_space
        self.encode, self.decode = tokenizer.encode, tokenizer.decode
        self.token_bytes, self.text, self.label = tokenizer.token_bytes, tokenizer.text, tokenizer.label


def bundled() -> LoadedModel:
    """The bundled model in float32 on one thread."""
    torch.set_num_threads(1)
    return load_model(registry.bundled_root() / registry.DEFAULT_MODEL)


def start(
    model: Transformer,
    tokenizer: Tokenizer,
    prompt_ids: Sequence[int],
    max_new_tokens: int,
    *,
    sampling: SamplingSettings = GREEDY,
    seed: int = 7,
    plan: RecordingPlan = NOTHING,
) -> Run:
    """A run that has read its prompt and never meets an end token."""
    request = GenerationRequest(
        prompt_ids=tuple(prompt_ids), max_new_tokens=max_new_tokens, sampling=sampling, seed=seed
    )
    endless: Any = Endless(tokenizer)
    run = Run(model, endless, request, plan=plan)
    for _ in run.prefill():
        pass
    return run


def weight_bytes(model: Transformer) -> int:
    """Bytes of the memory behind the tensors that the model computes with, shared memory counted once."""
    storages = [tensor.untyped_storage() for tensor in (*model.parameters(), *model.buffers())]
    return sum({storage.data_ptr(): storage.nbytes() for storage in storages}.values())
