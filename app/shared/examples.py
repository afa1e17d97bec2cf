"""Beginnings to write on, of the kind that a bundled model was trained on."""

from __future__ import annotations

from collections.abc import Mapping

from mistral_core.checkpoint import registry

EXAMPLES = {
    "A girl in a wood": "Once upon a time there was a girl who lived in a little house in the wood.",
    "A queen's castle": "The queen lived in a castle on a high hill above the sea. Every morning, when the sun came up "
    "over the water,",
    "Two who talk": '"Where are you going?" said the boy.\n"I am going to',
    "The fox": "A hungry fox saw some grapes. He",
}
RELAY = {
    "The key is K, 8 tokens before the question mark": "Kdabacab?",
    "The key is D, 59 tokens before the question mark": "D" + "dabacabcadb" * 5 + "abc?",
    "The key is P, 119 tokens before the question mark": "P" + "abcd" * 29 + "ab?",
    "The key is P, and out of reach": "P" + "abcd" * 30 + "?",
}
"""For a model that was trained to name, after the question mark, the letter at the beginning."""


def examples_of(model: str) -> Mapping[str, str]:
    """What fits a model; the stories fit every one that is no relay."""
    folder = registry.browser_models().get(registry.parts_of(model).model)
    return RELAY if folder is not None and (folder / "relay.json").exists() else EXAMPLES
