"""SwiGLU: a feed-forward layer whose hidden features are gated.

    pre        = w1 x            the gate, before SiLU
    pre_linear = w3 x            the value ("up")
    post       = SiLU(pre) * pre_linear
    output     = w2 post         ("down")

Source: Shazeer 2020 (arXiv 2002.05202); mistral-inference `transformer_layers.py`, class FeedForward.
"""

from __future__ import annotations

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from mistral_core.config import MistralConfig
from mistral_core.hooks import HookPoint


class FeedForward(nn.Module):
    """The feed-forward part of one block; works on every position alone."""

    def __init__(self, config: MistralConfig) -> None:
        super().__init__()
        self.w1 = nn.Linear(config.dim, config.hidden_dim, bias=False)
        self.w2 = nn.Linear(config.hidden_dim, config.dim, bias=False)
        self.w3 = nn.Linear(config.dim, config.hidden_dim, bias=False)
        self.hook_pre, self.hook_pre_linear, self.hook_post = HookPoint(), HookPoint(), HookPoint()

    def forward(self, x: Float[Tensor, "batch pos dim"]) -> Float[Tensor, "batch pos dim"]:
        pre, pre_linear = self.project(x)
        pre, pre_linear = self.hook_pre(pre), self.hook_pre_linear(pre_linear)
        return self.w2(self.hook_post(F.silu(pre) * pre_linear))

    def project(self, x: Float[Tensor, "batch pos dim"]) -> tuple[Tensor, ...]:
        """The gate before SiLU and the value: `w1 x`, `w3 x`."""
        return self.w1(x), self.w3(x)
