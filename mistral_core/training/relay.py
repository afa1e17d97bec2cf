"""Trains the relay: the positive control for the claim that information moves through windows hop by hop.

It does not learn eight hops at once: at first a wrong answer eight hops away tells no layer what to keep. So the
distances grow: when sequences of one hop are learned, those of two join them, and so on to the exact reach.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from mistral_core.analysis.relay import FILLERS, GUESS, KEYS, QUESTION, RelayResult, relay_question, share_right
from mistral_core.training.corpus import Corpus, prepare_corpus
from mistral_core.training.settings import Mix, Settings
from mistral_core.training.texts import find_texts
from mistral_core.training.vocabulary import LEAST_PIECES

RELAY_FILE = "relay.json"
SYMBOLS_PER_LEVEL = 1_000_000
HELD_OUT = 300
"""Sequences of all distances, drawn after those of the training."""
LEVEL_ENDS = 0.7
"""Share of the training at which the last distances join."""
VOCABULARY = LEAST_PIECES + 1 + len(KEYS + FILLERS + QUESTION)
"""Bytes and control tokens, the space before a text, and the symbols: nothing is left to join."""


def relay_settings(tokens: int = 4_000_000, *, dim: int = 64, n_layers: int = 8, window: int = 16) -> Settings:
    """Of the training: mixes that begin with one hop and end with all."""
    starts = [round(tokens * LEVEL_ENDS * (level / n_layers) ** 0.85) for level in range(n_layers)]
    return Settings(
        dim=dim,
        n_layers=n_layers,
        window=window,
        vocab_size=VOCABULARY,
        tokens=tokens,
        dropout=0.0,
        warmup=30,
        muon_rate=0.01,
        adamw_rate=0.006,
        patience=0,
        validations=8,
        phases=tuple((start, _mix(level)) for level, start in enumerate(starts, start=1)),
        schedule=((tokens * 3 // 4, 1.0), (tokens, 0.0)),
    )


def _mix(level: int) -> Mix:
    """All distances so far, the newest about as often as the others together."""
    return tuple((f"hop{number}", level + 1.0 if number == level else 1.0) for number in range(1, level + 1))


def write_relay_texts(folder: Path, settings: Settings, seed: int = 0) -> None:
    """Writes `hop1.train.txt` ... and `relay.valid.txt`: documents are sequences.

    A level begins in the middle of the one before, so that its first sequences are nearly known.

    Raises:
        ValueError: a shape without a finite reach, or a folder that cannot be written.
    """
    reach = settings.network(settings.vocab_size).exact_reach()
    if settings.window is None or not reach:
        raise ValueError("a relay needs a window in every layer; without one nothing has to be handed on")
    hop, draw = settings.window - 1, random.Random(seed)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for level in range(1, settings.n_layers + 1):
            nearest = max(1, (level - 1) * hop - hop // 2)
            sequences, symbols = [], 0
            while symbols < SYMBOLS_PER_LEVEL:
                sequences.append(_sequence(draw, nearest, level * hop))
                symbols += len(sequences[-1])
            (folder / f"hop{level}.train.txt").write_text("\n\n".join(sequences) + "\n", encoding="utf-8")
        held = [_sequence(draw, 1, reach) for _ in range(HELD_OUT)]
        (folder / "relay.valid.txt").write_text("\n\n".join(held) + "\n", encoding="utf-8")
    except OSError as error:
        raise ValueError(f"the sequences cannot be written to {folder}: {error.strerror or error}") from error


def _sequence(draw: random.Random, nearest: int, farthest: int) -> str:
    key = draw.choice(KEYS)
    return relay_question(key, draw.randint(nearest, farthest), draw) + key


def relay_corpus(folder: Path, settings: Settings) -> Corpus:
    """The sequences as tokens; they are written if they are not there.

    Raises:
        ValueError: as `write_relay_texts` and `prepare_corpus`.
    """
    texts = folder / "texts"
    if not (texts / "relay.valid.txt").is_file():
        write_relay_texts(texts, settings)
    return prepare_corpus(find_texts(texts), folder / "corpus", vocab_size=settings.vocab_size)


def write_relay_results(folder: Path, results: Sequence[RelayResult]) -> None:
    """Puts what was measured beside the model, and into its card."""
    content = {"guess": GUESS, "results": [asdict(result) for result in results]}
    (folder / RELAY_FILE).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    card = folder / "MODEL_CARD.md"
    before, _, after = card.read_text(encoding="utf-8").partition("## Limits\n")
    rest = after.partition("\n## ")[2]
    card.write_text(f"{before}{_card_section(results)}\n\n## {rest}", encoding="utf-8")


def _card_section(results: Sequence[RelayResult]) -> str:
    return f"""## What it is

A positive control. It writes no stories: it reads a key ({KEYS[0]} to {KEYS[-1]}), fillers ({", ".join(FILLERS)})
drawn at random, and a question mark, and is to name the key. Between them lie up to as many tokens as the windows
let anything pass, so each layer has to hand the key on. A guess is right once in {len(KEYS)}.

{relay_table(results)}

Distances that all layers together cannot bridge are in the table to show that nothing arrives from there. Bits per
byte say little here: nothing can foretell a filler."""


def relay_table(results: Sequence[RelayResult]) -> str:
    """Markdown: a line for each number of hops."""
    lines = ["| hops | distances | asked | right | mean p(key) |", "| --- | --- | --- | --- | --- |"]
    for count in dict.fromkeys(result.hops for result in results):
        rows = [result for result in results if result.hops == count]
        asked = sum(row.asked for row in rows)
        mean = sum(row.probability * row.asked for row in rows) / asked
        span = f"{rows[0].distance} to {rows[-1].distance}" if len(rows) > 1 else str(rows[0].distance)
        name = "beyond all" if count is None else count
        lines.append(f"| {name} | {span} | {asked:,} | {share_right(rows):.1%} | {mean:.3f} |")
    return "\n".join(lines)
