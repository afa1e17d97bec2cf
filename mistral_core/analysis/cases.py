"""Hand-written sentences in which a word is swapped, and neutral ones to put in between."""

from __future__ import annotations

from mistral_core.analysis.swap import Case

NEUTRAL = (
    "The birds sang in the trees.",
    "The wind blew softly over the hills.",
    "The sky was blue and the grass was green.",
    "In the fields the corn was tall.",
    "The snow fell on the roof and on the road.",
    "Far away the bells rang.",
    "The leaves fell from the trees.",
    "The days were long and the nights were short.",
    "It rained for many days.",
    "The river ran down to the sea.",
    "The sun went down and the stars came out.",
    "The apples were red.",
    "The road was white in the moonlight.",
    "The clouds went by.",
)
"""Sentences without people, to put in between."""
GIRL = Case(
    opening="Once upon a time there was a {} who lived in a little house in the wood.",
    words=("girl", "boy"),
    answers=("she", "he"),
    question="One morning, when the sun came up,",
    fillers=NEUTRAL,
)
"""The case shown first."""
_PAIRS = (("girl", "boy"), ("queen", "king"), ("woman", "man"), ("princess", "prince"), ("mother", "father"))
_SENTENCES = (
    "Once upon a time there was a {} who lived in a little house in the wood. "
    "One morning, when the snow lay deep upon the path,",
    "The {} lived in a castle on a high hill above the sea. Every morning, when the sun came up over the water,",
    "There was once a poor {} who had nothing in the world but a little cat. "
    "One day, when there was no more bread in the house,",
    "The {} walked along the river until it was quite dark. Then, because the night was cold,",
    "The {} was tired, and the road was long and dark. At last, when the moon had come up over the trees,",
    "Far away in the north a {} lived beside a lake. In the winter, when the ice was thick and the wind was cold,",
)
CANDIDATES = tuple(
    Case(opening=sentence, words=pair, answers=("she", "he"), question="") for sentence in _SENTENCES for pair in _PAIRS
)
"""Hand-written sentences times pairs: where `find_example` looks."""
