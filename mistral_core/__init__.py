"""A complete Mistral, instrumented: the model and all mathematics; it knows nothing of the screen.

Reading order, which is the order in which data meets the files:

 1. `config.py`        the numbers of `params.json`, checked
 2. `tokenizer.py`     text to token ids and back
 3. `norm.py`          RMSNorm
 4. `rope.py`          rotary positions, adjacent pairs
 5. `mask.py`          who may look at whom: the one definition
 6. `kv_cache.py`      the rolling buffer: W slots per layer
 7. `attention.py`     grouped-query attention, every intermediate a tensor
 8. `feed_forward.py`  SwiGLU
 9. `block.py`         two corrections to the residual stream
10. `model.py`         the whole network
11. `hooks.py`         how one call is watched without touching the others
12. `unsaid.py`        words that a text is not made to say
13. `sampling.py`      from logits to a token, stage by stage
14. `generation.py`    reading a prompt, writing a text

These files are the network and running it. Around them, a folder each; its `__init__.py` says what is in it:

* `trace/`         what is kept of a run
* `checkpoint/`    published weights, tokenizers and chat templates in every layout, and what makes them run fast
* `analysis/`      measurements on text: reach, influence, attention, bytes
* `verification/`  the checks that this is Mistral and nothing else
* `serving/`       one engine for many sessions
* `training/`      from a folder of texts to a model folder
* `cli/`           `python -m mistral_core`

Quick start:

>>> from mistral_core import GenerationRequest, RecordingPlan, Run, SamplingSettings, load_model
>>> loaded = load_model("assets/models/storyteller")
>>> prompt = loaded.tokenizer.encode("Once upon a time there was a girl")
>>> request = GenerationRequest(prompt_ids=tuple(prompt), max_new_tokens=20, seed=7,
...                             sampling=SamplingSettings(temperature=0.8, top_p=0.95))
>>> run = Run(loaded.model, loaded.tokenizer, request, plan=RecordingPlan())
>>> for _ in run.prefill(): pass
>>> while not run.finish_reason: step = run.step()
>>> trace = run.trace()
>>> len(trace), trace.pattern(layer=3).shape  # tokens; tokens x heads x offsets in the window
(29, (29, 8, 16))
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

_HOME = {
    "MistralConfig": "config",
    "MISTRAL_7B": "config",
    "Trace": "trace.trace",
    "RecordingPlan": "trace.trace",
    "SamplingSettings": "sampling",
    "sampling_stages": "sampling",
    "Transformer": "model",
    "random_model": "model",
    "KVCache": "kv_cache",
    "recording": "hooks",
    "replacing": "hooks",
    "GenerationRequest": "request",
    "Run": "generation",
    "generate": "generation",
    "load_model": "checkpoint.load",
    "load_config": "checkpoint.configuration",
    "available_models": "checkpoint.registry",
}
__all__ = list(_HOME)

if TYPE_CHECKING:  # what type checkers and editors see
    from mistral_core.checkpoint.configuration import load_config  # noqa: F401
    from mistral_core.checkpoint.load import load_model  # noqa: F401
    from mistral_core.checkpoint.registry import available_models  # noqa: F401
    from mistral_core.config import MISTRAL_7B, MistralConfig  # noqa: F401
    from mistral_core.generation import Run, generate  # noqa: F401
    from mistral_core.hooks import recording, replacing  # noqa: F401
    from mistral_core.kv_cache import KVCache  # noqa: F401
    from mistral_core.model import Transformer, random_model  # noqa: F401
    from mistral_core.request import GenerationRequest  # noqa: F401
    from mistral_core.sampling import SamplingSettings, sampling_stages  # noqa: F401
    from mistral_core.trace.trace import RecordingPlan, Trace  # noqa: F401


def __getattr__(name: str) -> Any:
    """Public names are imported when first used: a recorded Trace plays without importing torch."""
    if name not in _HOME:
        raise AttributeError(f"module mistral_core has no attribute {name!r}")
    return getattr(importlib.import_module(f"mistral_core.{_HOME[name]}"), name)
