"""The functions that make the numbers of each box, as the source panel shows them; a box is the name of its lines."""

from __future__ import annotations

from functools import lru_cache

from app.shared.messages import Code
from app.shared.source import source_of


@lru_cache(maxsize=1)
def codes() -> list[Code]:
    """All that the picture can show; asks for torch, so it is asked for with the first numbers.

    Raises:
        ValueError: a line that a box lights is no longer there.
    """
    from mistral_core.attention import Attention, read_and_write
    from mistral_core.block import Block
    from mistral_core.feed_forward import FeedForward
    from mistral_core.mask import allowed
    from mistral_core.model import Transformer
    from mistral_core.norm import RMSNorm
    from mistral_core.rope import rotate

    norm = ("scale = ", "normalized = ")
    turned = "pairs = torch.view_as_complex", "pairs * turn"
    return [
        source_of(
            Block.forward,
            {
                "resid_pre": "x = self.hook_resid_pre(x)",
                "resid_mid": "x = self.hook_resid_mid(",
                "resid_post": "return self.hook_resid_post(",
            },
        ),
        source_of(RMSNorm.forward, {"attention_norm": norm, "ffn_norm": norm, "final_norm": norm}),
        source_of(
            Attention.forward,
            {
                "q": ("q, k, v = self.project(x)", "q = self.hook_q("),
                "k": ("q, k, v = self.project(x)", "k = self.hook_k("),
                "v": ("q, k, v = self.project(x)", "v = self.hook_v("),
                "attn_out": "return self.wo(",
            },
        ),
        source_of(rotate, {"rot_q": turned, "rot_k": turned}),
        source_of(read_and_write, {"ring": "ring.write(k, v, plan)"}),
        source_of(
            Attention.attend,
            {
                "scores": ("scores = torch.bmm(", "scores = scores.view("),
                "pattern": "pattern = self.hook_pattern(",
                "z": ("z = torch.bmm(", "return self.hook_z("),
            },
        ),
        source_of(allowed, {"mask": ("visible = ", "near = ", "return visible & (near")}),
        source_of(
            FeedForward.forward,
            {
                "pre": ("pre, pre_linear = self.project(x)", "self.hook_pre(pre)"),
                "pre_linear": ("pre, pre_linear = self.project(x)", "self.hook_pre_linear(pre_linear)"),
                "post": "F.silu(pre) * pre_linear",
                "mlp_out": "self.w2(",
            },
        ),
        source_of(Transformer.forward, {"logits": "return self.hook_logits("}),
    ]
