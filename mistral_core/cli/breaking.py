"""The command `knock-out`: which parts of the network a prediction needs, and what changes where some are missing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
import typer

from mistral_core.analysis.spelled_changes import FORMS, change_in_words, in_rings, interventions_of, one_of, spelled
from mistral_core.checkpoint.registry import DEFAULT_MODEL
from mistral_core.cli.flags import LOOK, Device, Dtype, Json, Model, Text
from mistral_core.cli.run import load, print_json, report, status

if TYPE_CHECKING:
    from mistral_core.checkpoint.load import LoadedModel

MOST_LISTED = 8
"""Parts, and positions, that are printed; `--json` has them all."""


def register(app: typer.Typer) -> None:
    """Adds the command of this file."""
    app.command("knock-out", rich_help_panel=LOOK)(knock_out)


def knock_out(
    text: Text,
    target: Annotated[
        int | None, typer.Option(help="Position of the prediction.", show_default="the last that has a next token")
    ] = None,
    change: Annotated[
        list[str] | None,
        typer.Option(help=f"{one_of(FORMS)} (can be repeated); without one, every part in turn.", show_default=False),
    ] = None,
    to: Annotated[Literal["zero", "mean"], typer.Option(help="What a part gives instead.")] = "zero",
    model: Model = DEFAULT_MODEL,
    dtype: Dtype = "float64",
    device: Device = "cpu",
    as_json: Json = False,
) -> None:
    """Silence parts of the network: which ones a prediction needs, and what changes along the text without some."""
    loaded = load(model, dtype, device)
    ids = loaded.tokenizer.encode(text)
    at = len(ids) - 2 if target is None else target
    if not 0 <= at < len(ids) - 1:
        raise ValueError(f"--target is {at}; positions that have a next token are 0 to {len(ids) - 2}")
    content = _changed(loaded, ids, at, change, to) if change else _mapped(loaded, ids, at, to)
    status("")
    print_json(content) if as_json else typer.echo(_text(content))


def _head(loaded: LoadedModel, ids: list[int], at: int, to: str) -> dict[str, Any]:
    label = loaded.tokenizer.label
    return {
        "model": loaded.name,
        "model_hash": loaded.model_hash,
        "tokens": [label(token) for token in ids],
        "target": at,
        "token": label(ids[at + 1]),
        "to": to,
    }


def _changed(
    loaded: LoadedModel, ids: list[int], at: int, changes: list[str], to: Literal["zero", "mean"]
) -> dict[str, Any]:
    """Log-probabilities of the text as it is and changed, and KL, at every position."""
    from mistral_core.analysis.intervening import effect, touched

    made = [in_rings(one, loaded.config) for one in interventions_of(changes, to)]
    measured = effect(loaded.model, ids, made, report=report)
    can = touched(loaded.config, made, len(ids))[-1]
    return {
        **_head(loaded, ids, at, to),
        "changes": changes,
        "log_prob": float(measured.before[at]),
        "log_prob_changed": float(measured.after[at]),
        "kl": measured.kl.tolist(),
        "before": measured.before[:-1].tolist(),
        "after": measured.after[:-1].tolist(),
        "cannot_change": int(np.argmax(can)) if can.any() else len(ids),
    }


def _mapped(loaded: LoadedModel, ids: list[int], at: int, to: Literal["zero", "mean"]) -> dict[str, Any]:
    """What every head, K/V head and MLP does to one prediction, alone."""
    from mistral_core.analysis.knock_out_map import knock_out_map

    measured = knock_out_map(loaded.model, ids, at, to=to, report=report)
    parts = {"head": measured.heads, "group": measured.groups, "mlp": measured.mlps}
    return {
        **_head(loaded, ids, at, to),
        "log_prob": measured.log_prob,
        "change": {name: part.change.tolist() for name, part in parts.items()},
        "kl": {name: part.kl.tolist() for name, part in parts.items()},
    }


def _text(content: dict[str, Any]) -> str:
    token, at = content["token"], content["target"]
    lines = [f"{content['model']}: ln p of {token!r} after position {at} is {content['log_prob']:.3f} nats"]
    if "changes" in content:
        said = "; ".join(change_in_words(one) for one in content["changes"])
        lines.append(f"where {said}: {content['log_prob_changed']:.3f}, KL {content['kl'][at]:.3g} nats")
        lines.append(f"the first {content['cannot_change']} predictions cannot change (theory)")
        order = sorted(range(len(content["kl"])), key=lambda position: -content["kl"][position])[:MOST_LISTED]
        lines += [
            f"  {position:>5} {content['tokens'][position]:<14} KL {content['kl'][position]:.3g}" for position in order
        ]
        return "\n".join(lines)
    rows = [
        (change, spelled(part, layer, None if part == "mlp" else index))
        for part, values in content["change"].items()
        for layer, row in enumerate(values)
        for index, change in enumerate(row)
    ]
    lines.append("without a part alone, it changes by")
    lines += [f"  {change:+9.3f}  {name:<10} {change_in_words(name)}" for change, name in sorted(rows)[:MOST_LISTED]]
    return "\n".join(lines)
