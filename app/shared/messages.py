"""What goes to and comes from every picture that steps through a run: fields, arrays and events, with their meaning.

`app.wire_types` renders this as JSDoc (`app/kit/types.js`) and checks payloads and events against it; the
browser's side can therefore not drift from this one. What one page adds stands in its own `messages.py`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, NotRequired, TypedDict

import numpy as np

from app.wire import Dims

Token = tuple[str, str, int]
"""Text, printable form and id."""
Work = tuple[int, int, str]
"""Of work under way: steps done, in all, and what is done now."""
PictureName = Literal[
    "start",
    "next_word",
    "attention",
    "window",
    "ring",
    "reach",
    "shared_heads",
    "inside_a_block",
    "residual",
    "break_it",
    "museum",
]
Status = Literal["running", "paused", "done", "failed", "recorded"]


class Place(TypedDict):
    """Where the playhead is in a run."""

    t: Annotated[int, "position of the token"]
    layer: Annotated[int, "from 0"]
    head: Annotated[int, "from 0; -1 = the mean of the heads"]


class ModelShape(TypedDict):
    """The model that wrote a run, as far as pictures need it."""

    name: Annotated[str, "of the model"]
    n_layers: Annotated[int, "number of blocks"]
    n_heads: Annotated[int, "query heads"]
    n_kv_heads: Annotated[int, "key/value heads"]
    windows: Annotated[list[int | None], "keys that a query sees, itself included, by layer; null = all"]
    sinks: Annotated[int, "first positions that layers with a window keep in sight besides"]
    vocab: Annotated[int, "number of tokens that it knows"]


class PatternShape(TypedDict):
    """How the array `pattern` is to be read."""

    heads: Annotated[int, "heads in a row: those of the model, or 1 for their mean"]
    width: Annotated[
        int, "columns in a row: o is the key at q - o; behind a layer's window W, W + p is the kept position p"
    ]
    mean: Annotated[bool, "whether heads were averaged because all of them would be too much to send"]
    missing: Annotated[list[int], "layers, from 0, whose attention was not kept; their rows are 0"]


TokenRange = TypedDict(
    "TokenRange",
    {
        "from": Annotated[int, "position of the first token contained"],
        "to": Annotated[int, "position after the last token contained; equal to `from` if there is none"],
    },
)
TokenRange.__doc__ = "Positions `[from, to)` of a run."


class Growth(TypedDict):
    """Where a run is."""

    total: Annotated[int, "tokens expected in the end"]
    status: Annotated[Status, "of the run"]
    message: Annotated[str, "one sentence for the status; may be empty"]
    provenance: Annotated[Literal["model", "recorded"], "model = written now, recorded = a stored run"]
    tokens_per_second: Annotated[float | None, "how fast it is written; null = not known"]


class RunHeader(TokenRange, Growth):
    """The tokens `[from, to)` of one run, and what surrounds them. They overlap; the browser appends what is new."""

    picture: Annotated[PictureName, "the page whose program draws it"]
    run: Annotated[str, "names the run; a branch has another name"]
    mode: Annotated[Literal["start", "desk"], "the text and its bracket, or everything"]
    prefix: Annotated[int, "hash of the tokens before `from`, by which the browser notices that it holds other ones"]
    n_prompt: Annotated[int, "tokens that were given"]
    model: Annotated[ModelShape, "the model that wrote it"]
    settings: Annotated[dict[str, Any], "with which the run was made: sampling, seed, chunk_size, ..."]
    at: Annotated[Place | None, "where the playhead starts if the run is new to the browser"]
    pattern: Annotated[PatternShape | None, "null = no attention is sent; `note` says why"]
    note: Annotated[str, "one sentence on what was not sent or not recorded; may be empty"]
    tokens: Annotated[list[Token], "text, printable form and id of each token contained"]


class Code(TypedDict):
    """A function of this program as it is written, for the panel that shows it beside a picture."""

    name: Annotated[str, "of the function, with its class"]
    file: Annotated[str, "from the root of the repository"]
    line: Annotated[int, "where it begins in that file, from 1"]
    text: Annotated[str, "its source"]
    marks: Annotated[dict[str, list[int]], "by what a step names, the lines of `text`, from 0, that do it"]
    inference: Annotated[str, "what does the same in mistral-inference; may be empty"]
    transformers: Annotated[str, "what does the same in Hugging Face's transformers; may be empty"]


class RunArrays(TypedDict):
    """One row for each token of the payload, in the order of the text."""

    probability: Annotated[
        np.ndarray, Dims("<f4", "tokens"), "of the token where it was predicted; NaN = not predicted"
    ]
    rank: Annotated[np.ndarray, Dims("<i4", "tokens"), "of the token among all, from 0; -1 = not predicted"]
    entropy: Annotated[
        np.ndarray, Dims("<f4", "tokens"), "bits, of the prediction made at the token; NaN = not recorded"
    ]
    pattern: NotRequired[
        Annotated[
            np.ndarray, Dims("<u2", "tokens", "n_layers", "heads", "width"), "attention weight x 65535, by key offset"
        ]
    ]


class Ack(TypedDict):
    """Sticky. What the browser holds of a run; said after every payload that contained something."""

    run: Annotated[str, "its name"]
    to: Annotated[int, "tokens without a gap, from 0"]
    parts: Annotated[dict[str, tuple[str | None, int]], "what else it holds, by name: its key and how much of it"]
    n: Annotated[float, "the browser's clock; what is said later has a larger one"]


_NeedFrom = TypedDict("_NeedFrom", {"from": Annotated[int, "the first position that is missing"]})


class Need(_NeedFrom):
    """Sticky. Tokens are missing, and are asked for again."""

    run: Annotated[str, "its name"]
    n: Annotated[float, "the browser's clock; what is said later has a larger one"]


class At(Place):
    """Sticky. The playhead has come to rest."""

    run: Annotated[str, "its name"]


class OfRun(TypedDict):
    """One-shot. A button about a run."""

    run: Annotated[str, "its name"]
    n: Annotated[float, "another number at every press"]


class OfRunHere(OfRun, Place):
    """One-shot. A button about a run, and where the visitor was in it."""
