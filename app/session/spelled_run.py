"""A run as an address spells it: read here; `RunSpec.query` writes it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from app.session.numbers import number, short, whole
from app.session.runs import DEFAULT_NEW_TOKENS, DEFAULT_SAMPLING, MAX_NEW_TOKENS, SHORT, RunSpec
from app.shared.messages import Place
from mistral_core.sampling import MAX_SEED

MOST_SAID = 2**17
"""Characters of a conversation in an address."""
FORCED = re.compile(r"[0-9]{1,9}:[0-9]{1,9}")


def spec_from_query(query: Mapping[str, str], default_model: str) -> RunSpec | None:
    """Reads what `RunSpec.query` wrote; `None` where the URL names no text.

    Raises:
        ValueError: a value that is no number or out of bounds, in a sentence that names it.
    """
    if not query.get("text"):
        return None
    sampling: dict[str, Any] = {
        name: whole(query, key) if name == "top_k" else number(query, key)
        for name, key in SHORT.items()
        if key in query
    }
    return RunSpec(
        model=query.get("model") or default_model,
        text=query["text"],
        sampling=replace(DEFAULT_SAMPLING, **sampling),
        seed=whole(query, "seed", MAX_SEED) if "seed" in query else 0,
        new_tokens=whole(query, "n", MAX_NEW_TOKENS) if "n" in query else DEFAULT_NEW_TOKENS,
        forced=_forced(query.get("forced", "")),
        turns=_turns(query["chat"]) if "chat" in query else None,
    )


def position_from_query(query: Mapping[str, str]) -> Place | None:
    """Token, layer and head of a deep link, counted from 0; `None` where the URL names none.

    What is too large stops at the last one in the picture, and a layer or head 0 at the first.

    Raises:
        ValueError: a value that is no whole number, or none that a run could have.
    """
    if "t" not in query:
        return None
    return {
        "t": whole(query, "t"),
        "layer": max(whole(query, "layer") - 1, 0) if "layer" in query else 0,
        "head": max(whole(query, "head") - 1, 0) if query.get("head", "mean") != "mean" else -1,
    }


def _turns(text: str) -> tuple[str, ...]:
    try:
        turns = json.loads(text) if len(text) <= MOST_SAID else None
    except (ValueError, RecursionError):
        turns = None
    if not isinstance(turns, list) or len(turns) % 2 or not all(isinstance(turn, str) for turn in turns):
        raise ValueError(
            f'The address says chat={short(text)}; write what was said before by turns, as in [] or ["Hi","Hello!"].'
        )
    return tuple(turns)


def _forced(text: str) -> tuple[tuple[int, int], ...]:
    pairs = [pair for pair in text.split(",") if pair]
    if not all(FORCED.fullmatch(pair) for pair in pairs):
        raise ValueError(f"The address says forced={short(text)}; write position:token pairs, as in 37:412.")
    return tuple(sorted((int(position), int(token)) for position, token in (pair.split(":") for pair in pairs)))
