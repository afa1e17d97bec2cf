"""The end of a token's way: the likeliest next tokens, what sampling makes of them, and the one that was taken."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from app.inside_a_block.messages import Candidate, EndingHeader
from app.session.runs import SAMPLING_FIELDS
from mistral_core.sampling import SamplingSettings, sampling_stages, uniform
from mistral_core.trace.trace import LOGITS, Trace
from mistral_core.unsaid import unsaid_of

if TYPE_CHECKING:
    from app.inside_a_block.reading import Reading

TOP = 10
"""Candidates on screen."""


def ending_of(reading: Reading, trace: Trace, position: int) -> EndingHeader:
    """Made of the logits of the reading, with the settings of the run."""
    tokenizer = reading.loaded.tokenizer
    logits = reading.inside.at(LOGITS, position).astype(np.float64)
    settings = trace.settings
    sampling = SamplingSettings(**{name: settings[name] for name in SAMPLING_FIELDS if name in settings})
    history = trace.token_ids[: position + 1]
    held_back = unsaid_of(tokenizer).held_back(history) if settings.get("unsaid") else None
    stages = sampling_stages(logits, sampling, history, held_back)
    following = int(trace.token_ids[position + 1]) if position + 1 < len(trace) else None
    ids = np.argsort(-logits, kind="stable")[:TOP].tolist()
    if following is not None and following not in ids:
        ids.append(following)
    top: list[Candidate] = [
        {
            "id": int(token),
            "label": tokenizer.label(int(token)),
            "logit": float(logits[token]),
            "probs": [float(stage.probs[token]) for stage in stages],
        }
        for token in ids
    ]
    forced = any(int(place) == position + 1 for place, _ in settings.get("forced", []))
    given = following is not None and (position + 1 < trace.n_prompt or forced)
    drawn = following is not None and not given and sampling.temperature > 0 and "seed" in settings
    return {
        "stages": [stage.name for stage in stages],
        "choices": [stage.n_choices for stage in stages],
        "top": top,
        "next": following,
        "given": given,
        "drawn": uniform(int(settings["seed"]), position + 1) if drawn else None,
    }
