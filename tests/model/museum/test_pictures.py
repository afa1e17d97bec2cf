"""What is drawn of a mistake, against masks and slots that are written out by hand."""

from dataclasses import replace

import numpy as np
import pytest

from mistral_core.museum.exhibits import EXHIBITS, even, exhibit
from mistral_core.museum.pictures import draw

W, T = 5, 31


def shares(rows):
    """Equal shares of what each query reads, from lists of positions; `None` is an empty slot."""
    out = np.zeros((len(rows), len(rows)))
    for query, keys in enumerate(rows):
        for key in keys:
            if key is not None:
                out[query, key] += 1 / len(keys)
    return out


def window(query, size=W):
    return list(range(max(0, query - size + 1), query + 1))


def ring_rows(chunks, wrong):
    """What each query reads, with a ring of W slots that is kept in a list; `wrong` says where it errs."""
    slots, rows, start = [None] * W, [], 0
    for size in chunks:
        chunk = list(range(start, start + size))
        believed = list(slots)
        if wrong == "not-unrotated" and size > 1:
            believed = sorted(slots, key=lambda p: -1 if p is None else p)
        store = chunk[:W] if wrong == "wrong-end" and size > W else chunk[-W:]
        after = list(slots)
        for p in store:
            late = wrong == "full-too-early" and p >= W - 1
            after[(p + late) % W] = p
        if size == 1:
            content = believed = after
            rows.append([p for p in content if p is not None and start - p < W])
        else:
            content = after if wrong == "write-before-read" else slots
            for q in chunk:
                seen = [content[i] for i, p in enumerate(believed) if p is not None and 0 <= q - p < W]
                rows.append(seen + [p for p in chunk if 0 <= q - p < W])
        if size == 1 and wrong == "empty-slots":
            rows[-1] += [None] * after.count(None)
        slots, start = after, start + size
    return rows


WRONG = {
    "window-plus-one": lambda: [window(q, W + 1) for q in range(T)],
    "write-before-read": lambda: ring_rows(even(T, W), "write-before-read"),
    "full-too-early": lambda: ring_rows(even(T, 1, 2), "full-too-early"),
    "not-unrotated": lambda: ring_rows(even(T, W, W + 2), "not-unrotated"),
    "no-causal-mask": lambda: [list(range(T))] * T,
    "wrong-end": lambda: ring_rows(even(T, W, 2 * W + 3), "wrong-end"),
    "empty-slots": lambda: ring_rows((1,) * T, "empty-slots"),
    "trim-after-wrap": lambda: [window(q) if q < T - 2 else [p for p in window(q) if p >= T - W] for q in range(T)],
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_read_is_what_a_ring_in_a_list_gives(tiny_config, name):
    drawn = draw(tiny_config, exhibit(name), T)
    assert drawn.kind == "reads"
    assert np.allclose(drawn.right["read"], shares([window(q) for q in range(T)]), atol=1e-9)
    assert np.allclose(drawn.wrong["read"], shares(WRONG[name]()), atol=1e-9)
    different = np.flatnonzero((np.abs(drawn.right["read"] - drawn.wrong["read"]) > 1e-9).any(1))
    assert different[0] == exhibit(name).errs_from(W, 0, T)


def test_every_mistake_about_what_is_read_is_drawn_here():
    assert set(WRONG) == {one.name for one in EXHIBITS if one.picture == "reads"}


def test_the_first_positions_stay_in_the_picture(tiny_config):
    drawn = draw(replace(tiny_config, sinks=2), exhibit("window-plus-one"), T)
    assert np.flatnonzero(drawn.right["read"][20]).tolist() == [0, 1, 16, 17, 18, 19, 20]
    assert np.flatnonzero(drawn.wrong["read"][20]).tolist() == [0, 1, 15, 16, 17, 18, 19, 20]


def test_order_distance_dials_and_heads(tiny_config):
    drawn = draw(tiny_config, exhibit("other-order"), 22)
    assert drawn.right["order"].tolist() == [20, 21, 17, 18, 19] and drawn.wrong["order"].tolist() == [
        19,
        18,
        17,
        21,
        20,
    ]
    for name, wrong in (("rope-by-slot", [p % W for p in range(T)]), ("rope-by-place", [min(p, 4) for p in range(T)])):
        drawn = draw(tiny_config, exhibit(name), T)
        assert drawn.right["turned"].tolist() == list(range(T)) and drawn.wrong["turned"].tolist() == wrong
    halves = draw(tiny_config, exhibit("half-split"), T)
    assert halves.right["pairs"].tolist() == [[0, 1], [2, 3], [4, 5]]
    assert halves.wrong["pairs"].tolist() == [[0, 3], [1, 4], [2, 5]]
    theta = draw(tiny_config, exhibit("wrong-theta"), T)
    for side, base in ((theta.right, 1e4), (theta.wrong, 1e6)):
        assert np.allclose(side["angle"], [base ** (-2 * i / 6) for i in range(3)], rtol=1e-9)
    heads = draw(tiny_config, exhibit("repeat-order"), T)
    assert heads.right["reader"].tolist() == [0, 0, 0, 1, 1, 1] and heads.wrong["reader"].tolist() == [0, 1, 0, 1, 0, 1]


def test_a_picture_is_refused_as_the_run_is(tiny_config):
    with pytest.raises(ValueError, match="texts of 6 tokens and more, and this one has 5"):
        draw(tiny_config, exhibit("window-plus-one"), 5)
