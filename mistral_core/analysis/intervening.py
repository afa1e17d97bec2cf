"""Interventions at work: a sink that makes them, what it changes, and what it can change by theory.

The sink learns the positions of a pass where it begins (`hook_embed`), so it means the same in a dense pass, in a chunk
of prefill beside the ring, and in decoding. Keys and values that were stored under an intervention stay as they were
stored: a run is made under it from the first token to the last.

`touched` is the bound that the tests hold it to: in passes of one shape every cell outside is the same bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from mistral_core.analysis.gradients import log_probs, state_names
from mistral_core.analysis.influence import CHUNK, MAX_BYTES, Pass, captured, kl_divergence, read
from mistral_core.analysis.interventions import Add, Intervention, KnockOut, Patch, Severing, Slot, Span
from mistral_core.analysis.progress import Report, silent
from mistral_core.analysis.reach import Grid, spread, visible_keys
from mistral_core.config import MistralConfig
from mistral_core.generation import Run
from mistral_core.hooks import Capture
from mistral_core.model import Transformer
from mistral_core.request import GenerationRequest
from mistral_core.sampling import SamplingSettings
from mistral_core.tokenizer import Tokenizer
from mistral_core.trace.shapes import layer_hook, row_shape

BEGIN = "hook_embed"
SCORES, PATTERN = "attention.hook_attn_scores", "attention.hook_pattern"
STORED = ("attention.hook_k", "attention.hook_v", "attention.hook_rot_k")
"""Hooks of what other positions read."""
Edit = Callable[[Tensor, Tensor, Tensor | None], Tensor]
"""Gives the changed tensor, from the tensor, the positions of the pass and those of the keys."""
Readings = Mapping[tuple[int, ...], Capture]
"""What was captured of each text, joined to one tensor a hook."""


class Intervening:
    """A sink that makes edits, hook by hook, in the order in which they were given."""

    def __init__(self, edits: Iterable[tuple[str, Edit]]) -> None:
        self.edits: dict[str, list[Edit]] = {}
        for name, edit in edits:
            self.edits.setdefault(name, []).append(edit)
        self._positions: Tensor | None = None

    def anew(self) -> Intervening:
        """The same edits for another call, which has positions of its own."""
        return Intervening((name, edit) for name, edits in self.edits.items() for edit in edits)

    def wants(self, name: str) -> bool:
        return name in self.edits or (name == BEGIN and bool(self.edits))

    def visit(self, name: str, value: Tensor, query_positions: Tensor | None, key_positions: Tensor | None) -> Tensor:
        if name == BEGIN:
            self._positions = query_positions
        if self._positions is None:
            raise ValueError(
                f"{name} came before {BEGIN}; an intervention needs the positions of the pass, so enter it around a "
                f"whole forward pass"
            )
        for edit in self.edits.get(name, ()):
            value = edit(value, self._positions, key_positions)
        return value


def intervene(model: Transformer, interventions: Sequence[Intervention], token_ids: Sequence[int] = ()) -> Intervening:
    """A sink that makes the interventions, one after the other, in the calls that it watches.

    What it needs of other runs is read now: the other texts of patches, and `token_ids` for means.

    Args:
        token_ids: the text over whose positions means are taken. Needed if anything is knocked out to its mean.

    Raises:
        ValueError: an intervention that this model cannot have, or a text that is missing or too long to be kept.
    """
    for one in interventions:
        one.check(model.config)
    readings = _readings(model, interventions, tuple(token_ids))
    edits: list[tuple[str, Edit]] = []
    for one in interventions:
        if isinstance(one, KnockOut):
            edits.append(_knock_out(one, model.config, readings, tuple(token_ids)))
        elif isinstance(one, Severing):
            edits += _sever(one, model.config)
        elif isinstance(one, Patch):
            edits += [_patch(one, layer, readings[one.token_ids]) for layer in one.layers]
        else:
            edits.append(_add(one, model.config))
    return Intervening(edits)


def read_changed(
    model: Transformer, token_ids: Sequence[int], interventions: Sequence[Intervention], report: Report = silent
) -> Pass:
    """`influence.read` of a text under interventions.

    Raises:
        ValueError: as `intervene` and `read`.
    """
    return read(model, token_ids, report=report, sink=intervene(model, interventions, token_ids))


@dataclass(frozen=True, kw_only=True, eq=False)
class Effect:
    """What interventions do to the predictions of a text that is held fixed.

    Attributes:
        before, after: log-probability of the actual next token in nats; NaN at the last position, which has none.
        kl: KL(as it is || changed) of the next-token distribution after each position, in nats.
        state: relative change of every cell, `norm(d resid) / norm(resid)`; exactly 0 where no bit changed.
        original, changed: both readings.
    """

    before: Float[np.ndarray, " pos"]
    after: Float[np.ndarray, " pos"]
    kl: Float[np.ndarray, " pos"]
    state: Float[np.ndarray, "rows pos"]
    original: Pass
    changed: Pass


def effect(
    model: Transformer,
    token_ids: Sequence[int],
    interventions: Sequence[Intervention],
    *,
    original: Pass | None = None,
    report: Report = silent,
) -> Effect:
    """Reads a text as it is and under interventions, in passes of the same shape.

    Args:
        original: `influence.read` of the same text, if it is already there.

    Raises:
        ValueError: as `read_changed`, or an `original` of another text.
    """
    if original is None:
        original = read(model, token_ids, report=report)
    elif original.token_ids != tuple(token_ids):
        raise ValueError("the pass handed in is of another text; read this one, or hand in none")
    changed = read_changed(model, token_ids, interventions, report)
    following = torch.tensor([*token_ids[1:], 0], device=original.logits.device)[:, None]
    parts = []
    for start in range(0, len(token_ids), CHUNK):  # float64 copies of all logits at once could be large
        rows = slice(start, start + CHUNK)
        p, q = log_probs(original.logits[rows]), log_probs(changed.logits[rows])
        chosen = torch.cat((p.gather(1, following[rows]), q.gather(1, following[rows])), 1)
        parts.append(torch.cat((chosen, kl_divergence(p, q)[:, None]), 1))
    numbers = torch.cat(parts).cpu().numpy()
    numbers[-1, :2] = np.nan
    moved = (changed.states.double() - original.states.double()).norm(dim=-1).cpu().numpy()
    size = original.states.double().norm(dim=-1).cpu().numpy()
    with np.errstate(divide="ignore"):
        state = np.divide(moved, size, out=np.zeros_like(moved), where=moved != 0)
    return Effect(
        before=numbers[:, 0], after=numbers[:, 1], kl=numbers[:, 2], state=state, original=original, changed=changed
    )


def direction(
    model: Transformer, token_ids: Sequence[int], other_ids: Sequence[int], row: int, position: int
) -> tuple[float, ...]:
    """What the stream of another text has more than that of this one, at a place of the state grid: a vector for `Add`.

    Both are read whole, in passes of one shape, so that equal texts give exactly 0.

    Raises:
        ValueError: a row or position that is not in the grid of both, or a text that is too long to be kept.
    """
    names, length = state_names(model.config.n_layers), min(len(token_ids), len(other_ids))
    if not (0 <= row < len(names) and 0 <= position < length):
        raise ValueError(
            f"row {row} at position {position} is not in both grids; rows are 0 to {len(names) - 1}, positions 0 to "
            f"{length - 1}"
        )
    this, other = (_kept(model, tuple(ids), names[row : row + 1]) for ids in (token_ids, other_ids))
    difference = other[names[row]][0][position].double() - this[names[row]][0][position].double()
    return tuple(difference.tolist())


def write_on(
    model: Transformer,
    tokenizer: Tokenizer,
    token_ids: Sequence[int],
    max_new_tokens: int,
    interventions: Sequence[Intervention] = (),
    *,
    sampling: SamplingSettings | None = None,
    seed: int = 0,
    unsaid: bool = False,
    report: Report = silent,
) -> Run:
    """The run that goes on from a text, read and written under interventions; means are those of the text.

    Args:
        sampling: default: greedy.

    Raises:
        ValueError: as `intervene` and `GenerationRequest`.
    """
    request = GenerationRequest(
        prompt_ids=tuple(token_ids),
        max_new_tokens=max_new_tokens,
        sampling=sampling or SamplingSettings(temperature=0.0),
        seed=seed,
        unsaid=unsaid,
    )
    run = Run(model, tokenizer, request, sink=intervene(model, interventions, token_ids))
    for n_read in run.prefill():
        report(n_read, request.total, "reading the text")
    while not run.finish_reason:
        run.step()
        report(run.n_read, request.total, "writing on")
    return run


def touched(config: MistralConfig, interventions: Sequence[Intervention], length: int) -> Grid:
    """Cells of the state grid that the interventions can change: everything else stays the same bit for bit.

    Raises:
        ValueError: an intervention that this model cannot have.
    """
    starts = np.zeros((config.n_layers + 1, length), bool)
    for one in interventions:
        one.check(config)
        if isinstance(one, KnockOut):
            starts[one.layer + 1] |= _within(one.positions, length)
        elif isinstance(one, Add):
            starts[one.row] |= _within(one.positions, length)
        elif isinstance(one, Severing):
            for layer in one.layers or range(config.n_layers):
                starts[layer + 1] |= _loses(one, config, layer, length)
        else:
            for layer in one.layers:
                starts[layer + (one.hook != "hook_resid_pre")] |= _changed_by_patch(one, config, layer, length)
    return spread(config, starts)


def _loses(one: Severing, config: MistralConfig, layer: int, length: int) -> Bool[np.ndarray, " pos"]:
    """Queries that lose a key which they see."""
    keys, out = np.arange(length), np.zeros(length, bool)
    for block, visible in visible_keys(config, layer, length):
        queries = keys[block][:, None]
        out[block] = (visible & one.severs(queries, keys, config.windows[layer], config.sinks)).any(1)
    return out


def _changed_by_patch(one: Patch, config: MistralConfig, layer: int, length: int) -> Bool[np.ndarray, " pos"]:
    there = _within(one.positions, length)
    if one.hook not in STORED:
        return there
    seen = np.zeros(length, bool)
    for block, visible in visible_keys(config, layer, length):
        seen[block] = (visible & there).any(1)
    return seen


def _within(span: Span | None, length: int) -> Bool[np.ndarray, " pos"]:
    positions = np.arange(length)
    return positions >= 0 if span is None else (positions >= span[0]) & (positions < span[1])


def _readings(model: Transformer, interventions: Sequence[Intervention], token_ids: tuple[int, ...]) -> Readings:
    """Every text that is needed, read once in the network as it is."""
    wanted: dict[tuple[int, ...], set[str]] = {}
    for one in interventions:
        if isinstance(one, Patch):
            wanted.setdefault(one.token_ids, set()).update(layer_hook(layer, one.hook) for layer in one.layers)
        elif isinstance(one, KnockOut) and one.to == "mean":
            if not token_ids:
                raise ValueError("a mean is asked for and there is no text to take it over; give its tokens")
            wanted.setdefault(token_ids, set()).add(layer_hook(one.layer, one.hook))
    return {ids: _kept(model, ids, sorted(names)) for ids, names in wanted.items()}


def _kept(model: Transformer, token_ids: tuple[int, ...], names: Sequence[str]) -> Capture:
    """The named tensors of a text, if they are not too many to be kept."""
    length = len(token_ids)
    row = sum(int(np.prod(row_shape(model.config, name, length))) for name in names) * model.dtype.itemsize
    if length * row > MAX_BYTES:
        raise ValueError(
            f"{length:,} tokens need {length * row:,} bytes for what is taken from them; at most {MAX_BYTES:,} are "
            f"used, so shorten the text or name fewer layers"
        )
    return captured(model, token_ids, names)


def _knock_out(
    one: KnockOut, config: MistralConfig, readings: Readings, token_ids: tuple[int, ...]
) -> tuple[str, Edit]:
    name = layer_hook(one.layer, one.hook)
    mean = readings[token_ids][name][0].mean(0) if one.to == "mean" else None

    def edit(value: Tensor, positions: Tensor, key_positions: Tensor | None) -> Tensor:
        new = torch.zeros_like(value) if mean is None else mean.to(value).expand_as(value)
        if one.index is not None:
            heads = one.heads(config)
            new = torch.cat((value[:, :, : heads.start], new[:, :, heads], value[:, :, heads.stop :]), 2)
        return new if one.positions is None else torch.where(_mask(one.positions, positions, value), new, value)

    return name, edit


def _sever(one: Severing, config: MistralConfig) -> list[tuple[str, Edit]]:
    edits: list[tuple[str, Edit]] = []
    for layer in one.layers or range(config.n_layers):
        severed = _severed(one, config, layer)
        if isinstance(one, Slot) and one.to == "zero":
            edits += [
                (layer_hook(layer, SCORES), _score_zero(severed)),
                (layer_hook(layer, PATTERN), _fill(severed, 0.0)),
            ]
        elif one.before_softmax:
            edits.append((layer_hook(layer, SCORES), _fill(severed, float("-inf"))))
        else:
            edits.append((layer_hook(layer, PATTERN), _fill(severed, 0.0)))
    return edits


Severed = Callable[[Tensor, Tensor | None], Tensor]


def _severed(one: Severing, config: MistralConfig, layer: int) -> Severed:
    def severed(
        positions: Int[Tensor, "batch pos"], key_positions: Int[Tensor, "batch key_pos"] | None
    ) -> Bool[Tensor, "batch 1 pos key_pos"]:
        if key_positions is None:
            raise ValueError("attention came without the positions of its keys; hand them to its HookPoint")
        queries, keys = positions[:, None, :, None], key_positions[:, None, None, :]
        # empty slots are hidden already, and padding queries see what no real query reads
        return one.severs(queries, keys, config.windows[layer], config.sinks) & (keys >= 0) & (queries >= 0)

    return severed


def _fill(severed: Severed, with_value: float) -> Edit:
    return lambda value, positions, keys: value.masked_fill(severed(positions, keys), with_value)


def _score_zero(severed: Severed) -> Edit:
    """The score of a key that is 0, where the key is seen at all."""
    return lambda value, positions, keys: value.masked_fill(severed(positions, keys) & value.isfinite(), 0.0)


def _patch(one: Patch, layer: int, reading: Capture) -> tuple[str, Edit]:
    name = layer_hook(layer, one.hook)
    other = reading[name][0]

    def edit(value: Tensor, positions: Tensor, key_positions: Tensor | None) -> Tensor:
        new = other.to(value)[positions.clamp(0, len(other) - 1)]
        mask = _mask(one.positions, positions, value)
        if one.heads is not None:
            chosen = torch.zeros(value.shape[2], dtype=torch.bool, device=value.device)
            chosen[list(one.heads)] = True
            mask = mask & chosen[:, None]
        return torch.where(mask, new, value)

    return name, edit


def _add(one: Add, config: MistralConfig) -> tuple[str, Edit]:
    vector = torch.tensor(one.vector, dtype=torch.float64)

    def edit(value: Tensor, positions: Tensor, key_positions: Tensor | None) -> Tensor:
        return torch.where(_mask(one.positions, positions, value), value + vector.to(value), value)

    return state_names(config.n_layers)[one.row], edit


def _mask(span: Span, positions: Int[Tensor, "batch pos"], value: Tensor) -> Tensor:
    """True at the positions of the span, with axes of 1 for everything behind."""
    inside = (positions >= span[0]) & (positions < span[1])
    return inside.view(*inside.shape, *([1] * (value.ndim - 2)))
