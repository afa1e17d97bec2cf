"""Swapped words whose effect is known from transformers, for the tests of single swaps, of the search and of its command."""

from __future__ import annotations

from pathlib import Path

import torch
import transformers

from mistral_core.analysis.cases import CANDIDATES
from mistral_core.analysis.swap import Case

BUNDLED = Path(__file__).parents[2] / "assets/models/storyteller"
SNOW = CANDIDATES[0]
SWAPS = [
    (SNOW, 22),
    (
        Case(
            opening="{} was tired, and the road was long and dark. At last, when the moon had come up over the trees,",
            words=("She", "He"),
            answers=("she", "he"),
            question="",
        ),
        24,
    ),
    (
        Case(
            opening="The {} lived in a castle on a high hill above the sea.",
            words=("queen", "king"),
            answers=("she", "he"),
            question="Every morning, when the sun came up over the water,",
        ),
        24,
    ),
    (
        Case(
            opening="There was once a poor {} who had nothing in the world but a little cat. One day, when there was no "
            "more bread in the house,",
            words=("woman", "man"),
            answers=("she", "he"),
            question="",
        ),
        24,
    ),
    (
        Case(
            opening="The {} walked along the river until it was quite dark. Then, because the night was cold,",
            words=("princess", "prince"),
            answers=("she", "he"),
            question="",
        ),
        18,
    ),
]
"""Cases, and how far the swapped word stands from the answer."""


def transformers_model():
    """The bundled weights in transformers."""
    model = transformers.MistralForCausalLM.from_pretrained(BUNDLED, dtype=torch.float32, attn_implementation="eager")
    return model.eval()


def asked_of(theirs, tokenizer, case):
    """p of the two answers in transformers, after the first word and after the other one."""
    answers = [tokenizer.encode(answer, bos=False)[0] for answer in case.answers]
    with torch.inference_mode():
        logits = [theirs(torch.tensor([tokenizer.encode(case.text(which))])).logits[0, -1] for which in (0, 1)]
    return [row.softmax(-1)[answers].tolist() for row in logits]
