"""Is a route where the influence goes? It is cut, and what is left of the influence is measured.

The effect of a token on a prediction is what its replacement does: KL(original || replaced) of the next-token
distribution. With the sideways edges of a route cut in both readings (`interventions.Edge`, renormalised), the share
that is gone is `1 - effect cut / effect whole`. Beside it stand random routes of equal size: as many edges in each
layer, drawn (by seed) from all edges over which the token can reach the prediction, those of the route among them.

`agreement` lays four measures of what each token gives to a prediction side by side, and how alike they rank them:

    flow       of the flow graph (`routes`)             derived from one pass
    rollout    of attention, with a half for the stream  derived from one pass
    gradient   `norm(gradient) x norm(state)` of the embedding       one gradient pass
    swap       KL when the token is replaced by another one of the text     one pass a token
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float

from mistral_core.analysis.gradients import log_probs
from mistral_core.analysis.influence import backward_influence, default_replacement, kl_divergence
from mistral_core.analysis.intervening import intervene
from mistral_core.analysis.interventions import Edge
from mistral_core.analysis.knock_out_map import rows_at_once
from mistral_core.analysis.progress import Report, silent
from mistral_core.analysis.reach import corridor, visible_keys
from mistral_core.analysis.routes import FlowGraph, RouteEdge
from mistral_core.config import MistralConfig
from mistral_core.hooks import watching
from mistral_core.model import Transformer

MEASURES = ("flow", "rollout", "gradient", "swap")


@dataclass(frozen=True, kw_only=True)
class RouteCheck:
    """What is left of a token's effect when a route is cut.

    Attributes:
        effect: KL in nats with nothing cut. cut: with the route cut.
        random: with each random route cut. n_edges: sideways edges of the route, of all that the corridor has.
        n_corridor: how many it has.
    """

    effect: float
    cut: float
    random: tuple[float, ...]
    n_edges: int
    n_corridor: int

    @property
    def gone(self) -> float:
        """Share of the effect that goes with the route; below 0 if the effect grows. NaN where there is none."""
        return 1 - self.cut / self.effect if self.effect else float("nan")

    @property
    def gone_random(self) -> tuple[float, ...]:
        """The same for each random route."""
        return tuple(1 - cut / self.effect if self.effect else float("nan") for cut in self.random)


def check_route(
    model: Transformer,
    token_ids: Sequence[int],
    source: int,
    target: int,
    route: Sequence[RouteEdge],
    *,
    replacement: int | None = None,
    n_random: int = 20,
    seed: int = 0,
    report: Report = silent,
) -> RouteCheck:
    """Cuts a route and random ones of equal size.

    Args:
        replacement: of the token at `source`; default: `default_replacement`.

    Raises:
        ValueError: a source that is not before the target, or an edge that the model does not have.
    """
    if not 0 <= source < target < len(token_ids):
        raise ValueError(f"source {source} and target {target} need a way between them: 0 <= source < target")
    if replacement is None:
        replacement = default_replacement(token_ids, source)
    there = corridor_edges(model.config, source, target)
    sideways = {(edge.layer, edge.source, edge.target) for edge in route if edge.sideways}
    if strange := sorted(sideways - set(there)):
        layer, key, query = strange[0]
        raise ValueError(f"layer {layer} has no edge from {key} to {query} in the corridor from {source} to {target}")
    text = list(token_ids[: target + 1])
    swapped = [*text[:source], replacement, *text[source + 1 :]]
    rng = np.random.default_rng(seed)
    drawn = [_drawn_alike(there, sideways, rng) for _ in range(n_random)]
    effects = []
    for done, cut in enumerate([[], sorted(sideways), *drawn]):
        report(done, n_random + 2, "cutting routes")
        effects.append(_effect(model, text, swapped, cut))
    report(n_random + 2, n_random + 2, "done")
    whole, cut_route, *random = effects
    return RouteCheck(effect=whole, cut=cut_route, random=tuple(random), n_edges=len(sideways), n_corridor=len(there))


def corridor_edges(config: MistralConfig, source: int, target: int) -> list[tuple[int, int, int]]:
    """(layer, key, query) of every sideways edge over which a token can reach a prediction."""
    cells = corridor(config, source, target)
    out = []
    for layer in range(config.n_layers):
        for block, visible in visible_keys(config, layer, target + 1):
            edges = visible & cells[layer] & cells[layer + 1, block][:, None]
            out += [
                (layer, key, block.start + row) for row, key in np.argwhere(edges).tolist() if key != block.start + row
            ]
    return out


def _drawn_alike(
    there: Sequence[tuple[int, int, int]], route: set[tuple[int, int, int]], rng: np.random.Generator
) -> list[tuple[int, int, int]]:
    """As many edges in each layer as the route has, none twice."""
    out = []
    for layer in sorted({layer for layer, _, _ in route}):
        choice = [edge for edge in there if edge[0] == layer]
        n_edges = sum(edge[0] == layer for edge in route)
        out += [choice[index] for index in rng.choice(len(choice), n_edges, replace=False)]
    return out


def _effect(model: Transformer, text: list[int], swapped: list[int], cut: Sequence[tuple[int, int, int]]) -> float:
    """KL of the prediction after the text when its token is swapped, both read without the edges."""
    sink = intervene(model, [Edge(source=key, target=query, layers=(layer,)) for layer, key, query in cut])
    with watching(sink), torch.inference_mode():  # one after the other: rows of a batch may round differently
        p, q = (log_probs(model(torch.tensor([one]), last_only=True)[0, -1]) for one in (text, swapped))
    return float(kl_divergence(p, q))


@dataclass(frozen=True, kw_only=True, eq=False)
class Agreement:
    """Four measures of what each token gives to a prediction, and their rank correlations.

    Attributes:
        first: position of column 0. by_measure: a row for each of `MEASURES`.
        correlation: Spearman's, of every pair over the tokens; NaN where a measure is the same for all.
    """

    first: int
    by_measure: Float[np.ndarray, "measures pos"]
    correlation: Float[np.ndarray, "measures measures"]


def agreement(
    model: Transformer, token_ids: Sequence[int], graph: FlowGraph, token: int | None = None, report: Report = silent
) -> Agreement:
    """Measures the influence on the graph's prediction and compares.

    Args:
        token: whose log-probability the gradient follows; default: the one that follows in the text.

    Raises:
        ValueError: as `backward_influence` and `default_replacement`.
    """
    first, target = graph.first, graph.target
    gradient = backward_influence(model, token_ids, target, token).influence[0][first : target + 1]
    swap = swap_influence(model, token_ids[first : target + 1], report)
    rows = np.array([graph.flow[0], graph.rollout[0], gradient, swap])
    correlation = np.array([[rank_correlation(a, b) for b in rows] for a in rows])
    return Agreement(first=first, by_measure=rows, correlation=correlation)


def swap_influence(model: Transformer, text: Sequence[int], report: Report = silent) -> Float[np.ndarray, " pos"]:
    """KL of the prediction after the text when each token in turn is replaced by another one of the text, in nats."""
    texts = [[*text[:p], default_replacement(text, p), *text[p + 1 :]] for p in range(len(text))]
    at_once, out = rows_at_once(model, len(text)), []
    for start in range(0, len(texts), at_once):
        report(start, len(texts), "replacing every token in turn")
        with torch.inference_mode():
            logits = model(torch.tensor([list(text), *texts[start : start + at_once]]), last_only=True)[:, -1]
        original, *changed = log_probs(logits)
        out += [float(kl_divergence(original, one)) for one in changed]
    report(len(texts), len(texts), "done")
    return np.array(out)


def rank_correlation(a: Float[np.ndarray, " n"], b: Float[np.ndarray, " n"]) -> float:
    """Spearman's: the correlation of the ranks, equal values sharing theirs. NaN if all of one are equal.

    >>> round(rank_correlation(np.array([1.0, 2.0, 9.0]), np.array([10.0, 30.0, 20.0])), 3)
    0.5
    """
    x, y = _ranks(a), _ranks(b)
    x, y = x - x.mean(), y - y.mean()
    size = np.sqrt((x @ x) * (y @ y))
    return float(x @ y / size) if size else float("nan")


def _ranks(values: np.ndarray) -> Float[np.ndarray, " n"]:
    """0 for the smallest; equal values share the mean of their places."""
    _, which, count = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(count)
    return ((last - count + last - 1) / 2)[which]
