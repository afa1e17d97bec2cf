"""What a run measures of its own model: bits per byte of held-out text, and what it writes.

Both use the code that the application and the command line use, in the dtype of the weights.
"""

from __future__ import annotations

from collections.abc import Sequence

from mistral_core.analysis.evaluation import Evaluation, evaluate
from mistral_core.generation import GenerationRequest, Run
from mistral_core.model import Transformer
from mistral_core.sampling import SamplingSettings
from mistral_core.tokenizer import Tokenizer

QUICK_BYTES = 100_000
"""Of held-out text read during a run; all of it is read at the end."""
CHUNK = 512
SAMPLING = SamplingSettings(temperature=0.8, top_p=0.95)
SAMPLE_TOKENS = 60


def quick_documents(documents: Sequence[str]) -> list[str]:
    """The beginning of each document, in proportion to its length: about 100,000 bytes of every kind of text in it.

    A few whole documents would be nearer to their end tokens and farther from the mean: of the stories'
    35 held-out chapters a quarter measured 0.09 bits per byte below all.

    >>> [len(part) for part in quick_documents(["a" * 300_000, "b" * 100_000, "c"])]
    [74999, 24999, 1]
    """
    share = min(1.0, QUICK_BYTES / max(sum(len(document) for document in documents), 1))
    return [document[: max(1, int(len(document) * share))] for document in documents]


def validate(model: Transformer, tokenizer: Tokenizer, documents: Sequence[str]) -> Evaluation:
    """How well the network predicts documents; see `analysis.evaluation`."""
    return evaluate(model, tokenizer, documents, chunk_size=CHUNK)


def sample_text(
    model: Transformer, tokenizer: Tokenizer, prompt: str, *, seed: int = 0, tokens: int = SAMPLE_TOKENS
) -> str:
    """What the network writes after a prompt, temperature 0.8, top-p 0.95."""
    request = GenerationRequest(
        prompt_ids=tuple(tokenizer.encode(prompt)), max_new_tokens=tokens, sampling=SAMPLING, seed=seed
    )
    run = Run(model, tokenizer, request)
    for _ in run.prefill():
        pass
    while not run.finish_reason:
        run.step()
    return "".join(run.texts)
