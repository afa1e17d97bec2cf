"""What claim 3 measures: codes of held-out stories, general compressors beside them, the ladder and the twins."""

from __future__ import annotations

import gzip
import lzma
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import zstandard

from mistral_core.analysis.accounting import parameter_count
from mistral_core.analysis.progress import Report, part_of
from mistral_core.checkpoint.load import LoadedModel
from mistral_core.experiments.claims import Measured, Value
from mistral_core.experiments.coding import Coded, decode, encode
from mistral_core.experiments.finding import Table
from mistral_core.experiments.held_out import held_out, text_table
from mistral_core.experiments.models import Load, needed
from mistral_core.training.family_results import Reached, reached, recorded_results

QUICK = ("baseline", "storyteller")
LONG = ("narrow-window", "mqa", "mha", "full-attention", *QUICK, "smollm2")
"""The models that code; one that is not there is left out."""
QUICK_TEXTS = 4
LADDER = ("dim-32", "dim-64", "dim-128", "dim-256")
PROGRAMS: dict[str, tuple[Callable[[bytes], bytes], Callable[[bytes], bytes]]] = {
    "gzip": (lambda plain: gzip.compress(plain, 9), gzip.decompress),
    "xz": (lambda plain: lzma.compress(plain, preset=9 | lzma.PRESET_EXTREME), lzma.decompress),
    "zstd": (
        lambda plain: zstandard.ZstdCompressor(level=22).compress(plain),
        lambda code: zstandard.ZstdDecompressor().decompress(code),
    ),
}
"""General formats at their highest settings: to code, and back."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ByModel:
    """One model's code: of which texts came back, and the bytes of the files that a decoder needs."""

    name: str
    coded: Coded
    back: int
    decoder: int


def general(text: bytes) -> dict[str, int]:
    """Bytes of a text in each of three general formats, at their highest settings."""
    return {name: len(compress(text)) for name, (compress, _) in PROGRAMS.items()}


def decoder_bytes(loaded: LoadedModel) -> int:
    """Bytes of the weights, configuration and vocabulary that a decoder must have."""
    parts = ("model.safetensors", "config.json", "params.json", "tokenizer.model")
    files = [path for path in loaded.folder.iterdir() if path.name in parts or path.suffix == ".gguf"]
    return sum(path.stat().st_size for path in files)


def coded_by(loaded: LoadedModel, texts: Sequence[str], report: Report) -> ByModel:
    """Codes the texts, decodes them, and counts those that came back letter for letter."""
    coded = encode(loaded.model, loaded.tokenizer, texts, report)
    again = decode(loaded.model, loaded.tokenizer, coded, report)
    back = sum(one == other for one, other in zip(texts, again, strict=True))
    return ByModel(name=loaded.name, coded=coded, back=back, decoder=decoder_bytes(loaded))


def run_compression(load: Load, *, quick: bool, report: Report) -> Measured:
    """Runs it.

    Raises:
        ValueError: a bundled model or the text is not there.
    """
    text = held_out(quick)
    texts = text.documents[:QUICK_TEXTS] if quick else text.documents
    codes, models, sizes = list[ByModel](), dict[str, str](), dict[str, int]()
    names = QUICK if quick else LONG
    for done, name in enumerate(names):
        loaded = needed(load, name) if name in QUICK else load(name)
        if loaded is None:
            continue
        codes.append(coded_by(loaded, texts, part_of(report, done, len(names), f"{{}} with {name}")))
        models[name] = loaded.model_hash
        parts = parameter_count(loaded.config)
        sizes[name] = parts["total"] - parts["embedding"]
    plain = "\n\n".join(texts).encode()
    others, rows = general(plain), reached(recorded_results())
    return Measured(
        values=judged_values(codes, others, rows, len(texts)),
        tables=(_codes(codes, others, sizes, len(plain)), _ladder(rows), text_table(text)),
        models=models,
    )


def judged_values(
    codes: Sequence[ByModel], others: dict[str, int], rows: Sequence[Reached], texts: int
) -> dict[str, Value]:
    """The numbers that the thresholds are about."""
    best, least = min(codes, key=lambda code: code.coded.nbytes), min(others.values())
    values = {
        "round trip": Value(
            measured=sum(code.back for code in codes) / (len(codes) * texts),
            source="model",
            repeats=f"{texts} texts, {len(codes)} models",
        ),
        "code length": Value(
            measured=max(code.coded.over for code in codes), source="model", repeats=f"{len(codes)} models"
        ),
        "against xz": Value(measured=best.coded.nbytes / least, source="model", repeats=f"best: {best.name}"),
        "with the decoder": Value(
            measured=min(code.coded.nbytes + code.decoder for code in codes) / least, source="model"
        ),
    }
    ladder = [row for row in rows if row.first.name in LADDER]
    spreads = [row.short_spread for row in rows if row.short_spread]
    if len(ladder) > 1 and spreads:
        fall = ladder[0].short - min(ladder, key=lambda row: -row.first.parameters).short
        values["ladder"] = Value(
            measured=fall / max(spreads),
            source="recorded",
            repeats=f"{len(ladder)} widths, {len(spreads)} models' seeds",
        )
    return values


def _codes(codes: Sequence[ByModel], others: dict[str, int], sizes: dict[str, int], plain: int) -> Table:
    rows = [
        (code.name, code.coded.nbytes, 8 * code.coded.nbytes / plain, code.decoder, sizes[code.name]) for code in codes
    ]
    return Table(
        name="codes",
        title=f"Bytes of the same {plain:,} bytes of stories, and of the files that the decoder needs",
        source="model",
        columns=("coded by", "bytes", "bits per byte", "bytes of the decoder's files", "non-embedding parameters"),
        rows=(*rows, *((name, size, 8 * size / plain, 0, None) for name, size in others.items())),
    )


def _ladder(rows: Sequence[Reached]) -> Table:
    kinds = {"ladder": "width", "twins": "twin"}
    return Table(
        name="ladder",
        title="Bits per byte of held-out text in short pieces, by size",
        source="recorded",
        columns=("model", "kind", "parameters", "tokens seen", "bits per byte", "spread of the seeds"),
        rows=tuple(
            (
                row.first.name,
                kinds[row.first.group],
                row.first.parameters,
                row.first.tokens,
                row.short,
                row.short_spread,
            )
            for row in rows
            if row.first.group in kinds
        ),
    )
