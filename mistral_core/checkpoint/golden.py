"""Golden logits: what another program computes for a model, stored beside its weights.

A program that only compares itself with itself can be wrong everywhere in the same way; a rotary
layout that was not converted is the classic case. So each bundled model carries logits that
another implementation made from the same file, at positions around every edge: the window, its
multiples, and the exact reach. Those of the bundled models are of transformers' `MistralForCausalLM` (float32,
eager attention). `python -m mistral_core golden --model FOLDER` makes the file anew, with the reference of
`verification/reference.py`: it reads the files itself, so that nothing the loader does wrong gets into it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from mistral_core.config import MistralConfig
from mistral_core.writing import write_whole

if TYPE_CHECKING:
    from mistral_core.checkpoint.load import LoadedModel

GOLDEN_FILE = "golden.safetensors"
MAX_TOKENS = 160
TOKENS_WITHOUT_WINDOW = 96
N_POSITIONS = 12
REFERENCE = "the reference of verification, float64"
"""Name of the program that makes them now."""
TEXT = (
    "Once upon a time a miller had a cat who could not sleep. Every night she sat on the wall by the "
    'river and counted the lights of the town. "There are seven," she said to the moon, "and yesterday '
    'there were eight. Who has put one out?" The moon did not answer, for it was very old and had seen '
    "many lights go out. So the cat went down to the bridge, where an old woman sold apples.\n"
    '"Good evening," said the cat. "One of your lamps is dark." The woman laughed and gave her an apple, '
    "though cats do not eat apples. Then she lit the lamp again, and the river carried its light all the "
    "way to the sea. When the miller woke in the morning, his cat was asleep at last, and beside her on "
    "the floor lay a red apple, still wet from the dew."
)
"""Written for this purpose, so that no model has been trained on it."""


@dataclass(frozen=True, eq=False)
class Golden:
    """Stored logits of one model.

    Attributes:
        tokens: `[T]` int64, the text that was read, begin token included.
        positions: `[P]` int64, where logits are stored.
        logits: `[P, vocab_size]` float32: row `i` follows token `positions[i]`.
        model_hash: of the weights they were made from.
        made_by: the program that made them.
        text: what the tokens spell.
    """

    tokens: np.ndarray
    positions: np.ndarray
    logits: np.ndarray
    model_hash: str
    made_by: str
    text: str

    def max_error(self, logits: np.ndarray) -> tuple[float, float]:
        """Compares logits of all tokens with the stored ones.

        Args:
            logits: `[T, vocab_size]`, of the same tokens.

        Returns:
            Largest absolute difference, and largest absolute stored logit, to which a bound is relative.

        Raises:
            ValueError: logits of another number of tokens or another vocabulary.
        """
        wanted = (len(self.tokens), self.logits.shape[1])
        if logits.shape != wanted:
            raise ValueError(f"logits have shape {logits.shape}; the stored ones belong to {wanted}")
        difference = np.abs(logits[self.positions].astype(np.float64) - self.logits)
        return float(difference.max()), float(np.abs(self.logits).max())


def golden_length(config: MistralConfig) -> int:
    """Tokens that the golden text needs: past the exact reach by two windows, at most 160."""
    reach, windows = config.exact_reach(), [window for window in config.windows if window is not None]
    if reach is None or not windows:
        return TOKENS_WITHOUT_WINDOW
    return min(max(reach + 2 * max(windows), 2), MAX_TOKENS)


def golden_positions(config: MistralConfig, length: int) -> list[int]:
    """Where logits are stored: both ends, and around each window, its multiples and the reach."""
    edges = {0, length - 1}
    for window in {window for window in config.windows if window is not None}:
        edges |= {window - 1, window, window + 1, 2 * window, 3 * window}
    if (reach := config.exact_reach()) is not None:
        edges |= {reach - 1, reach, reach + 1}
    chosen = sorted(position for position in edges if 0 <= position < length)
    spread = (round(i * (length - 1) / (N_POSITIONS - 1)) for i in range(N_POSITIONS))
    for position in spread:
        if len(chosen) < N_POSITIONS and position not in chosen:
            chosen.append(position)
    return sorted(chosen)


def make_golden(folder: str | Path) -> Golden:
    """Computes a fixed text with the independent reference and writes `golden.safetensors` into the model's folder.

    Raises:
        WriteError: no room, or a folder that takes no files.
        ValueError: the folder cannot be loaded, or its file has the rows of wq and wk in the other order than its
            layout says: either order is a network, and the logits of the wrong one would prove it right.
    """
    from mistral_core.checkpoint.load import load_model
    from mistral_core.verification.reference import Reference
    from mistral_core.verification.rotary_order import rotary_order

    loaded = load_model(folder)
    evidence = rotary_order(loaded.folder, loaded.tokenizer)
    if evidence is not None and evidence.verdict is False:
        raise ValueError(
            f"{loaded.folder} has the rows of wq and wk in another order than its layout says ({evidence}); "
            f"convert them first, no golden logits are made"
        )
    length = golden_length(loaded.config)
    tokens, positions = _tokens(loaded, length), golden_positions(loaded.config, length)
    logits = Reference(loaded.folder).logits(tokens)[positions].numpy()
    golden = Golden(
        tokens=np.array(tokens, dtype=np.int64),
        positions=np.array(positions, dtype=np.int64),
        logits=np.ascontiguousarray(logits, dtype=np.float32),
        model_hash=loaded.model_hash,
        made_by=REFERENCE,
        text=loaded.tokenizer.decode(tokens),
    )
    _write(golden, loaded.folder / GOLDEN_FILE)
    return golden


def load_golden(folder: str | Path) -> Golden | None:
    """The golden logits of a model folder; `None` where it has none.

    Raises:
        ValueError: the file is damaged or something else.
    """
    path = Path(folder) / GOLDEN_FILE
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="numpy") as file:
            header = json.loads((file.metadata() or {})["golden"])
            arrays = {name: file.get_tensor(name) for name in ("tokens", "positions", "logits")}
        if "transformers_version" in header:
            header["made_by"] = f"transformers {header['transformers_version']}"
        golden = Golden(
            arrays["tokens"], arrays["positions"], arrays["logits"], *(str(header[name]) for name in _HEADER)
        )
        # A negative or too large position would make numpy compare other rows, or none.
        if not len(golden.positions) or not 0 <= golden.positions.min() <= golden.positions.max() < len(golden.tokens):
            raise ValueError("its positions lie outside its tokens")
        return golden
    except (SafetensorError, OSError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"{path} cannot be read as golden logits ({error}); make it anew") from error


_HEADER = ("model_hash", "made_by", "text")


def _tokens(loaded: LoadedModel, length: int) -> list[int]:
    ids = loaded.tokenizer.encode(TEXT)
    while len(ids) < length:  # a tokenizer with long pieces
        ids += loaded.tokenizer.encode(TEXT, bos=False)
    return ids[:length]


def _write(golden: Golden, path: Path) -> None:
    header = {name: getattr(golden, name) for name in _HEADER}
    arrays = {"tokens": golden.tokens, "positions": golden.positions, "logits": golden.logits}
    write_whole(path, lambda part: save_file(arrays, part, metadata={"golden": json.dumps(header)}))
