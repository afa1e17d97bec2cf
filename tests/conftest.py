"""Shared by all tests: one thread, small models, and a tokenizer whose texts can be read off the ids."""

from __future__ import annotations

import codecs
import os
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import numpy as np
import pytest
from xdist.scheduler import LoadScopeScheduling

from mistral_core.config import MistralConfig

TINY = MistralConfig(
    dim=24,
    n_layers=3,
    n_heads=6,
    n_kv_heads=2,
    head_dim=6,
    hidden_dim=40,
    vocab_size=300,
    norm_eps=1e-5,
    rope_theta=10_000.0,
    sliding_window=5,
)
"""Nothing in it coincides: fewer key/value heads than heads, and heads x head_dim is not dim."""

TINY_STD = 0.4
"""Standard deviation of the weights; with it logits differ by more than 1."""


codecs.register_error("one_each", lambda error: ("\ufffd", error.start + 1))  # type: ignore[attr-defined]


class ByteTokenizer:
    """Ids 3 to 258 are bytes 0 to 255; 0 is unknown, 1 begins, 2 ends; the rest are words."""

    vocab_size, bos_id, eos_id = TINY.vocab_size, 1, 2
    prefixes_space = True

    def encode(self, text: str, bos: bool = True, eos: bool = False) -> list[int]:
        return [1] * bos + [byte + 3 for byte in text.encode()] + [2] * eos

    def decode(self, ids) -> str:
        """One U+FFFD for each byte that starts no character; bytes do not join across a control token."""
        parts = [b""]
        for token in ids:
            parts[-1] += self.token_bytes(token)
            if token < 3:
                parts.append(b"")
        return "".join(part.decode("utf-8", errors="one_each") for part in parts)

    def token_bytes(self, token_id: int, first: bool = False) -> bytes:
        if not 0 <= token_id < self.vocab_size:
            raise ValueError(f"token id {token_id} is not in the vocabulary")
        if token_id < 3:
            return b""
        return bytes([token_id - 3]) if token_id < 259 else f" w{token_id}".encode()

    def text(self, token_id: int) -> str:
        return self.token_bytes(token_id).decode("utf-8", errors="replace")

    def label(self, token_id: int) -> str:
        return f"<{token_id}>"


class _OneBrowser(LoadScopeScheduling):
    """Where two processes share the tests, a file stays in one for its fixtures, and all of the browser's in one too.

    They share a server, and two browsers at once would wait for each other on two cores. Only the survey of layouts,
    a third of their time, has a browser of its own: it measures no time.
    """

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.partition("::")[0]
        return "browser" if path.startswith("tests/e2e/") and path != "tests/e2e/test_layout.py" else path


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    """Asked by pytest-xdist (`make test`)."""
    return _OneBrowser(config, log)


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    """Bitwise comparisons need the same number of threads, and two workers share few cores."""
    import torch

    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def tiny_config() -> MistralConfig:
    return TINY


@pytest.fixture(scope="session")
def tiny_model():
    """A seeded float32 model of `TINY`; read-only, shared by all tests."""
    from mistral_core.model import random_model

    return random_model(TINY, seed=11, std=TINY_STD)


@pytest.fixture(scope="session")
def tiny_model64():
    """The same weights in float64."""
    import torch

    from mistral_core.model import random_model

    return random_model(TINY, seed=11, std=TINY_STD, dtype=torch.float64)


@pytest.fixture(scope="session")
def tokenizer() -> ByteTokenizer:
    return ByteTokenizer()


@pytest.fixture
def draw_tokens():
    """`draw_tokens(n, seed)`: n ids of `TINY`'s vocabulary, none of them a control token."""

    def draw(n: int, seed: int = 0) -> list[int]:
        return np.random.default_rng(seed).integers(3, TINY.vocab_size, n).tolist()

    return draw


@pytest.fixture(params=[True, False], ids=["kernel", "widened"])
def either_way(request, monkeypatch):
    """Both ways in which a processor may multiply narrow weights: whether it is one with units for them."""
    from mistral_core.checkpoint import narrow

    if request.param and not narrow.int8_is_exact():
        pytest.skip("this processor sums no int8 products exactly")
    monkeypatch.setattr(narrow, "int8_is_exact", lambda: request.param)
    monkeypatch.setattr(narrow, "bfloat16_is_fast", lambda: request.param)
    return request.param
