"""The command that finds the example of the first page: a swapped word, what it changes, and how that gets through.

The page shows what this command prints, recorded by `make recordings`; nothing of it is edited by hand.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mistral_core.checkpoint.registry import DEFAULT_MODEL
from mistral_core.cli.flags import LOOK, Device, Dtype, Json, Model, Seed
from mistral_core.cli.influence import TYPICAL_LENGTH, TYPICAL_SOURCES, TYPICAL_TEXTS, plain, written_texts
from mistral_core.cli.run import load, print_json, report, status

if TYPE_CHECKING:
    from mistral_core.analysis.swap import Case, Swap
    from mistral_core.checkpoint.load import LoadedModel

CRITERION = "largest fall of the first answer's probability by the swap, of the words that have left every ring"
TYPICAL_RULE = "tokens of texts that the model wrote itself, replaced one at a time; replacement: {}"


def register(app: typer.Typer) -> None:
    """Adds the command of this file."""
    app.command("influence-example", rich_help_panel=LOOK)(influence_example)


def influence_example(
    only: Annotated[str, typer.Option(help="'text' prints only the example's text.")] = "",
    seed: Seed = 0,
    model: Model = DEFAULT_MODEL,
    dtype: Dtype = "float64",
    device: Device = "cpu",
    as_json: Json = False,
) -> None:
    """Find the swapped word with the largest effect after it has left every ring, and the typical effect beside it."""
    if only not in ("", "text"):
        raise ValueError(f"--only is {only!r}; it can be 'text'")
    loaded = load(model, dtype, device)
    from mistral_core.analysis.cases import CANDIDATES
    from mistral_core.analysis.example import find_example

    example = find_example(loaded.model, loaded.tokenizer, CANDIDATES, report)
    if only:
        status("")
        typer.echo(example.best.text)
        return
    content = {
        "model": loaded.name,
        "model_hash": loaded.model_hash,
        "dtype": dtype,
        "criterion": CRITERION,
        "candidates": len(CANDIDATES),
        "words": example.case.words,
        "answers": example.case.answers,
        "fall": example.fall,
        "windows": list(loaded.config.windows),
        "best": asdict(example.best),
        "corridor": corridor_json(loaded, example.case, example.best),
        "others": [asdict(swap) for swap in example.others],
        "refused": list(example.refused),
        "typical": typical_json(loaded, example.best.distance, seed),
    }
    status("")
    print_json(content) if as_json else typer.echo(example_text(example.best, content))


def corridor_json(loaded: LoadedModel, case: Case, best: Swap) -> dict[str, Any]:
    """How the change gets from the swapped word to the first answer: the sums of `corridor_influence` by cell."""
    from mistral_core.analysis.influence import corridor_influence
    from mistral_core.tokenizer import single_token

    ids = loaded.tokenizer.encode(best.text)
    swap, answer = (single_token(loaded.tokenizer, word) for word in (case.words[1], case.answers[0]))
    target = best.position + best.distance
    pair = corridor_influence(loaded.model, ids, best.position, target, swap, answer, report=report)
    return {
        "source": best.position,
        "target": target,
        "token_ids": ids,
        "replacement_id": swap,
        "token_id": answer,
        "tokens": [loaded.tokenizer.label(token) for token in ids],
        "theory": pair.theory.astype(int).tolist(),
        "through": plain(pair.through),
        "log_prob_before": pair.log_prob_before,
        "log_prob_after": pair.log_prob_after,
    }


def typical_json(loaded: LoadedModel, distance: int, seed: int) -> dict[str, Any]:
    """What replacing a word does at this distance in texts that the model wrote itself.

    Raises:
        ValueError: none of these texts is long enough.
    """
    from mistral_core.analysis.distance import distance_profile
    from mistral_core.analysis.influence import REPLACEMENT_RULE

    texts = written_texts(loaded, TYPICAL_TEXTS, TYPICAL_LENGTH, seed)
    profile = distance_profile(loaded.model, texts, distance, TYPICAL_SOURCES, seed=seed, report=report)
    if len(profile.count) <= distance:
        raise ValueError(f"this model's own texts all end within {distance} tokens; try another --seed")
    return {
        "rule": TYPICAL_RULE.format(REPLACEMENT_RULE),
        "seed": seed,
        "distance": distance,
        "sources": int(profile.count[distance]),
        "kl_mean": float(profile.kl_mean[distance]),
        "kl_median": float(profile.kl_median[distance]),
        "kl_max": float(profile.kl_max[distance]),
    }


def example_text(best: Swap, content: dict[str, Any]) -> str:
    """The example for people."""
    (word, swap), (answer, other), typical = content["words"], content["answers"], content["typical"]
    return (
        f"{best.text}\n{word} -> {swap}, {best.distance} tokens before the end; chosen: {CRITERION}\n"
        f"p({answer}) {best.first[0]:.3f} -> {best.swapped[0]:.3f}, p({other}) {best.first[1]:.3f} -> "
        f"{best.swapped[1]:.3f}, KL {best.kl:.3g} nats\n"
        f"typical at this distance: KL {typical['kl_median']:.2g} (median), {typical['kl_mean']:.2g} (mean), "
        f"{typical['kl_max']:.2g} (largest of {typical['sources']})"
    )
