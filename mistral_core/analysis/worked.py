"""One number of a block, worked out from the numbers that it was made of, beside the one that the model stored.

Every number inside a block is a sum of products, and a few steps after it: a row of a matrix times a vector, two terms
of a rotation, a weighted sum of values. `worked` takes the stored inputs of one cell and the weights of one row, does
that sum in float64, and leaves the terms where one can look at them. It shares no code with the network's own forward
pass, so that the error beside each number is a check of both.

In a changed network the stored number may be another one than its inputs make: a knocked-out head is 0 whatever it
fetched. Stored numbers are what the next step reads; `agrees` says whether the two are the same to rounding.

Source: formulas as in `norm.py`, `rope.py`, `mask.py`, `attention.py`, `feed_forward.py`, with their papers there.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import cast

import numpy as np
from torch import Tensor, nn

from mistral_core.analysis.inside import Inside
from mistral_core.analysis.worked_cell import BY_KEY, STORED, Cell, Place, Step, Worked, stored_in
from mistral_core.model import Transformer
from mistral_core.ring import slots_of
from mistral_core.trace.shapes import PATTERN


def worked(model: Transformer, inside: Inside, layer: int, position: int, box: str, cell: Cell) -> Worked:
    """Works out one number.

    Args:
        model: the network that `inside` was read with.
        box, cell: which number; see `STORED` and `Worked`.

    Raises:
        ValueError: a box that does not exist, a cell outside it, or a position that is not kept.
    """
    if box not in STORED:
        raise ValueError(f"there is no box {box!r}; boxes are {', '.join(STORED)}")
    place = Place(model, inside, layer, position)
    place.check(box, cell)
    return _WORK[box](place, box, cell)


def default_cell(inside: Inside, layer: int, position: int, box: str, head: int = 0) -> Cell:
    """The number that is looked at first: the largest one, of the chosen head where there are heads."""
    config = inside.config
    if box in BY_KEY:
        weights = inside.by_key(layer, PATTERN, position)[head]
        key = int(inside.seen(layer, position)[weights.argmax()])
        return (key,) if box == "mask" else (head, key)
    values = np.abs(stored_in(inside, layer, position, box))
    if values.ndim == 1:
        return (int((stored_in(inside, layer, position, box) if box == "logits" else values).argmax()),)
    row = head if len(values) == config.n_heads else head // (config.n_heads // config.n_kv_heads)
    return (row, int(values[row].argmax()))


def _numbers(tensor: Tensor) -> np.ndarray:
    return tensor.detach().double().cpu().numpy()


def _resid_pre(at: Place, box: str, cell: Cell) -> Worked:
    """The embedding, and what every layer before has added."""
    parts, labels = [float(at.inside.at("hook_embed", at.position)[cell])], ["embedding"]
    for layer in range(at.layer):
        for hook, name in (("hook_attn_out", "attention"), ("hook_mlp_out", "MLP")):
            parts.append(float(at.inside.of(layer, hook, at.position)[cell]))
            labels.append(f"{name} of layer {layer + 1}")
    return at.make(box, cell, parts, labels=tuple(labels), names=("what was added to the stream", ""))


def _norm(at: Place, box: str, cell: Cell) -> Worked:
    """`x_i / sqrt(mean(x^2) + eps)`: the sum is that of the squares."""
    config = at.inside.config
    if box == "final_norm":
        x = at.inside.of(config.n_layers - 1, "hook_resid_post", at.position).astype(np.float64)
        scale_stored = float(at.inside.at("norm.hook_scale", at.position)[0])
    else:
        x = at.of("resid_pre" if box == "attention_norm" else "resid_mid")
        scale_stored = float(at.inside.of(at.layer, f"{box}.hook_scale", at.position)[0])
    mean = math.fsum(x * x) / len(x)
    scale = math.sqrt(mean + config.norm_eps)
    steps = (
        Step(f"mean of the squares: divided by {len(x)}", mean),
        Step(f"plus {config.norm_eps:g}, and its square root: the scale (stored: {scale_stored:.6g})", scale),
        Step(f"x, which is {x[cell]:.6g}, divided by the scale", float(x[cell]) / scale),
    )
    return at.make(box, cell, x, x, names=("x", "x"), steps=steps, scale=abs(float(x[cell])) / (scale * len(x) * mean))


def _row(module: str, norm: str) -> Callable[[Place, str, Cell], Worked]:
    """A row of a matrix times the normalised vector."""

    def work(at: Place, box: str, cell: Cell) -> Worked:
        part, name = module.split(".")
        block = at.block
        inside = block.attention if part == "attention" else block.feed_forward
        matrix = cast(nn.Linear, getattr(inside, name)).weight
        row = cell[0] if len(cell) == 1 else cell[0] * at.inside.config.head_dim + cell[1]
        gain = cast(nn.Module, getattr(block, norm)).weight
        left = at.of(norm) * _numbers(cast(Tensor, gain))
        return at.make(box, cell, left, _numbers(matrix[row]), names=("normalised × gain", f"{name}, row {row}"))

    return work


def _rotated(at: Place, box: str, cell: Cell) -> Worked:
    """`a cos - b sin` of the first of a pair, `a sin + b cos` of the second."""
    head, feature = cell
    pair, config = feature // 2, at.inside.config
    a, b = at.of(box.removeprefix("rot_"))[head, 2 * pair : 2 * pair + 2]
    angle = at.position * config.rope_theta ** (-2 * pair / config.head_dim)
    cos, sin = math.cos(angle), math.sin(angle)
    right, names = ((cos, -sin), "cos, -sin") if feature % 2 == 0 else ((sin, cos), "sin, cos")
    turn = f"{names} of {angle:.6g} radians"
    return at.make(box, cell, (float(a), float(b)), right, names=(f"pair {pair + 1}", turn), labels=("a", "b"))


def _ring(at: Place, box: str, cell: Cell) -> Worked:
    """Nothing is computed: the turned key and the value go into a slot as they are."""
    config, window = at.inside.config, at.inside.config.windows[at.layer]
    text = "no window: every position has a slot of its own"
    slot = at.position
    if window is not None:
        slot = int(slots_of(np.array([at.position]), window + config.sinks, config.sinks)[0])
        behind = f" behind the {config.sinks} kept ones" if config.sinks else ""
        text = f"slot = position {at.position} mod {window}{behind}: {slot}"
    key = float(at.of("rot_k")[cell])
    stored = float(at.inside.keys[at.layer][at.position][cell])
    steps = (Step(text, float(slot)), Step("the key's number, written as it is", key))
    return at.make(box, cell, (key,), names=("turned key", ""), steps=steps, stored=stored)


def _score(at: Place, box: str, cell: Cell) -> Worked:
    """`q . k / sqrt(head_dim)`."""
    head, key = cell
    dim = at.inside.config.head_dim
    q, k = at.of("rot_q")[head], at.inside.keys[at.layer][key, head // at.repeats].astype(np.float64)
    steps = (Step(f"divided by the square root of {dim}, {math.sqrt(dim):.4f}", math.fsum(q * k) / math.sqrt(dim)),)
    names = ("turned query", f"turned key of position {key}")
    stored = float(at.by_key(box)[head, at.column(key)])
    return at.make(box, cell, q, k, names=names, steps=steps, stored=stored, scale=dim**-0.5)


def _mask(at: Place, box: str, cell: Cell) -> Worked:
    """Three comparisons of positions: 1 = the key may be looked at."""
    (key,), q = cell, at.position
    config, window = at.inside.config, at.inside.config.windows[at.layer]
    steps = [Step(f"key {key} <= query {q}: not in the future", float(key <= q))]
    seen = key <= q
    if window is not None:
        near, kept = q - key < window, key < config.sinks
        steps.append(Step(f"{q} - {key} = {q - key} < W = {window}: in the window", float(near)))
        if config.sinks:
            steps.append(Step(f"or {key} < S = {config.sinks}: one of the kept first tokens", float(kept)))
        seen = seen and (near or kept)
    steps.append(Step("seen (1), or masked: the score becomes minus infinity (0)", float(seen)))
    column = at.column(key)
    stored = float(column >= 0 and bool(np.isfinite(at.by_key(box)[:, column]).any()))
    return at.make(box, cell, (), steps=tuple(steps), stored=stored)


def _pattern(at: Place, box: str, cell: Cell) -> Worked:
    """`exp(score) / sum of exp(score)`, all scores less the largest one."""
    head, key = cell
    scores, column = at.by_key("scores")[head], at.column(key)
    powers = np.exp(scores - scores.max())
    total = math.fsum(powers)
    steps = (
        Step(
            f"e to the power of (score {scores[column]:.4f} - largest score {scores.max():.4f})", float(powers[column])
        ),
        Step("divided by the sum", float(powers[column]) / total),
    )
    labels = tuple(f"position {p}" for p in at.inside.seen(at.layer, at.position))
    stored = float(at.by_key(box)[head, column])
    names = ("e to the power of (score - largest score)", "")
    return at.make(box, cell, powers, names=names, labels=labels, steps=steps, stored=stored, scale=1 / total)


def _z(at: Place, box: str, cell: Cell) -> Worked:
    """Values of the keys that are seen, each times its weight."""
    head, feature = cell
    seen = at.inside.seen(at.layer, at.position)
    values = at.inside.values[at.layer][seen, head // at.repeats, feature]
    labels = tuple(f"position {p}" for p in seen)
    return at.make(
        box, cell, at.by_key("pattern")[head], values, names=("weight", f"value, number {feature + 1}"), labels=labels
    )


def _out(at: Place, box: str, cell: Cell) -> Worked:
    """A row of the matrix that leads back to the stream."""
    name, left = ("wo", at.of("z").reshape(-1)) if box == "attn_out" else ("w2", at.of("post"))
    module = at.block.attention.wo if box == "attn_out" else at.block.feed_forward.w2
    names = ("z of all heads" if box == "attn_out" else "gated features", f"{name}, row {cell[0]}")
    return at.make(box, cell, left, _numbers(module.weight[cell[0]]), names=names)


def _added(at: Place, box: str, cell: Cell) -> Worked:
    before, part = ("resid_pre", "attn_out") if box == "resid_mid" else ("resid_mid", "mlp_out")
    labels = ("stream before", "added by attention" if box == "resid_mid" else "added by the MLP")
    return at.make(
        box, cell, (float(at.of(before)[cell]), float(at.of(part)[cell])), names=("number", ""), labels=labels
    )


def _gated(at: Place, box: str, cell: Cell) -> Worked:
    """`SiLU(gate) x value`, SiLU(x) = x / (1 + e^-x)."""
    gate, value = float(at.of("pre")[cell]), float(at.of("pre_linear")[cell])
    silu = gate * float(np.exp(-np.logaddexp(0.0, -gate)))
    steps = (
        Step(f"SiLU of w1's number {gate:.6g}: x / (1 + e^-x)", silu),
        Step(f"times w3's number, {value:.6g}", silu * value),
    )
    return at.make(box, cell, (silu,), (value,), names=("SiLU(w1 x)", "w3 x"), steps=steps)


def _logit(at: Place, box: str, cell: Cell) -> Worked:
    left = at.of("final_norm") * _numbers(at.model.norm.weight)
    output = at.model.tok_embeddings if at.model.output is None else at.model.output
    names = ("normalised × gain", f"output, row {cell[0]}")
    return at.make(box, cell, left, _numbers(cast(nn.Linear, output).weight[cell[0]]), names=names)


_WORK: dict[str, Callable[[Place, str, Cell], Worked]] = {
    "resid_pre": _resid_pre,
    "attention_norm": _norm,
    "q": _row("attention.wq", "attention_norm"),
    "k": _row("attention.wk", "attention_norm"),
    "v": _row("attention.wv", "attention_norm"),
    "rot_q": _rotated,
    "rot_k": _rotated,
    "ring": _ring,
    "scores": _score,
    "mask": _mask,
    "pattern": _pattern,
    "z": _z,
    "attn_out": _out,
    "resid_mid": _added,
    "ffn_norm": _norm,
    "pre": _row("feed_forward.w1", "ffn_norm"),
    "pre_linear": _row("feed_forward.w3", "ffn_norm"),
    "post": _gated,
    "mlp_out": _out,
    "resid_post": _added,
    "final_norm": _norm,
    "logits": _logit,
}
