"""The residual stream of one block: what is added, and from which copy it is computed."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mistral_core.block import Block
from mistral_core.hooks import recording, replacing
from mistral_core.rope import rotation
from tests.conftest import TINY
from tests.model import reference

STREAM = ("hook_resid_pre", "hook_attn_out", "hook_resid_mid", "hook_mlp_out", "hook_resid_post")


@pytest.fixture
def block() -> Block:
    torch.manual_seed(0)
    block = Block(TINY, TINY.windows[0]).double().requires_grad_(False)
    for parameter in block.parameters():
        parameter.normal_(float(parameter.ndim == 1), 0.3)
    for name in STREAM:
        getattr(block, name).name = name
    return block


def run(block: Block, x: torch.Tensor) -> torch.Tensor:
    positions = torch.arange(x.shape[1])[None]
    return block(x, rotation(positions, TINY.head_dim, TINY.rope_theta, x.dtype), positions)


def stream_in() -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).normal(size=(1, 13, TINY.dim)))


def test_equals_the_loops(block):
    x = stream_in()
    weights = {f"layers.0.{name}": value for name, value in reference.weights_of(block).items()}
    seen: dict[str, np.ndarray] = {}
    expected = reference._block(weights, TINY, 0, list(x[0].numpy()), seen)
    with recording(STREAM) as got:
        out = run(block, x)
    np.testing.assert_allclose(out[0], np.array(expected), atol=1e-12)
    for name in STREAM:
        np.testing.assert_allclose(got[name][0], seen[f"layers.0.{name}"], atol=1e-12, err_msg=name)


def test_both_parts_add_to_the_stream(block):
    with recording(STREAM) as seen:
        out = run(block, stream_in())
    pre, attended, mid, fed, post = (seen[name] for name in STREAM)
    assert torch.equal(mid, pre + attended)
    assert torch.equal(post, mid + fed)
    assert torch.equal(post, out)


def test_without_its_parts_a_block_is_the_identity(block):
    x = stream_in()
    with replacing({"hook_attn_out": torch.zeros_like, "hook_mlp_out": torch.zeros_like}):
        assert torch.equal(run(block, x), x)


def test_attention_and_feed_forward_read_normalised_copies(block):
    """Ten times the stream: the corrections stay (almost) as they were, since only direction counts."""
    x = stream_in()
    with recording(STREAM) as seen:
        run(block, x)
        run(block, 10 * x)
    first, second = seen.values["hook_attn_out"]
    torch.testing.assert_close(first, second, rtol=1e-3, atol=1e-5)
