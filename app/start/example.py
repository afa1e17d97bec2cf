"""The first minute: one word of the recorded text, its swap, and how the change gets through.

Everything comes from the file that `python -m mistral_core influence-example --json` wrote; nothing of it is
chosen or edited here. Nothing here imports torch or Streamlit.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from app.start.messages import Story
from mistral_core.trace.trace import Trace

COMMAND = "python -m mistral_core influence-example"


def load_example(path: Path, trace: Trace) -> Story | None:
    """What the player needs of the example, if it belongs to this recording; else `None`.

    It belongs to it if the same weights made both and the recorded prompt is the example's text.
    """
    try:
        example = json.loads(path.read_text(encoding="utf-8"))
        corridor, best, typical = example["corridor"], example["best"], example["typical"]
        ids = trace.token_ids[: trace.n_prompt].tolist()
        if example["model_hash"] != trace.model_hash or corridor["token_ids"] != ids:
            return None
        return {
            "word": example["words"][0],
            "swap": example["words"][1],
            "answers": example["answers"],
            "position": corridor["source"],
            "target": corridor["target"],
            "kl": best["kl"],
            "first": best["first"],
            "swapped": best["swapped"],
            "candidates": example["candidates"],
            "typical": typical,
            "through": corridor["through"],
            "leaves": corridor["source"] + max(window or 0 for window in trace.config.windows),
            "change": _change(corridor),
            "command": COMMAND,
        }
    except (OSError, ValueError, KeyError, TypeError):
        return None


def example_query(path: Path) -> dict[str, str]:
    """The reading of the page `reach` that shows the same corridor, as parameters of its address."""
    corridor = json.loads(path.read_text(encoding="utf-8"))["corridor"]
    return {
        "reading": "corridor",
        "from": str(corridor["source"]),
        "to": str(corridor["target"]),
        "swap": str(corridor["replacement_id"]),
    }


def _change(corridor: dict[str, Any]) -> float:
    """Change of the answer's log-probability in nats, which each row of the corridor adds up to."""
    return float(corridor["log_prob_after"] - corridor["log_prob_before"])
