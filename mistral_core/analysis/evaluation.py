"""How well a model predicts a text: bits per byte and nats per token.

A document is what stands between blank lines. Each is read as BOS + its pieces + EOS; every
piece and EOS is predicted, from everything the windows let it reach. Then

    loss          = sum of -ln p(token) / number of predicted tokens        nats per token
    bits per byte = sum of -ln p(token) / ln 2 / number of bytes            comparable between tokenizers

The bytes are those of the documents in UTF-8, without the blank lines between them. A document of
any length passes through the ring in chunks, so memory does not grow with it (a layer without a
window needs a slot for each of its tokens).

Source: bits per byte as in the Pile, Gao et al. 2020 (arXiv 2101.00027) section 3.1.
"""

from __future__ import annotations

import io
import lzma
import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from jaxtyping import Float

from mistral_core.checkpoint.variants import with_windows
from mistral_core.config import MistralConfig, Window, brief
from mistral_core.hooks import watching
from mistral_core.model import Transformer
from mistral_core.tokenizer import Tokenizer

DEFAULT_CHUNK = 256
"""Tokens read at once."""
MAX_SCORES = 2**24
"""Attention scores of one layer at once; a chunk shrinks when its keys are many."""


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """What was measured.

    Attributes:
        bits_per_byte: lower is better; 8 = the model knows nothing of the bytes.
        loss: nats per predicted token.
        tokens: predicted tokens: all pieces, and the end of each document.
        bytes: of the documents, UTF-8.
        documents: how many.
        after: predicted tokens of each document that `loss_after` leaves out, from its beginning.
        loss_after: nats per predicted token that follows these; `None` = no document is so long. With `after` 0 it is
            `loss`.
        tokens_after: predicted tokens that it is the mean of.
        longest: predicted tokens of the longest document.
    """

    bits_per_byte: float
    loss: float
    tokens: int
    bytes: int
    documents: int
    after: int = 0
    loss_after: float | None = None
    tokens_after: int = 0
    longest: int = 0


Progress = Callable[[Evaluation], None]
"""Called after each document with what was measured so far."""


def evaluate(
    model: Transformer,
    tokenizer: Tokenizer,
    documents: str | Iterable[str],
    *,
    windows: Window | tuple[Window, ...] | Literal["own"] = "own",
    sinks: int = 0,
    after: int = 0,
    chunk_size: int = DEFAULT_CHUNK,
    progress: Progress | None = None,
) -> Evaluation:
    """Reads all documents and measures how well each token was predicted.

    Args:
        documents: a text, which is split at blank lines, or its documents one by one.
        windows: another window in place of the model's "own"; the weights are shared.
        sinks: first tokens of each document that stay visible beside that window.
        after: `loss_after` counts what follows so many predicted tokens of each document. What a short context costs,
            or a window that has begun to slide, shows there and not in the mean over all.
        chunk_size: tokens read at once; the result does not depend on it.

    Raises:
        ValueError: there is no text, no document is longer than `after`, or an argument is out of bounds.
    """
    if after < 0:
        raise ValueError(f"after is {brief(after)}; it must be 0 or more tokens")
    if chunk_size < 1:
        raise ValueError(f"chunk_size is {chunk_size}; it must be at least 1")
    if sinks and windows in ("own", None):
        raise ValueError(f"{sinks} sinks are kept beside a window that is imposed; name one")
    if windows != "own":
        model = with_windows(model, windows, sinks)
    if isinstance(documents, str):
        documents = split_documents(io.StringIO(documents))  # splits at newlines alone
    total, result = _Sum(after), None
    for document in documents:
        result = total.with_document(document, document_losses(model, tokenizer, document, chunk_size))
        if progress is not None:
            progress(result)
    if result is None:
        raise ValueError("there is no text to evaluate; every line is blank")
    if result.loss_after is None:
        raise ValueError(
            f"after is {brief(after)}, and the longest document has {result.longest:,} tokens to predict; "
            f"take fewer, or a longer text"
        )
    return result


@dataclass
class _Sum:
    """What the documents so far add up to; nats in float64."""

    after: int
    nats: float = 0.0
    nats_after: float = 0.0
    tokens: int = 0
    tokens_after: int = 0
    bytes: int = 0
    documents: int = 0
    longest: int = 0

    def with_document(self, document: str, losses: Float[torch.Tensor, " predicted"]) -> Evaluation:
        later = losses[self.after :]
        self.nats, self.nats_after = self.nats + float(losses.sum()), self.nats_after + float(later.sum())
        self.tokens, self.tokens_after = self.tokens + len(losses), self.tokens_after + len(later)
        self.bytes, self.documents = self.bytes + len(document.encode()), self.documents + 1
        self.longest = max(self.longest, len(losses))
        return Evaluation(
            bits_per_byte=self.nats / math.log(2) / self.bytes,
            loss=self.nats / self.tokens,
            tokens=self.tokens,
            bytes=self.bytes,
            documents=self.documents,
            after=self.after,
            loss_after=self.nats_after / self.tokens_after if self.tokens_after else None,
            tokens_after=self.tokens_after,
            longest=self.longest,
        )


def document_losses(
    model: Transformer, tokenizer: Tokenizer, document: str, chunk_size: int = DEFAULT_CHUNK
) -> Float[torch.Tensor, " predicted"]:
    """`-ln p` of every piece of a document and of EOS after it, float64 nats."""
    ids = torch.tensor(tokenizer.encode(document, bos=True, eos=True))
    inputs, targets = ids[:-1], ids[1:]
    kv_cache = model.empty_kv_cache(max_context=len(inputs))
    size = min(chunk_size, _affordable(model.config, len(inputs)))
    losses = []
    with watching(None), torch.inference_mode():
        for chunk, wanted in zip(inputs.split(size), targets.split(size), strict=True):
            logits = model(chunk[None], kv_cache=kv_cache)[0]
            wide = logits if logits.dtype == torch.float64 else logits.float()
            losses.append(torch.nn.functional.cross_entropy(wide, wanted.to(wide.device), reduction="none").cpu())
    return torch.cat(losses).double()


def _affordable(config: MistralConfig, length: int) -> int:
    """Largest chunk whose scores (heads x chunk x keys) stay within `MAX_SCORES`; at least 1."""
    slots = max(length if window is None else window + config.sinks for window in config.windows)
    per_head = MAX_SCORES / config.n_heads
    return max(1, int((math.sqrt(slots**2 + 4 * per_head) - slots) / 2))  # chunk x (slots + chunk) = per_head


def split_documents(lines: Iterable[str]) -> Iterator[str]:
    r"""The documents of a text, given line by line; blank lines separate them.

    >>> list(split_documents(["a\n", "b\n", "\n", " \n", "c"]))
    ['a\nb', 'c']
    """
    held: list[str] = []
    for line in lines:
        if line.strip():
            held.append(line)
        elif held:
            yield "".join(held).removesuffix("\n")
            held = []
    if held:
        yield "".join(held).removesuffix("\n")


def read_documents(path: str | Path) -> Iterator[str]:
    """The documents of a text file, plain or `.xz`, read as a stream.

    Line ends are read as newlines, whatever the system that wrote them.

    Raises:
        ValueError: the file is missing, no text in UTF-8, a damaged `.xz`, or empty.
    """
    path, empty = Path(path), True
    try:
        with closing(_open(path)) as file:
            for document in split_documents(file):
                if "\0" in document:
                    raise ValueError(f"{path} holds NUL bytes, so it is no text; give a text file in UTF-8")
                empty = False
                yield document
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not text in UTF-8 ({error.reason}); convert it first") from error
    except (lzma.LZMAError, EOFError) as error:
        raise ValueError(f"{path} is not a complete .xz file ({error}); copy it again") from error
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror or error}") from error
    if empty:
        raise ValueError(f"{path} holds no text; every line is blank")


def _open(path: Path) -> io.TextIOWrapper:
    if path.suffix == ".xz":
        return lzma.open(path, "rt", encoding="utf-8")
    return path.open(encoding="utf-8")
