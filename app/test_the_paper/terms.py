"""The words of a claim that need a plain line before they are used."""

from __future__ import annotations

import re

from app.test_the_paper.shapes import SHAPES
from mistral_core.experiments.claims import Claim
from mistral_core.experiments.finding import Finding

TERMS = {
    "bits per byte": (
        r"bits per byte",
        "how many yes-or-no answers a model needs for each byte of a text that it has not read before; fewer is better",
    ),
    "nats": (r"\bnats\b", "the same surprise at a word in another unit: 1 nat is 1.44 bits"),
    "twins": (
        r"\btwins?\b",
        "small networks trained alike, on the same text in the same order and for as long, that differ in one thing: "
        "the window, or how many key/value heads there are",
    ),
    "baseline": (
        r"\bbaseline\b",
        "the twin that the others are compared with; it has a window and shares keys and values among query heads",
    ),
    "full-attention": (r"\bfull-attention\b", "the twin without a window: every token looks at all before it"),
    "narrow-window": (r"\bnarrow-window\b", "the twin with a smaller window than the baseline’s"),
    "mha, mqa": (
        r"\bmqa\b",
        "the twins in which each query head has keys and values of its own, and in which all share one",
    ),
    "ladder": (
        r"\bladder\b",
        "networks of the baseline’s recipe that differ in their width alone; they were trained apart from the twins, "
        "and how long is written at the picture",
    ),
    "seed": (r"\bseeds?\b", "the number that a training starts from; another one shows how much is chance"),
    "relay": (
        r"\brelay\b",
        "a network trained on made-up sequences to hand a symbol from window to window; it shows what windows can do "
        "where something far is worth it",
    ),
    "sinks": (r"\bsinks?\b", "the first tokens of a text, at which models look when they look at nothing else"),
    "foil": (r"\bfoil\b", "a name that could stand there as well, and was not planted"),
    "dilution": (
        r"\bdilution\b",
        "what is left of a word if every layer does no more than average over its window and add that to what it has",
    ),
}
"""By word: how it is noticed in a claim's sentences, and the line that explains it."""


def explained(claim: Claim, finding: Finding | None) -> dict[str, str]:
    """The words that this claim's sentences and pictures use, each with its line."""
    said = [claim.title, claim.statement, claim.remark, *claim.limits]
    said += [sentence for one in claim.needed for sentence in (one.says, one.limit)]
    tables = {} if finding is None else {table.name: table for table in finding.tables}
    for shape in SHAPES[claim.name]:
        said += [shape.x, *shape.y, shape.y_title]
        if shape.table in tables:
            table = tables[shape.table]
            said += [shape.heading(table), shape.says(table)]
            said += [cell for row in shape.rows(table) for cell in row.values() if isinstance(cell, str)]
    text = " ".join(said)
    return {word: line for word, (pattern, line) in TERMS.items() if re.search(pattern, text)}
