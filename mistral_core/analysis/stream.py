"""The residual stream of a text, kept with all that was added to it: what the lens and the attribution are read from.

    row 0 = embedding;   row l = row l - 1 + attn_out of layer l + mlp_out of layer l

Every row is what a layer reads, and the last one is what the final norm reads. Rows are those of the state grid.

Source: Elhage et al. 2021 (transformer-circuits.pub/2021/framework), "the residual stream as a communication channel".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from mistral_core.analysis.gradients import state_names
from mistral_core.analysis.influence import CHUNK, MAX_BYTES
from mistral_core.analysis.progress import Report, silent
from mistral_core.analysis.reach import check_position
from mistral_core.hooks import Capture, watching
from mistral_core.model import Transformer
from mistral_core.trace.shapes import layer_hook

ATTENTION, MLP, HEADS = "hook_attn_out", "hook_mlp_out", "attention.hook_z"
SCALE = "norm.hook_scale"


@dataclass(frozen=True, kw_only=True, eq=False)
class Stream:
    """What passed through one reading, at the positions `[first, first + pos)`, in the model's own dtype.

    Attributes:
        token_ids: the whole text.
        states: the rows. attention, mlp: what each layer added. z: what each head fetched, before `wo`.
        scale: divisor of the final norm. logits: the model's own.
    """

    token_ids: tuple[int, ...]
    first: int
    states: Float[Tensor, "rows pos dim"]
    attention: Float[Tensor, "n_layers pos dim"]
    mlp: Float[Tensor, "n_layers pos dim"]
    z: Float[Tensor, "n_layers pos n_heads head_dim"]
    scale: Float[Tensor, "pos 1"]
    logits: Float[Tensor, "pos vocab_size"]

    def __len__(self) -> int:
        return self.states.shape[1]

    def middle(self, layer: int) -> Float[Tensor, "pos dim"]:
        """The stream between attention and MLP of a layer, from 0: what the MLP's norm reads."""
        return self.states[layer] + self.attention[layer]


def read_stream(
    model: Transformer, token_ids: Sequence[int], *, first: int = 0, stop: int | None = None, report: Report = silent
) -> Stream:
    """Reads a text up to `stop` and keeps its stream from `first` on; a long one is read through the rings.

    Args:
        first, stop: positions from the first up to but without the second; default: all. What comes before is read
            too, what comes later cannot matter.

    Raises:
        ValueError: no tokens, positions that are not in the text, or more of them than fit into memory.
    """
    length = len(token_ids)
    stop = length if stop is None else stop
    check_position("first", first, length)
    if not first < stop <= length:
        raise ValueError(f"stop is {stop}; it must be {first + 1} to {length}, after the first position that is kept")
    _check_memory(model, stop, stop - first)
    config = model.config
    states = state_names(config.n_layers)
    added = [layer_hook(layer, hook) for hook in (ATTENTION, MLP, HEADS) for layer in range(config.n_layers)]
    capture = Capture([*states, *added, SCALE])
    kv_cache = model.empty_kv_cache(max_context=stop) if stop > CHUNK else None
    chunks, logits = torch.tensor([list(token_ids[:stop])], dtype=torch.long).split(CHUNK, 1), []
    for done, chunk in enumerate(chunks):
        report(done, len(chunks), "reading the text")
        with watching(capture), torch.inference_mode():
            logits.append(model(chunk, kv_cache=kv_cache)[0])

    def of(name: str) -> Tensor:
        return torch.cat(capture.values[name], 1)[0, first:]

    def layers(hook: str) -> Tensor:
        return torch.stack([of(layer_hook(layer, hook)) for layer in range(config.n_layers)])

    return Stream(
        token_ids=tuple(token_ids),
        first=first,
        states=torch.stack([of(name) for name in states]),
        attention=layers(ATTENTION),
        mlp=layers(MLP),
        z=layers(HEADS),
        scale=of(SCALE),
        logits=torch.cat(logits)[first:],
    )


def _check_memory(model: Transformer, n_read: int, n_kept: int) -> None:
    c = model.config
    row = (3 * c.n_layers + 1) * c.dim + c.n_layers * c.n_heads * c.head_dim + c.vocab_size
    needed = (n_read + n_kept) * row * model.dtype.itemsize
    if needed > MAX_BYTES:
        raise ValueError(
            f"the stream of {n_read:,} tokens needs {needed:,} bytes; at most {MAX_BYTES:,} are used, so choose a text "
            f"of at most {n_read * MAX_BYTES // needed:,} tokens"
        )
