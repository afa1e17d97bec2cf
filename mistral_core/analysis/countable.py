"""A case small enough to be counted by hand: a few tokens, two layers, W = 3, in a model whose numbers are real.

The model is tiny and its weights are random (normally distributed, seeded), so it says nothing sensible; but its
attention is computed by the very code of every other model here, and so is what a changed token does to its last state.

    a layer sees W keys, one of which is the token itself: it carries something W - 1 back
    two layers carry it 2 (W - 1) back, so 2 (W - 1) + 1 tokens can matter

The paper's section 2 counts k x W. That would be right if a layer looked W back, i.e. at W + 1 keys: its own wording
(positions i - W to i) says so, its cache of W slots does not.

Source: "Mistral 7B" (arXiv 2310.06825), section 2 and figure 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float

from mistral_core.config import MistralConfig
from mistral_core.hooks import recording, watching
from mistral_core.model import Transformer, random_model

TINY = MistralConfig(
    dim=16,
    n_layers=2,
    n_heads=4,
    n_kv_heads=2,
    head_dim=4,
    hidden_dim=32,
    vocab_size=16,
    norm_eps=1e-5,
    rope_theta=10_000.0,
    sliding_window=3,
)
"""Its layers and its window are those of the case."""
N_TOKENS = 9
"""As many as fit on a card, and more than two layers of W + 1 = 4 keys reach: 7."""
SEED, STD = 0, 0.5


@dataclass(frozen=True, kw_only=True, eq=False)
class Countable:
    """What two layers see, computed.

    Attributes:
        window: W, the token itself included. reach: how many tokens back the last state can depend on, by formula.
        pattern: attention weights.
        felt: change of the last token's logits (largest absolute difference) if the token at a position is another
            one. Beyond the reach it is exactly 0.
    """

    window: int
    reach: int
    pattern: Float[np.ndarray, "layer head query key"]
    felt: Float[np.ndarray, " key"]

    @property
    def paper(self) -> int:
        """The paper's own count: k x W."""
        return len(self.pattern) * self.window


def countable(window: int = 3) -> Countable:
    """Computes the case in float64, by reading the text once, and once more for each token that is replaced.

    Raises:
        ValueError: a window below 1.
    """
    config = TINY.with_window(window)
    model = random_model(config, seed=SEED, std=STD, dtype=torch.float64)
    ids = torch.arange(N_TOKENS) % config.vocab_size
    names = [f"layers.{layer}.attention.hook_pattern" for layer in range(config.n_layers)]
    with recording(names) as seen:
        before = _last_logits(model, ids)
    felt = []
    for position in range(N_TOKENS):
        other = ids.clone()
        other[position] = config.vocab_size - 1
        with watching(None):
            felt.append(float((_last_logits(model, other) - before).abs().max()))
    return Countable(
        window=window,
        reach=config.exact_reach() or 0,
        pattern=np.stack([seen[name][0].numpy() for name in names]),
        felt=np.array(felt),
    )


def _last_logits(model: Transformer, ids: torch.Tensor) -> torch.Tensor:
    with torch.inference_mode():
        logits: torch.Tensor = model(ids[None])[0, -1]
    return logits
