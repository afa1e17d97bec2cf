"""The family: models that differ in one thing and are trained alike, so that a claim can be tested.

A claim such as "a window costs little" compares two models. It says something only where they read the same text
for the same number of tokens under the same recipe, and where the difference is larger than that between two
seeds of one model. So every member is the baseline with one change, and is trained with several seeds.

    twins        window and KV heads: 16 / all / 4 keys, 2 / 8 / 1 KV heads; four times as long as the others
    ladder       one recipe at four widths
    optimiser    Muon with AdamW, as all of them, against AdamW alone at several rates
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from mistral_core.analysis.accounting import kv_cache_bytes, parameter_count
from mistral_core.checkpoint.load import load_model
from mistral_core.training.corpus import Corpus
from mistral_core.training.export import export_model
from mistral_core.training.family_results import RESULTS_FILE, Result
from mistral_core.training.measure import pieces_of, validate_excerpts
from mistral_core.training.settings import Settings
from mistral_core.training.trainer import Habits, Trainer, Watch

RESULT_FILE = "measured.json"
BASE = Settings(
    dim=64,
    tokens=1_500_000,
    context=256,
    batch=16,
    warmup=60,
    muon_rate=0.012,
    adamw_rate=0.008,
    dropout=0.0,
    validations=4,
    patience=0,
    phases=((0, (("wide", 50.0), ("core", 42.0), ("simple", 8.0))),),
)
"""The baseline. Of four rates and batches tried with a million tokens in sequences of 512, steps of 4,096 tokens at
these rates reached 1.937 bits per byte, at half of them 1.983; steps of 8,192 2.012, of 2,048 at half the rates 1.931.
"""

TWIN = replace(BASE, tokens=6_000_000, context=512, batch=8)
"""The twins' baseline: four times the text, in sequences twice as long, so that as many tokens make a step.

After 1.5 million tokens full attention was still behind the window in short pieces, and it failed beyond the length
that it was trained at. A sequence is now more than twice as long as any piece that the twins are compared on.
"""
PIECE_TOKENS = round(0.8 * BASE.context)
"""About so many tokens has a piece of the held-out text, for all members alike."""


@dataclass(frozen=True)
class Member:
    """One of the family.

    Attributes:
        name: of the model.
        group: what it is compared within.
        changes: the settings in which it differs from its group's baseline.
        says: what it is there to show.
    """

    name: str
    group: str
    changes: dict[str, Any] = field(default_factory=dict)
    says: str = ""

    def settings(self, seed: int, base: Settings | None = None) -> Settings:
        """Of one training; `base` instead of the group's own baseline."""
        return replace(base or (TWIN if self.group == "twins" else BASE), **self.changes, seed=seed)


MEMBERS = (
    Member("baseline", "twins", {}, "what the others are compared with"),
    Member("full-attention", "twins", {"window": None}, "what the window costs"),
    Member("narrow-window", "twins", {"window": 4}, "what a window too short for the depth costs"),
    Member("mha", "twins", {"n_kv_heads": 8}, "what sharing keys and values costs"),
    Member("mqa", "twins", {"n_kv_heads": 1}, "what sharing them between all heads costs"),
    Member("dim-32", "ladder", {"dim": 32}, "half the width"),
    Member("dim-64", "ladder", {}, "the twins' width"),
    Member("dim-128", "ladder", {"dim": 128}, "twice the width"),
    Member("dim-256", "ladder", {"dim": 256}, "the storyteller's width"),
    Member("adamw-0.004", "optimiser", {"optimiser": "adamw", "adamw_rate": 0.004}, "AdamW for all weights"),
    Member("adamw-0.008", "optimiser", {"optimiser": "adamw"}, "the same, at the rate that the rest has in the others"),
)


def plan(groups: Iterable[str], seeds: int) -> list[tuple[Member, int]]:
    """Which trainings, in order: the first seed of all before the second of any, so that a cut run is of use.

    Only the twins are trained with more than one seed.

    Raises:
        ValueError: an unknown group, or no seed.
    """
    known = dict.fromkeys(member.group for member in MEMBERS)
    if unknown := sorted(set(groups) - set(known)):
        raise ValueError(f"there is no group {', '.join(unknown)}; known are {', '.join(known)}")
    if seeds < 1:
        raise ValueError(f"seeds is {seeds}; it must be at least 1")
    wanted = [member for member in MEMBERS if member.group in set(groups)]
    return [(member, seed) for seed in range(seeds) for member in wanted if seed == 0 or member.group == "twins"]


def train_member(
    member: Member,
    seed: int,
    corpus: Corpus,
    folder: Path,
    *,
    base: Settings | None = None,
    habits: Habits = Habits(),
    licence: str = "",
    watch: Watch = lambda event: None,
) -> Result | None:
    """Trains, or goes on, writes the model into `folder/NAME/seed-N/NAME` and measures it.

    Returns:
        The result; `None` where the habits paused it.

    Raises:
        ValueError: as `Trainer` and `export_model`.
    """
    run = folder / member.name / f"seed-{seed}"
    held = run / RESULT_FILE
    if held.is_file():
        return Result(**json.loads(held.read_text(encoding="utf-8")))
    trainer = Trainer(member.settings(seed, base), corpus, run, habits=habits, watch=watch)
    if trainer.train() == "interrupted":
        return None
    exported = export_model(trainer, run / member.name, licence=licence)
    loaded = load_model(exported.folder)
    pieces = pieces_of(corpus.valid, round(min(PIECE_TOKENS, trainer.settings.context) * corpus.bytes_per_token))
    short = validate_excerpts(loaded.model, loaded.tokenizer, pieces)
    result = Result(
        name=member.name,
        group=member.group,
        seed=seed,
        changes=member.changes,
        parameters=parameter_count(trainer.config)["total"],
        cache_bytes=kv_cache_bytes(trainer.config, trainer.settings.context, bytes_per_number=4),
        tokens=trainer.tokens_seen,
        seconds=round(trainer.progress.seconds, 1),
        bits_per_byte=exported.evaluation.bits_per_byte,
        short_bits_per_byte=short.bits_per_byte,
    )
    held.write_text(json.dumps(asdict(result), indent=1) + "\n", encoding="utf-8")
    return result


def collect(folder: Path) -> list[Result]:
    """The results of all trainings below a folder, in the order of `MEMBERS`.

    Raises:
        ValueError: a damaged result.
    """
    order = {member.name: number for number, member in enumerate(MEMBERS)}
    results = []
    for path in folder.glob(f"*/seed-*/{RESULT_FILE}"):
        try:
            results.append(Result(**json.loads(path.read_text(encoding="utf-8"))))
        except (OSError, TypeError, ValueError, RecursionError) as error:
            raise ValueError(f"{path} is damaged ({error}); remove it and train that member again") from error
    return sorted(results, key=lambda result: (order.get(result.name, len(order)), result.name, result.seed))


def write_results(folder: Path, base: Settings = BASE, twin: Settings = TWIN) -> Path:
    """Writes `family.json`: the settings of both baselines and all results so far."""
    target = folder / RESULTS_FILE
    content = {
        "base": base.to_json(),
        "twin": twin.to_json(),
        "results": [asdict(result) for result in collect(folder)],
    }
    target.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return target
