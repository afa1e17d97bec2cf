"""What is checked and how differences are judged: the bounds, the line of the table, the model's variants.

Large windows are narrowed and large models cut to their first layers, and every line says so:
no weight depends on a window, and the code that runs is the same.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mistral_core.analysis.accounting import parameter_count
from mistral_core.checkpoint.load import LoadedModel
from mistral_core.checkpoint.narrow import Weights
from mistral_core.checkpoint.variants import first_layers, in_dtype, with_windows
from mistral_core.config import Window
from mistral_core.model import Transformer

FLOAT32_BOUND = 1e-4
"""Allowed difference in float32, relative to the largest number compared."""
SHARES: Mapping[Weights, float] = {"float32": FLOAT32_BOUND, "int8": 2e-3, "bfloat16": 3e-2}
"""The same for the products of each kind of weights, which round the stream: to 16 bits, or to 8 of bfloat16. Measured:
int8 1.4e-4 on the bundled model; bfloat16 6e-3, since one token is rounded and several are not (`narrow.py`).
"""
FLOAT64_BOUND = 1e-10
"""Allowed difference in float64, absolute."""
LARGE_MODEL = 1_000_000_000
"""Parameters above which only the first layers are checked."""
LARGE_MODEL_LAYERS = 2
WIDEST_WINDOW = 64
"""Wider windows are narrowed to this: several windows of text must pass in seconds."""
LONGEST_REACH = 480
"""Tokens of reach that the reach check can follow; windows are narrowed until all depths fit."""
STATED_CHUNK = 16
"""Takes the place of W in the chunk sizes of a model without a window."""


@dataclass(frozen=True, kw_only=True)
class CheckResult:
    """One line of the table.

    Attributes:
        check: its name. compared: what with what, in which dtype.
        max_abs_error: largest absolute difference; `None` where the check does not apply or broke off.
        bound: the largest that is allowed.
        ok: whether it passed; true where it does not apply, false where nothing is proven.
        proven: false where the check could not decide; then nothing was found wrong either.
        applies: false where this model has nothing to check. note: why, and under which conditions.
    """

    check: str
    compared: str
    max_abs_error: float | None
    bound: float | None
    ok: bool
    applies: bool = True
    proven: bool = True
    note: str = ""


@dataclass(frozen=True, eq=False)
class Subject:
    """What is checked: the model as loaded, and the variants that are cheap enough to compare.

    Attributes:
        loaded: as it came from the folder.
        models: by dtype, with narrowed windows and, for a large model, its first layers.
        tokens: `[1, T]`, longer than four windows.
        note: how the variants differ from the model, "" if they do not.
    """

    loaded: LoadedModel
    models: dict[torch.dtype, Transformer]
    tokens: Int[Tensor, "1 pos"]
    note: str

    @property
    def windows(self) -> tuple[Window, ...]:
        """Of the variants, by layer."""
        return self.models[torch.float64].config.windows

    @property
    def widest(self) -> int:
        """The widest window; the stated chunk size where there is none."""
        return max((window for window in self.windows if window is not None), default=STATED_CHUNK)

    @property
    def share(self) -> float:
        """What the running model's logits may differ by, relative to the largest."""
        return SHARES[self.loaded.weights]


def make_subject(loaded: LoadedModel) -> Subject:
    """Cuts and narrows where a check of the whole would take minutes, and says so."""
    model, notes = loaded.model, []
    total = parameter_count(loaded.config)["total"]
    if total > LARGE_MODEL and loaded.config.n_layers > LARGE_MODEL_LAYERS:
        model = first_layers(model, LARGE_MODEL_LAYERS)
        notes.append(f"first {LARGE_MODEL_LAYERS} of {loaded.config.n_layers} layers, as it has {total:,} parameters")
    windows = model.config.windows
    narrowed = narrow(windows, WIDEST_WINDOW)
    if narrowed != windows:
        model = with_windows(model, narrowed)
        notes.append(f"window narrowed from {_widest(windows)} to {_widest(narrowed)}")
    models = {dtype: in_dtype(model, dtype) for dtype in (torch.float32, torch.float64)}
    length = 4 * (_widest(narrowed) or STATED_CHUNK) + 8
    return Subject(loaded, models, _random_text(model, length), "; ".join(notes))


def narrow(windows: Sequence[Window], widest: int) -> tuple[Window, ...]:
    """No window wider than `widest`; layers without one stay without."""
    return tuple(window if window is None else min(window, widest) for window in windows)


def _widest(windows: Sequence[Window]) -> int | None:
    return max((window for window in windows if window is not None), default=None)


def _random_text(model: Transformer, length: int) -> Int[Tensor, "1 pos"]:
    """Any ids do: the checks compare two computations of the same text."""
    return torch.randint(model.config.vocab_size, (1, length), generator=torch.Generator().manual_seed(0))


def dense_reference(model: Transformer, tokens: Int[Tensor, "1 pos"]) -> Float[Tensor, "1 pos vocab_size"]:
    """What the others are compared with: one causal, windowed pass without a ring."""
    with torch.inference_mode():
        return model(tokens).cpu()


def difference(computed: Tensor, expected: Tensor, share: float = FLOAT32_BOUND) -> tuple[float, float]:
    """Largest absolute difference, and what is allowed in this dtype; `share` of the largest number in float32.

    Raises:
        ValueError: shapes or dtypes that differ.
    """
    if computed.shape != expected.shape or computed.dtype != expected.dtype:
        raise ValueError(
            f"{tuple(computed.shape)} {computed.dtype} cannot be compared with {tuple(expected.shape)} {expected.dtype}"
        )
    computed, expected = computed.cpu(), expected.cpu()
    bound = FLOAT64_BOUND
    if expected.dtype != torch.float64:
        bound = share * float(expected.abs().max())
    return float((computed.double() - expected.double()).abs().max()), bound


def worse(a: float, b: float) -> float:
    """The larger error; NaN is worse than any number (`max` would lose it)."""
    return a if math.isnan(a) or a > b else b


def worst_of(errors: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Of (error, bound) pairs the one that comes nearest to its bound or exceeds it most; NaN is worst."""
    return max(errors, key=lambda pair: math.inf if math.isnan(pair[0]) else pair[0] / max(pair[1], 1e-300))


def result(check: str, compared: str, error: float, bound: float, note: str = "") -> CheckResult:
    """A line whose `ok` follows from the numbers; NaN is never within a bound."""
    return CheckResult(check=check, compared=compared, max_abs_error=error, bound=bound, ok=error <= bound, note=note)


def skipped(check: str, compared: str, note: str) -> CheckResult:
    """A line for what this model does not have."""
    return _unmeasured(check, compared, f"does not apply: {note}", ok=True, applies=False)


def undecided(check: str, compared: str, note: str) -> CheckResult:
    """A line for what could be right or wrong: neither passed nor failed."""
    return _unmeasured(check, compared, f"not proven: {note}", ok=False, proven=False)


def _unmeasured(check: str, compared: str, note: str, **verdict: bool) -> CheckResult:
    return CheckResult(check=check, compared=compared, max_abs_error=None, bound=None, note=note, **verdict)


def name_of(dtype: torch.dtype) -> str:
    """`float32` for `torch.float32`."""
    return str(dtype).removeprefix("torch.")


def join(*notes: str) -> str:
    """The notes that say something."""
    return "; ".join(note for note in notes if note)
