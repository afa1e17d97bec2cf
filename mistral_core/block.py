"""One block: two corrections to the residual stream, each computed from a normalised copy.

    resid_pre --+--------------------------+--> resid_mid --+------------------------+--> resid_post
                |                          |                |                        |
                +-> norm -> attention -> attn_out           +-> norm -> SwiGLU -> mlp_out

Source: "Mistral 7B" section 2; mistral-inference `transformer_layers.py`, class TransformerBlock.
"""

from __future__ import annotations

from jaxtyping import Bool, Complex, Float, Int
from torch import Tensor, nn

from mistral_core.attention import Attention
from mistral_core.config import MistralConfig, Window
from mistral_core.feed_forward import FeedForward
from mistral_core.hooks import HookPoint
from mistral_core.kv_cache import Ring, WritePlan
from mistral_core.norm import RMSNorm


class Block(nn.Module):
    """Pre-norm attention and pre-norm feed-forward, each added to the stream."""

    def __init__(self, config: MistralConfig, window: Window) -> None:
        super().__init__()
        self.attention = Attention(config, window)
        self.feed_forward = FeedForward(config)
        self.attention_norm = RMSNorm(config.dim, config.norm_eps)
        self.ffn_norm = RMSNorm(config.dim, config.norm_eps)
        self.hook_resid_pre, self.hook_resid_mid, self.hook_resid_post = HookPoint(), HookPoint(), HookPoint()
        self.hook_attn_out, self.hook_mlp_out = HookPoint(), HookPoint()

    def forward(
        self,
        x: Float[Tensor, "batch pos dim"],
        turn: Complex[Tensor, "batch pos 1 pairs"],
        positions: Int[Tensor, "batch pos"],
        ring: Ring | None = None,
        plan: WritePlan | None = None,
        hidden: Bool[Tensor, "batch 1 query_pos key_pos"] | None = None,
    ) -> Float[Tensor, "batch pos dim"]:
        """The stream after this block; see `Attention.forward` for the arguments."""
        x = self.hook_resid_pre(x)
        added = self.attention(self.attention_norm(x), turn, positions, ring, plan, hidden)
        x = self.hook_resid_mid(x + self.hook_attn_out(added))
        return self.hook_resid_post(x + self.hook_mlp_out(self.feed_forward(self.ffn_norm(x))))
