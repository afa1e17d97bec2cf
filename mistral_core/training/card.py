"""MODEL_CARD.md of a trained model: what it is, what it was made from and how good it is, all measured."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mistral_core.analysis.accounting import flops_per_token, parameter_count
from mistral_core.analysis.evaluation import Evaluation
from mistral_core.config import MistralConfig
from mistral_core.training.curve import CURVE_FILE
from mistral_core.training.expectation import expectation
from mistral_core.training.run_file import read_run
from mistral_core.training.run_log import read_log
from mistral_core.training.settings import Settings
from mistral_core.training.texts import ATTRIBUTION, MANIFEST
from mistral_core.training.trainer import Trainer

MAX_ROWS = 24
"""Lines of the table of validations."""


@dataclass(frozen=True, kw_only=True)
class CardFacts:
    """What a card is written from.

    Attributes:
        name: of the model.
        trainer: after its training.
        evaluation: of the shipped file on all held-out text.
        samples: (seed, text).
        licence: of the texts, in the user's words; "" where not stated.
        credits: files beside the card that say whose the texts are. golden: whether stored logits lie there.
    """

    name: str
    trainer: Trainer
    evaluation: Evaluation
    samples: tuple[tuple[int, str], ...]
    licence: str
    credits: tuple[str, ...]
    golden: bool


def model_card(facts: CardFacts) -> str:
    """The text of the card, in Markdown."""
    parts = [
        _head(facts),
        limits_section(facts.evaluation.bits_per_byte),
        _data(facts),
        counting_section(facts.golden),
        _training(facts),
        samples_section(facts.samples),
    ]
    return "\n\n".join(parts) + "\n"


def training_rate(trainer: Trainer) -> tuple[float, float]:
    """Mean tokens/s of the steps, and the share of the measured multiplication that they reach.

    The work of a token counts three forward passes (one forward, two backward).
    """
    rate = trainer.tokens_seen / trainer.progress.seconds if trainer.progress.seconds else 0.0
    work = 3 * flops_per_token(trainer.config, trainer.settings.context)
    return rate, rate * work / (trainer.choice.matmul_gflops * 1e9)


def _head(facts: CardFacts) -> str:
    trainer, held = facts.trainer, facts.evaluation
    progress = trainer.progress
    rate, share = training_rate(trainer)
    ending = f", {progress.ended}" if progress.ended != "finished" else ""
    best = f" (the weights are those of step {trainer.weights_step:,})" if trainer.weights_step != progress.step else ""
    rows = shape_rows(trainer.config, held) | {
        "tokens seen": f"{trainer.tokens_seen:,} in {progress.step:,} steps of {trainer.settings.step_tokens:,}"
        f"{ending}{best}",
        "hardware, time": f"{trainer.choice.machine}; {_duration(progress.seconds)} of training steps, {rate:,.0f} "
        f"tokens/s, {share:.0%} of the speed of one multiplication of its shape there",
        **held_out_row(held),
    }
    if source := (read_run(trainer.folder) or {}).get("started_from"):
        rows["started from"] = (
            f"the weights of {source['name']} (SHA-256 {source['hash'][:16]}); its own card says how they were made"
        )
    return title_and_table(facts.name, "A small Mistral, trained by `python -m mistral_core train`.", rows)


def title_and_table(name: str, sentence: str, rows: Mapping[str, str]) -> str:
    """How a card begins."""
    table = "\n".join(f"| {row} | {value} |" for row, value in rows.items())
    return f"# {name}\n\n{sentence}\n\n| | |\n| --- | --- |\n{table}"


def shape_rows(config: MistralConfig, held: Evaluation) -> dict[str, str]:
    """The network in words and numbers."""
    c, parameters = config, parameter_count(config)["total"]
    return {
        "architecture": f"Mistral: pre-norm RMSNorm (eps {c.norm_eps:g}), RoPE (theta {c.rope_theta:g}), grouped-query "
        f"and sliding-window attention, SwiGLU, {'tied' if c.tied_embeddings else 'untied'} output, no biases",
        "dim, layers, heads, KV heads, head_dim, hidden_dim": f"{c.dim}, {c.n_layers}, {c.n_heads}, {c.n_kv_heads}, "
        f"{c.head_dim}, {c.hidden_dim}",
        "sliding window W (the token itself included)": _window(c),
        "vocabulary": f"{c.vocab_size:,} pieces; {held.bytes / held.tokens:.2f} bytes a token of held-out text",
        "parameters": f"{parameters:,} ({2 * parameters / 1e6:.1f} MB in bfloat16)",
    }


def held_out_row(held: Evaluation) -> dict[str, str]:
    """The number that a card is read for."""
    return {
        "**held-out text**": f"**{held.bits_per_byte:.4f} bits per byte** ({held.loss:.4f} nats a token; "
        f"{held.tokens:,} tokens, {held.bytes:,} bytes, {held.documents:,} documents)"
    }


def _window(config: MistralConfig) -> str:
    reach = config.exact_reach()
    windows = ", ".join("none" if w is None else str(w) for w in dict.fromkeys(config.windows))
    return f"{windows}; exact reach: " + ("all earlier tokens" if reach is None else f"{reach} positions back")


def limits_section(bits: float) -> str:
    """What a reader may expect at so many bits per byte, and what not."""
    return f"""## Limits

What to expect at {bits:.2f} bits per byte (a rule of thumb for English stories): {expectation(bits)}
It is no assistant and no source of facts. It knows nothing beyond its texts, shares their prejudices and may
repeat passages of them, the more often it has read them."""


def _data(facts: CardFacts) -> str:
    trainer = facts.trainer
    passes = trainer.batches.passes()
    rows = [
        f"| {name} | {source.documents:,} | {source.bytes:,} | {source.tokens:,} | {passes[name]:.2f} |"
        for name, source in trainer.corpus.sources.items()
    ]
    valid = trainer.corpus.facts["valid"]
    lines = [
        "## Data, licences and credits",
        "",
        "| source | documents | bytes | tokens | passes |",
        "| --- | --- | --- | --- | --- |",
        *rows,
        f"| held out ({valid['chosen']}) | {valid['documents']:,} | {valid['bytes']:,} | | never trained on |",
        "",
        *_left_out(facts),
        *_licences(facts),
        "",
        "Held-out text is of the same kind and often from the same books as the training text, so the number above "
        "says how well the model continues those, not how well it reads the language at large.",
    ]
    return "\n".join(lines)


def _left_out(facts: CardFacts) -> list[str]:
    counts = facts.trainer.corpus.facts.get("left_out")
    if counts is None:
        return []
    each = ", ".join(f"{count:,} of {name}" for name, count in counts.items())
    return [f"Lines left out because they hold a word of `mistral_core/unsaid.py`: {each}.", ""]


def _licences(facts: CardFacts) -> list[str]:
    lines = [f"Licence of the texts: {facts.licence}"] if facts.licence else []
    for licence, count in _manifest_licences(facts).most_common():
        lines.append(f"- {licence}: {count:,} works of the manifest")
    if MANIFEST in facts.credits:
        lines += ["", f"Titles and authors of the works are listed in [`{MANIFEST}`]({MANIFEST})."]
    if ATTRIBUTION in facts.credits:
        lines += ["", f"Credits stand in [`{ATTRIBUTION}`]({ATTRIBUTION}); they must travel with this model and"]
        lines += ["with any model made from it."]
    if not lines:
        lines.append("The licence of the texts was not stated. State it (`--licence`) before you pass the model on.")
    return lines


def _manifest_licences(facts: CardFacts) -> Counter[str]:
    """Licences of a `manifest.json` beside the texts: a list of works, each with its set (source) and licence."""
    corpus = facts.trainer.corpus
    try:
        works = json.loads((corpus.folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return Counter()
    if not isinstance(works, list):
        return Counter()
    stated = [work for work in works if isinstance(work, dict) and "licence" in work]
    return Counter(str(work["licence"]) for work in stated if "set" not in work or work["set"] in corpus.sources)


def counting_section(golden: bool) -> str:
    """How bits per byte are counted, and whether stored logits lie beside the card."""
    logits = (
        "`golden.safetensors` holds another program's logits of these weights; `verify` compares with them."
        if golden
        else "There are no golden logits; `python -m mistral_core golden --model FOLDER` makes them."
    )
    return f"""## How it is counted

A document is BOS, its pieces, EOS. Every piece and EOS is predicted, from all of its reach; the losses in bits are
summed and divided by the bytes of the documents. The weights are those of the bfloat16 file, computed in float32.
{logits}"""


def _training(facts: CardFacts) -> str:
    trainer = facts.trainer
    settings = trainer.settings
    held = [event for event in read_log(trainer.folder) if event["event"] == "validation"]
    every = max(1, -(-len(held) // MAX_ROWS))
    listed = [event for number, event in enumerate(held, start=1) if number % every == 0 or number == len(held)]
    rows = [f"| {event['tokens']:,} | {event['bits_per_byte']:.3f} |" for event in listed]
    changed = [f"- `{name}`: {json.dumps(value)}" for name, value in settings.not_default().items()] or ["- none"]
    lines = [
        "## Training",
        "",
        *_recipe(settings),
        "",
        f"The loss over the run is drawn in `{CURVE_FILE}`.",
        "",
        *(f"- {sentence}" for sentence in trainer.choice.why),
        "",
        "Settings that are not the default:",
        "",
        *changed,
        "",
        "| tokens seen | held out, bits per byte (a part of the text, float32) |",
        "| --- | --- |",
        *rows,
    ]
    return "\n".join(lines)


def _recipe(settings: Settings) -> list[str]:
    inner = (
        f"Muon for the matrices of the blocks (rate {settings.muon_rate:g}, momentum {settings.momentum:g}, "
        f"weight decay {settings.weight_decay:g}), AdamW for embedding, output and gains"
        if settings.optimiser == "muon"
        else f"AdamW (weight decay {settings.weight_decay:g} on the matrices of the blocks)"
    )
    knots = ", ".join(f"{factor:g} at {tokens:,}" for tokens, factor in settings.knots())
    return [
        f"{inner}; rate of AdamW {settings.adamw_rate:g}, betas {settings.beta1:g} / {settings.beta2:g}; clipping at "
        f"{settings.clip:g}; {settings.warmup} steps of warm-up, then the rates times {knots} tokens, straight lines "
        f"between; dropout {settings.dropout:g}. Sequences of {settings.context} tokens of the packed stream, "
        f"documents not masked from each other; seed {settings.seed}."
    ]


def samples_section(samples: Sequence[tuple[int, str]]) -> str:
    """The samples (seed, text) as quotations."""
    lines = ["## Samples", "", "Temperature 0.8, top-p 0.95, 200 new tokens, not picked:"]
    for seed, text in samples:
        quoted = "\n".join(f"> {line}" if line else ">" for line in text.split("\n"))
        lines += ["", f"**seed {seed}**", "", quoted]
    return "\n".join(lines)


def _duration(seconds: float) -> str:
    minutes = seconds / 60
    return f"{minutes:.0f} minutes" if minutes >= 2 else f"{seconds:.0f} seconds"
