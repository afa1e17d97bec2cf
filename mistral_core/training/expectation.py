"""What a reader of the samples should expect at a loss, in one sentence.

The bounds are bits per byte of English stories, which compare between vocabularies. They are rules of
thumb: the sentences at 1.41 and 1.44 are what the bundled model and the one before it write, the others
lead towards them and beyond. Another language or kind of text moves them.
"""

from __future__ import annotations

import math

EXPECTATIONS = (
    (4.5, "letters and pieces in no order."),
    (3.2, "frequent pieces, here and there a word; no phrase."),
    (2.5, "words, mostly real ones, in no order."),
    (2.1, "short phrases of three or four words; no sentence holds together."),
    (1.8, "sentences that begin well and lose their way."),
    (1.6, "mostly grammatical sentences; the next one knows little of the last."),
    (1.48, "grammatical sentences in the manner of the text; people and places change."),
    (1.4, "a paragraph in the manner of the text; a story drifts within a few sentences."),
    (1.2, "paragraphs that keep their people for a while; look whether it repeats its training text."),
    (0.0, "text close to what it was trained on; check that it has not learned it by heart."),
)
"""(at least so many bits per byte, what to expect)."""


def expectation(bits_per_byte: float) -> str:
    """The sentence for a loss.

    >>> expectation(1.443)
    'a paragraph in the manner of the text; a story drifts within a few sentences.'
    """
    return next(sentence for bound, sentence in EXPECTATIONS if bits_per_byte >= bound)


def bits_per_byte(nats_per_token: float, bytes_per_token: float) -> float:
    """Bits per byte of a loss, for a text with so many bytes a token.

    >>> round(bits_per_byte(3.544, 3.542), 2)
    1.44
    """
    return nats_per_token / math.log(2) / bytes_per_token
