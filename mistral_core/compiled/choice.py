"""Whether a model's texts go on by the compiled step: tried on this processor, beside the plain network.

The compiled step has to say the same and to be faster; else, or where numba is not installed, the plain network reads
each text alone. What was chosen is said in a sentence, with the times it was chosen by.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from mistral_core.kv_cache import KVCache
from mistral_core.model import Transformer
from mistral_core.trace.recorder import Recorder
from mistral_core.trace.trace import NOTHING

if TYPE_CHECKING:
    from mistral_core.compiled.reader import CompiledReader

TOKENS = 6
"""That are read in both ways; the first is not timed."""
CLOSE = 1e-4
"""The largest difference of two logits, as a share of the largest one, that is rounding."""


@dataclass(frozen=True)
class Step:
    """How one token of a text is read.

    Attributes:
        reader: of many texts at once; `None` = the plain network, one text after the other.
        said: a sentence on it.
    """

    reader: CompiledReader | None
    said: str


def choose_step(model: Transformer, *, alike: bool = False) -> Step:
    """Tries both ways on a few tokens; compiles first, once for a machine.

    Args:
        alike: whether only what is computed counts, and no time: processes that go on with each other's texts must not
            choose differently because one of them was busy when it tried.
    """
    try:
        from mistral_core.compiled.reader import CompiledReader

        reader = CompiledReader(model)
    except (ImportError, ValueError) as error:
        return Step(None, f"each token of a text is read by the plain network ({error})")
    trial = _Trial(model)
    plain, as_it_is = _timed(lambda token: _plainly(model, trial, token))
    trial = _Trial(model)
    fast, compiled = _timed(lambda token: _compiled(reader, trial, token))
    off = float(np.abs(as_it_is - compiled).max() / max(1.0, float(np.abs(as_it_is).max())))
    if not off < CLOSE:
        return Step(None, f"each token is read by the plain network: compiled code is off by {off:.0e} on this machine")
    if fast >= plain and not alike:
        return Step(
            None, f"each token is read by the plain network: compiled code takes {fast / plain:.1f} times as long"
        )
    return Step(
        reader,
        f"tokens of all texts are read at once by compiled code, {plain / fast:.1f} times as fast for one text as the "
        "plain network (both tried when the model was loaded), and the same for a text alone or among others",
    )


class _Trial:
    """What the reader asks of a run."""

    def __init__(self, model: Transformer) -> None:
        self.n_read, self.total = 0, TOKENS
        self.kv_cache: KVCache = model.empty_kv_cache(max_context=TOKENS)
        self.recorder = Recorder(model.config, NOTHING, TOKENS, TOKENS, model.dtype)


def _timed(read: Callable[[int], np.ndarray]) -> tuple[float, np.ndarray]:
    """Seconds of the fastest token, and the logits of all."""
    logits, seconds = [], []
    for token in range(TOKENS):
        began = time.perf_counter()
        logits.append(read(token + 3))
        seconds.append(time.perf_counter() - began)
    return min(seconds[1:]), np.stack(logits)


def _plainly(model: Transformer, trial: _Trial, token: int) -> np.ndarray:
    with torch.inference_mode():
        logits: np.ndarray = model(torch.tensor([[token]]), kv_cache=trial.kv_cache)[0, 0].numpy()
    return logits


def _compiled(reader: CompiledReader, trial: _Trial, token: int) -> np.ndarray:
    logits: np.ndarray = reader.read([trial], [token])[0]
    trial.n_read += 1
    return logits
