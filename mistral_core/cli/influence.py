"""Commands on influence: a change and where it is felt, a fact pushed back, and what is typical.

Every number that the pages show of influence can be had here. Torch is imported by the commands.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mistral_core.checkpoint.registry import DEFAULT_MODEL
from mistral_core.cli.flags import LOOK, Device, Dtype, Json, Model, Seed, Text
from mistral_core.cli.run import load, print_json, report, status

if TYPE_CHECKING:
    import numpy as np

    from mistral_core.analysis.distance import DistanceProfile
    from mistral_core.analysis.influence import BackwardInfluence, CorridorInfluence, ForwardInfluence
    from mistral_core.analysis.reach import Cut
    from mistral_core.checkpoint.load import LoadedModel

TYPICAL_TEXTS, TYPICAL_LENGTH, TYPICAL_SOURCES = 6, 120, 10
"""Texts that the model writes itself, their tokens, and tokens replaced in each."""
ROUNDING = 4
"""Steps of a dtype (its `eps`) below which the relative change of a state is no more than rounding."""


def register(app: typer.Typer) -> None:
    """Adds the commands of this file."""
    app.command("influence", rich_help_panel=LOOK)(influence)
    app.command("push-back", rich_help_panel=LOOK)(push_back)
    app.command("influence-profile", rich_help_panel=LOOK)(influence_profile)


def influence(
    text: Text,
    source: Annotated[int, typer.Option(help="Position of the token that is replaced.", show_default=False)],
    target: Annotated[
        int | None, typer.Option(help="Position whose prediction is followed back.", show_default=False)
    ] = None,
    layer: Annotated[
        int | None, typer.Option(help="Only this row: 0 = embedding, 1 = after the first layer.", show_default=False)
    ] = None,
    replacement: Annotated[
        str | None, typer.Option(help="One token; default: drawn from the text.", show_default=False)
    ] = None,
    cut: Annotated[
        list[str] | None,
        typer.Option(help="KEY:QUERY or KEY:QUERY:LAYER, an edge to take away (can be repeated).", show_default=False),
    ] = None,
    cut_layer: Annotated[
        list[int] | None, typer.Option(help="A layer in which nothing moves sideways.", show_default=False)
    ] = None,
    seed: Seed = 0,
    model: Model = DEFAULT_MODEL,
    dtype: Dtype = "float64",
    device: Device = "cpu",
    as_json: Json = False,
) -> None:
    """Replace one token: where it is felt, and how much; with a target, how it gets there."""
    loaded = load(model, dtype, device)
    from mistral_core.analysis.influence import REPLACEMENT_RULE, corridor_influence, default_replacement
    from mistral_core.analysis.influence import forward_influence as measure
    from mistral_core.tokenizer import single_token

    ids, rows = loaded.tokenizer.encode(text), loaded.config.n_layers
    if layer is not None and not 0 <= layer <= rows:
        raise ValueError(f"--layer is {layer}; rows are 0 (embedding) to {rows}")
    cuts = parse_cuts(cut or [], cut_layer or [], len(ids))
    if replacement is None:
        new, rule = default_replacement(ids, source, seed), f"{REPLACEMENT_RULE}; seed {seed}"
    else:
        new, rule = single_token(loaded.tokenizer, replacement), "given"
    pair = None
    if target is None:
        forward = measure(loaded.model, ids, source, new, cuts=cuts, report=report)
    else:
        token = None if target < len(ids) - 1 else _likeliest(loaded, ids)
        pair = corridor_influence(loaded.model, ids, source, target, new, token, cuts=cuts, report=report)
        forward = pair.forward
    status("")
    content = influence_json(loaded, ids, forward, pair, layer, rule)
    print_json(content) if as_json else typer.echo(influence_text(content))


def push_back(
    opening: Annotated[str | None, typer.Option(help="Text with {} where the word stands.", show_default=False)] = None,
    words: Annotated[tuple[str, str] | None, typer.Option(help="The word and its swap.", show_default=False)] = None,
    answers: Annotated[
        tuple[str, str] | None, typer.Option(help="What each of them makes likely.", show_default=False)
    ] = None,
    question: Annotated[str | None, typer.Option(help="After which the answer is due.", show_default=False)] = None,
    seed: Seed = 0,
    model: Model = DEFAULT_MODEL,
    dtype: Dtype = "float64",
    device: Device = "cpu",
    as_json: Json = False,
) -> None:
    """Put neutral sentences between a word and the question that depends on it."""
    loaded = load(model, dtype, device)
    from mistral_core.analysis.cases import GIRL
    from mistral_core.analysis.push_back import push_back as measure
    from mistral_core.analysis.push_back import typical_beside
    from mistral_core.analysis.swap import Case

    case = Case(
        opening=opening or GIRL.opening,
        words=words or GIRL.words,
        answers=answers or GIRL.answers,
        question=GIRL.question if question is None else question,
        fillers=GIRL.fillers,
    )
    measured = measure(loaded.model, loaded.tokenizer, case, report)
    typical = typical_beside(loaded.model, loaded.tokenizer, measured, seed, report)
    status("")
    if as_json:
        beside = {"seed": seed, "typical": [asdict(row) for row in typical]}
        print_json(
            {"model": loaded.name, "model_hash": loaded.model_hash, "dtype": dtype, **asdict(measured), **beside}
        )
        return
    typer.echo(f"{case.text(0)}\nswap: {case.words[1]}; windows {measured.marks}, exact reach {measured.reach}\n")
    heading = f"p({case.answers[0]}) as {case.words[0]} / as {case.words[1]}"
    typer.echo(f"  distance          KL   {heading}   KL of ordinary words: median, mean (how many)")
    for swap, row in zip(measured.swaps, typical, strict=True):
        probabilities = f"{swap.first[0]:.4f} / {swap.swapped[0]:.4f}"
        ordinary = f"{row.median:.3g}, {row.mean:.3g} ({row.count})"
        typer.echo(f"  {swap.distance:>8}  {swap.kl:>10.3g}   {probabilities:<{len(heading)}}   {ordinary}")


def influence_profile(
    text: Annotated[
        list[str] | None, typer.Option(help="A text (can be repeated); default: the model writes.", show_default=False)
    ] = None,
    sources: Annotated[int, typer.Option(help="Tokens replaced in each text.")] = TYPICAL_SOURCES,
    max_distance: Annotated[int | None, typer.Option(help="How far to look.", show_default="reach + 1")] = None,
    untrained: Annotated[bool, typer.Option("--untrained", help="Random weights of the same shape.")] = False,
    seed: Seed = 0,
    model: Model = DEFAULT_MODEL,
    dtype: Dtype = "float64",
    device: Device = "cpu",
    as_json: Json = False,
) -> None:
    """Influence against distance over many tokens: what can be seen and what is used."""
    loaded = load(model, dtype, device)
    from mistral_core.analysis.distance import distance_profile
    from mistral_core.model import random_model

    reach = loaded.config.exact_reach()
    far = max_distance or (256 if reach is None else reach + 1)
    ids = [loaded.tokenizer.encode(one) for one in text or []]
    ids = ids or written_texts(loaded, TYPICAL_TEXTS, 2 * far, seed)
    network = loaded.model
    if untrained:
        network = random_model(loaded.config, seed, dtype=network.dtype).to(device)
    profile = distance_profile(network, ids, far, sources, seed=seed, report=report)
    status("")
    content = {"model": "random weights" if untrained else loaded.name, **profile_json(profile), "exact_reach": reach}
    if as_json:
        print_json(content)
        return
    typer.echo(f"{len(profile.replaced)} tokens replaced; exact reach {reach}\n\n  distance     KL mean   KL median")
    for d in range(len(profile.kl_mean)):
        if d in (1, 2, 4, 8, 12) or d % 16 in (0, 15) or d == len(profile.kl_mean) - 1:
            typer.echo(f"  {d:>8}  {profile.kl_mean[d]:>10.3g}  {profile.kl_median[d]:>10.3g}")
    held = content["held_within"]["kl"]
    typer.echo(f"\nOf the mean KL at distances from 1, 90 % lie within {held['0.9']}, 99 % within {held['0.99']}.")


def parse_cuts(edges: Sequence[str], layers: Sequence[int], length: int) -> list[Cut]:
    """The flags `--cut KEY:QUERY[:LAYER]` and `--cut-layer LAYER`.

    Raises:
        ValueError: another form, or a cut that cannot be made.
    """
    from mistral_core.analysis.reach import cut_edge, cut_layer

    cuts = [cut_layer(layer, length) for layer in layers]
    for edge in edges:
        parts = edge.split(":")
        if len(parts) not in (2, 3) or not all(part.isascii() and part.isdigit() for part in parts):
            raise ValueError(f"--cut is {edge!r}; it must be KEY:QUERY or KEY:QUERY:LAYER, whole numbers")
        cuts.append(cut_edge(*map(int, parts)))
    return cuts


def written_texts(loaded: LoadedModel, n_texts: int, length: int, seed: int) -> list[list[int]]:
    """Texts of the model's own, `length` tokens each where it does not end before; at least 8."""
    from mistral_core.generation import Run
    from mistral_core.request import GenerationRequest
    from mistral_core.sampling import SamplingSettings

    texts: list[list[int]] = []
    for number in range(8 * n_texts):  # a model may end some texts at once; it will not end all of them
        request = GenerationRequest(
            prompt_ids=(loaded.tokenizer.bos_id,),
            max_new_tokens=length - 1,
            seed=seed + number,
            sampling=SamplingSettings(temperature=0.8, top_p=0.95),
        )
        run = Run(loaded.model, loaded.tokenizer, request)
        for _ in run.prefill():
            status(f"writing text {len(texts) + 1} of {n_texts}")
        run.complete()
        if run.n_read >= min(8, length):
            texts.append(run.token_ids[: run.n_read].tolist())
        if len(texts) == n_texts:
            break
    if not texts:
        raise ValueError("this model ends every text at once; give texts of your own (--text)")
    return texts


def influence_json(
    loaded: LoadedModel,
    ids: Sequence[int],
    forward: ForwardInfluence,
    pair: CorridorInfluence | None,
    row: int | None,
    rule: str,
) -> dict[str, Any]:
    """The readings as JSON values; numbers that do not exist are null."""
    import torch

    from mistral_core.analysis.reach import forward_edge

    label, config, precision = loaded.tokenizer.label, loaded.config, loaded.model.dtype
    rows = list(range(config.n_layers + 1)) if row is None else [row]
    return {
        "model": loaded.name,
        "model_hash": loaded.model_hash,
        "dtype": str(precision).removeprefix("torch."),
        "rounding": ROUNDING * torch.finfo(precision).eps,
        "tokens": [label(token) for token in ids],
        "token_ids": list(ids),
        "source": forward.source,
        "original": label(forward.original),
        "replacement": label(forward.replacement),
        "replacement_id": forward.replacement,
        "replacement_rule": rule,
        "cuts": [asdict(cut) for cut in forward.cuts],
        "exact_reach": config.exact_reach(),
        "rows": rows,
        "edges": [forward_edge(config, index) for index in rows],
        "forward": {
            "change": plain(forward.change[rows]),
            "kl": plain(forward.kl),
            "probability_before": plain(forward.before),
            "probability_after": plain(forward.after),
        },
        **({} if pair is None else {"backward": _backward_json(pair.backward, rows, label(pair.backward.token))}),
        **({} if pair is None else {"corridor": _corridor_json(pair, rows)}),
    }


def _backward_json(reading: BackwardInfluence, rows: list[int], label: str) -> dict[str, Any]:
    return {
        "target": reading.target,
        "token": label,
        "log_prob": reading.log_prob,
        "read_from": reading.first_read,
        "influence": plain(reading.influence[rows]),
    }


def _corridor_json(pair: CorridorInfluence, rows: list[int]) -> dict[str, Any]:
    return {
        "theory": pair.theory[rows].astype(int).tolist(),
        "through": plain(pair.through[rows]),
        "log_prob_before": pair.log_prob_before,
        "log_prob_after": pair.log_prob_after,
        "steps": pair.steps,
        "error": pair.error,
    }


def influence_text(content: dict[str, Any]) -> str:
    """`influence_json` for people: one line a position from the source on."""
    forward, source = content["forward"], content["source"]
    lines = [
        f"position {source}: {content['original']} -> {content['replacement']} ({content['replacement_rule']})",
        f"exact reach {content['exact_reach']}",
        "",
        f"  {'position':>8}  {'token':<14} {'change of state':>15} {'KL (nats)':>11} {'p(next)':>9} {'after':>9}",
    ]
    for position in range(source, len(content["tokens"])):
        before, after = (forward[f"probability_{when}"][position] for when in ("before", "after"))
        numbers = "" if before is None else f" {before:>9.3g} {after:>9.3g}"
        lines.append(
            f"  {position:>8}  {content['tokens'][position]:<14} {forward['change'][-1][position]:>15.3g} "
            f"{forward['kl'][position]:>11.3g}{numbers}"
        )
    below = f"in {content['dtype']} a change below {content['rounding']:.1g} is rounding"
    lines += ["", f"The change of the state is that of row {content['rows'][-1]}; {below}."]
    if pair := content.get("corridor"):
        back = content["backward"]
        through = ", ".join(f"{sum(row):.3g}" for row in pair["through"])
        lines.append(
            f"ln p({back['token']}) at {back['target']}: {pair['log_prob_before']:.6g} -> "
            f"{pair['log_prob_after']:.6g}; through each row: {through}"
        )
        change = abs(pair["log_prob_after"] - pair["log_prob_before"])
        share = f" ({pair['error'] / change:.1%} of it)" if change else ""
        lines.append(f"A row misses the change by at most {pair['error']:.2g} nats{share}, in {pair['steps']} steps.")
    return "\n".join(lines)


def profile_json(profile: DistanceProfile) -> dict[str, Any]:
    """A profile, and the distances that hold 90 % and 99 % of it."""
    from mistral_core.analysis.distance import held_within

    rows = {"kl": profile.kl_mean, "change": profile.change_mean[-1]}
    fields = ("change_mean", "change_low", "change_median", "change_high", "kl_mean", "kl_median", "kl_max", "count")
    return {
        **{name: plain(getattr(profile, name)) for name in fields},
        "replaced": profile.replaced,
        "held_within": {
            name: {str(share): held_within(row, share) for share in (0.9, 0.99)} for name, row in rows.items()
        },
        "held_rule": "least distance holding the share of the sum over distances from 1; kl in nats, change of the "
        "last row as a ratio of L2 norms, both means over the sources",
    }


def _likeliest(loaded: LoadedModel, ids: Sequence[int]) -> int:
    """What is explained where nothing follows: the token the model itself would put next."""
    from mistral_core.analysis.influence import read

    return int(read(loaded.model, ids).logits[-1].argmax())


def plain(values: np.ndarray) -> list[Any]:
    """Nested lists; what is not a number becomes null."""

    def one(value: Any) -> Any:
        if isinstance(value, list):
            return [one(part) for part in value]
        return value if math.isfinite(value) else None

    return [one(part) for part in values.tolist()]
