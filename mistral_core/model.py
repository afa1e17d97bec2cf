"""The whole network: embedding, blocks, final norm, output.

    tokens -> tok_embeddings -> block 0 -> ... -> block L-1 -> norm -> output -> logits

Module and parameter names are Mistral's, so published weights need no renaming. The module
holds no state of any call: positions, rings and sinks come with the call.

Source: "Mistral 7B" section 2 and table 1; mistral-inference `transformer.py`.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from mistral_core.attention import hidden_keys
from mistral_core.block import Block
from mistral_core.config import MistralConfig, Window
from mistral_core.hooks import HookPoint, name_hook_points
from mistral_core.kv_cache import KVCache, Ring, WritePlan
from mistral_core.norm import RMSNorm
from mistral_core.rope import rotation


class Transformer(nn.Module):
    """A Mistral.

    Attributes:
        hook_names: every named tensor, in the order of definition.
    """

    kv_cache_type = KVCache

    def __init__(self, config: MistralConfig) -> None:
        super().__init__()
        self.config = config
        self.tok_embeddings = nn.Embedding(config.vocab_size, config.dim)
        self.layers = nn.ModuleList(Block(config, window) for window in config.windows)
        self.norm = RMSNorm(config.dim, config.norm_eps)
        self.output = None if config.tied_embeddings else nn.Linear(config.dim, config.vocab_size, bias=False)
        self.hook_embed, self.hook_logits = HookPoint(), HookPoint()
        self.hook_names = name_hook_points(self)

    def forward(
        self,
        tokens: Int[Tensor, "batch pos"],
        positions: Int[Tensor, "batch pos"] | None = None,
        kv_cache: KVCache | None = None,
        last_only: bool = False,
    ) -> Float[Tensor, "batch out_pos vocab_size"]:
        """Logits for the token after each token.

        Without a KVCache the tokens are the whole text, causal and windowed. With one, they
        continue what its rings hold, and are stored.

        Args:
            tokens: ids; any value where the position is -1.
            positions: absolute positions, -1 for padding; default: counted on from 0, or from
                what the KVCache has seen.
            kv_cache: rings to read and write.
            last_only: logits of the last column alone (a long prefill needs no others).

        Raises:
            ValueError: a token id outside the vocabulary, positions that do not continue, or a KVCache
            made for other windows.
        """
        tokens, positions, plans = self._checked(tokens, positions, kv_cache)
        x = self.hook_embed(self.tok_embeddings(tokens), positions)
        turn = rotation(positions, self.config.head_dim, self.config.rope_theta, x.dtype)
        for block, (ring, plan, hidden) in zip(self.layers, self._memories(positions, kv_cache, plans), strict=True):
            x = block(x, turn, positions, ring, plan, hidden)
        return self.hook_logits(self.unembed(self.norm(x[:, -1:] if last_only else x)))

    def unembed(self, x: Float[Tensor, "batch out_pos dim"]) -> Float[Tensor, "batch out_pos vocab_size"]:
        """A score for every token: the normalised stream times the output, or the embedding that is tied to it."""
        output = self.tok_embeddings if self.output is None else self.output
        return F.linear(x, output.weight)

    @property
    def dtype(self) -> torch.dtype:
        """What it computes in: the dtype of the stream, whatever the matrices are kept in."""
        gain: Tensor = self.norm.weight
        return gain.dtype

    def empty_kv_cache(self, batch: int = 1, *, max_context: int | None = None) -> KVCache:
        """Empty rings that fit this model, in its dtype and on its device.

        Args:
            batch: number of rows.
            max_context: slots of a layer without a window, in tokens; see `KVCache`.
        """
        device = self.tok_embeddings.weight.device
        return self.kv_cache_type(self.config, batch, max_context=max_context, dtype=self.dtype, device=device)

    def _checked(
        self, tokens: Tensor, positions: Tensor | None, kv_cache: KVCache | None
    ) -> tuple[Tensor, Tensor, dict[Window, WritePlan]]:
        """Tokens and positions on the model's device, and what is to be written; refuses before anything changes."""
        if kv_cache is not None and (kv_cache.windows, kv_cache.sinks) != (self.config.windows, self.config.sinks):
            raise ValueError(
                f"the KVCache has windows {kv_cache.windows} and {kv_cache.sinks} sinks, the model "
                f"{self.config.windows} and {self.config.sinks}; allocate it with the model's own config"
            )
        positions = self._counted(tokens, kv_cache) if positions is None else positions.cpu()
        tokens = tokens.cpu().masked_fill(positions < 0, 0)
        self._check_tokens(tokens)
        plans = kv_cache.plan(positions) if kv_cache is not None else {}
        device = self.tok_embeddings.weight.device
        return tokens.to(device), positions.to(device), plans

    def _memories(
        self, positions: Tensor, kv_cache: KVCache | None, plans: Mapping[Window, WritePlan]
    ) -> list[tuple[Ring | None, WritePlan | None, Tensor]]:
        """Ring, plan and masked keys of each layer; layers with the same window share plan and mask."""
        windows, rings = self.config.windows, kv_cache.rings if kv_cache is not None else ()
        hidden = {
            window: hidden_keys(
                positions, plans[window].key_positions if plans else positions, window, self.config.sinks
            )
            for window in dict.fromkeys(windows)
        }
        return [(ring, plans.get(window), hidden[window]) for window, ring in itertools.zip_longest(windows, rings)]

    def _counted(self, tokens: Tensor, kv_cache: KVCache | None) -> Tensor:
        """Positions counted on from 0, or from what the KVCache has seen."""
        start = kv_cache.n_seen[:, None] if kv_cache is not None else 0
        return torch.arange(tokens.shape[1]).expand(tokens.shape) + start

    def _check_tokens(self, tokens: Tensor) -> None:
        if tokens.numel() == 0:
            raise ValueError("there are no tokens; a forward pass needs at least one")
        low, high = (int(bound) for bound in tokens.aminmax())
        if low < 0 or high >= self.config.vocab_size:
            bad = low if low < 0 else high
            raise ValueError(f"token id {bad} is outside the vocabulary; ids go from 0 to {self.config.vocab_size - 1}")


def random_model(
    config: MistralConfig, seed: int = 0, std: float = 0.02, dtype: torch.dtype = torch.float32
) -> Transformer:
    """A model with normally distributed weights, the same for the same seed; gains are 1 + noise.

    Args:
        std: of the matrices. 0.02 as at the start of training; tests use more, so that logits differ.
    """
    model = Transformer(config)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0.0, std, generator=generator)
            if parameter.ndim == 1:
                parameter.add_(1.0)
    return model.to(dtype).eval().requires_grad_(False)
