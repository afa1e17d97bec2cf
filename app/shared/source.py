"""The source of the functions that a page explains, so that picture and code cannot drift apart.

`source_of` reads it from the running program (`inspect`). A step of a picture names a *mark*, and the lines that belong
to it are lit; marks are fragments of the source, looked up when the page is made, and one that is not there is
refused: code that changes under a page is noticed by the page's tests.
"""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from app.shared.messages import Code

ROOT = Path(__file__).resolve().parents[2]
ELSEWHERE: Mapping[str, tuple[str, str]] = {
    "RMSNorm.forward": ("RMSNorm.forward, transformer_layers.py", "MistralRMSNorm.forward"),
    "rotation": ("precompute_freqs_cis, rope.py", "MistralRotaryEmbedding.forward"),
    "rotate": ("apply_rotary_emb, rope.py", "apply_rotary_pos_emb (half-split layout)"),
    "allowed": ("BlockDiagonalCausalMask.make_local_attention (xformers)", "create_sliding_window_causal_mask"),
    "Attention.forward": ("Attention.forward, transformer_layers.py", "MistralAttention.forward"),
    "Attention.project": ("wq, wk, wv of Attention.forward", "q_proj, k_proj, v_proj"),
    "Attention.attend": ("repeat_kv and memory_efficient_attention", "repeat_kv and eager_attention_forward"),
    "read_and_write": ("CacheView.interleave_kv and update, cache.py", "DynamicSlidingWindowLayer.update"),
    "Ring.write": ("CacheView.update, cache.py", "DynamicSlidingWindowLayer.update"),
    "Ring.unrotate": ("unrotate, cache.py", "(keeps the order of the text)"),
    "KVCache.slots": ("cache_positions: positions % cache_size, cache.py", "(keeps the order of the text)"),
    "slots_of": ("cache_positions: positions % cache_size, cache.py", "(keeps the order of the text)"),
    "FeedForward.forward": ("FeedForward.forward, transformer_layers.py", "MistralMLP.forward"),
    "FeedForward.project": ("w1, w3 of FeedForward.forward", "gate_proj, up_proj of MistralMLP"),
    "Block.forward": ("TransformerBlock.forward, transformer_layers.py", "MistralDecoderLayer.forward"),
    "Transformer.forward": ("Transformer.forward, transformer.py", "MistralForCausalLM.forward"),
}
"""By the name of one of our functions, what does the same in mistral-inference and in Hugging Face's transformers."""


def source_of(function: Callable[..., Any], marks: Mapping[str, str | tuple[str, ...]] | None = None) -> Code:
    """A function's source as the browser's panel shows it.

    Args:
        function: of this program.
        marks: by name of a mark, fragments of the source, over several lines if need be; every line that has a part
            of one of them belongs to the mark, wherever it stands.

    Raises:
        ValueError: a fragment is nowhere in the source.
    """
    function = inspect.unwrap(function)
    lines, first = _lines_of(function)
    text = textwrap.dedent("".join(lines)).rstrip("\n")
    name = function.__qualname__
    inference, transformers = ELSEWHERE.get(name, ("", ""))
    return {
        "name": name,
        "file": Path(inspect.getfile(function)).resolve().relative_to(ROOT).as_posix(),
        "line": first,
        "text": text,
        "marks": {mark: _lines_with(text, asked, name) for mark, asked in (marks or {}).items()},
        "inference": inference,
        "transformers": transformers,
    }


@lru_cache
def _lines_of(function: Callable[..., Any]) -> tuple[list[str], int]:
    """Read once: to look for a function takes 40 ms, and a payload is made many times a second."""
    return inspect.getsourcelines(function)


def _lines_with(text: str, asked: str | tuple[str, ...], name: str) -> list[int]:
    """Numbers, from 0, of the lines that hold a fragment."""
    lit: set[int] = set()
    for fragment in (asked,) if isinstance(asked, str) else asked:
        places = [match.start() for match in re.finditer(re.escape(fragment), text)] if fragment else []
        if not places:
            raise ValueError(f"{fragment!r} is nowhere in {name}; say another fragment of its source")
        for start in places:
            lit.update(range(text.count("\n", 0, start), text.count("\n", 0, start + len(fragment)) + 1))
    return sorted(lit)
