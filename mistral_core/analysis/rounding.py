"""What keeping the weights in fewer bytes does to the predictions: KL of the next-token distributions.

    KL(p || q) = sum over tokens of p(token) * (ln p(token) - ln q(token))        nats, 0 = the same distribution

p comes from the weights as they are, q from the rounded ones, after every token of the same texts. Both read the text
as it stands, so that a prediction that differs does not change what is read next.

Source: Kullback & Leibler 1951; as the measure of quantisation: llama.cpp, `tools/perplexity`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from mistral_core.analysis.influence import kl_divergence
from mistral_core.hooks import watching
from mistral_core.model import Transformer
from mistral_core.tokenizer import Tokenizer

CHUNK = 64
"""Tokens read at once; two distributions over the vocabulary in float64 are held for each."""


@dataclass(frozen=True, kw_only=True)
class Rounding:
    """How far the predictions of two models lie apart.

    Attributes:
        mean_kl: nats, over all predictions. max_kl: of the worst of them.
        same_first: share of the predictions whose likeliest token is the same.
        tokens: predictions that were compared.
    """

    mean_kl: float
    max_kl: float
    same_first: float
    tokens: int


def compare(exact: Transformer, rounded: Transformer, tokenizer: Tokenizer, documents: Iterable[str]) -> Rounding:
    """Reads all documents with both models and compares the predictions after each token.

    Args:
        exact: p of the KL. rounded: q of the KL, with the same vocabulary.
        documents: each is read from its own begin.

    Raises:
        ValueError: there is no text, or the models have different vocabularies.
    """
    if exact.config.vocab_size != rounded.config.vocab_size:
        raise ValueError(
            f"the models have {exact.config.vocab_size:,} and {rounded.config.vocab_size:,} tokens; "
            f"only distributions over the same vocabulary can be compared"
        )
    pairs = []
    for document in documents:
        ids = torch.tensor([tokenizer.encode(document)])
        caches = [model.empty_kv_cache(max_context=ids.shape[1]) for model in (exact, rounded)]
        for chunk in ids.split(CHUNK, 1):
            with watching(None), torch.inference_mode():
                p, q = (
                    model(chunk, kv_cache=kv_cache)[0].double().log_softmax(-1)
                    for model, kv_cache in zip((exact, rounded), caches, strict=True)
                )
            pairs.append((kl_divergence(p, q), p.argmax(-1) == q.argmax(-1)))
    if not pairs:
        raise ValueError("there is no text to compare on; every line is blank")
    return _summary(pairs)


def between(exact: Float[Tensor, "pos vocab_size"], rounded: Float[Tensor, "pos vocab_size"]) -> Rounding:
    """The same of the logits that two models have after each token of one text."""
    p, q = exact.double().log_softmax(-1), rounded.double().log_softmax(-1)
    return _summary([(kl_divergence(p, q), p.argmax(-1) == q.argmax(-1))])


def _summary(pairs: Sequence[tuple[Tensor, Tensor]]) -> Rounding:
    """Of the nats of each prediction, and whether its likeliest token is the same."""
    nats, same = (torch.cat(parts) for parts in zip(*pairs, strict=True))
    return Rounding(
        mean_kl=float(nats.mean()), max_kl=float(nats.max()), same_first=float(same.double().mean()), tokens=len(nats)
    )
