"""Claim 3, "models may compress more than thought": texts that are really compressed, and the ladder of sizes.

No criterion has the role "claim": the sentence is about what training on better data could still reach, and here no
two models differ in their data alone. So the best that can come out is "not shown here", consistent with it; that the
larger model compresses no better, or none better than xz, would refute it.
"""

from __future__ import annotations

from mistral_core.analysis.progress import Report
from mistral_core.experiments.claims import Claim, Measured
from mistral_core.experiments.finding import Threshold

CLAIM = Claim(
    name="compression",
    title="Models may compress knowledge more than was thought",
    statement=(
        "That so small a model does so well suggests that language models may compress what they know further than "
        "was thought: the question has three sides, capability, cost of training and cost of running."
    ),
    where="Section 6, Conclusion",
    remark=(
        "A suggestion, with no experiment to it. Predicting a text and compressing it are the same thing, to the bit; "
        "but a code says nothing of knowledge as against style, and somebody must hold the decoder."
    ),
    needed=(
        Threshold(
            name="round trip",
            says="share of the texts that come back from the codes letter for letter, over all models",
            role="control",
            limit="not every text came back: then nothing was compressed",
            at_least=1.0,
        ),
        Threshold(
            name="code length",
            says="bits of a code over the bits that the model's probabilities ask for, the worst model",
            role="control",
            limit="the codes are longer than the probabilities ask for, so they measure the coder",
            at_most=1.01,  # what an arithmetic coder loses: rounding to 24 bits, and the last word of 32 bits
        ),
        Threshold(
            name="against xz",
            says="bytes of the best model's codes over those of the best of gzip, xz and zstd, decoders not counted",
            role="necessary",
            limit="no model here compresses this text better than a program that never saw any language",
            at_most=1.0,
        ),
        Threshold(
            name="ladder",
            says="fall of bits per byte from the ladder's smallest to its largest, over the spread of a model's seeds",
            role="necessary",
            limit="the larger model predicts no better than the smaller one",
            at_least=2.0,  # clearly more than chance between two seeds
        ),
        Threshold(
            name="with the decoder",
            says="the best model's codes and its files together over the best of gzip, xz and zstd, in bytes",
            role="limit",
            limit="with the decoder's own size counted a model pays only for texts far longer than this one",
            at_most=1.0,
        ),
    ),
    limits=(
        "consistent with the claim is the best that can be seen here: no two models differ in their data alone, so "
        "what better data would reach is not shown",
        "knowledge is not told from style: both make the next token less surprising",
        "gzip, xz and zstd start from nothing; a model has read millions of words before, and that is in its files",
    ),
)


def measure(*, quick: bool, report: Report) -> Measured:
    """Runs it; see `compression_run`.

    Raises:
        ValueError: a bundled model or the text is not there.
    """
    from mistral_core.experiments.compression_run import run_compression
    from mistral_core.experiments.models import load

    return run_compression(load, quick=quick, report=report)
