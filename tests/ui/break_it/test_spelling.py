"""Changes as a URL spells them: every form comes back as what it is, and what cannot be is refused with a remedy."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.break_it.question import Choice, choice_from_query
from app.break_it.spelling import LONGEST_WORD, MOST_TIMES, Lent, asked_of, check
from mistral_core.analysis.interventions import Column, Edge, KnockOut, Shorten, Slot
from tests.conftest import TINY

LENGTH = 17
QUIET = settings(deadline=None, database=None)
"""A machine that is busy with other things proves nothing."""
NO_WINDOW = replace(TINY, sliding_window=None)
numbers = st.integers(0, 10**8 - 1)
layers = st.integers(1, 99)
spans = st.tuples(numbers, st.integers(0, 50)).map(lambda pair: (pair[0], min(pair[0] + pair[1], 10**8 - 1)))
words = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=LONGEST_WORD)
times = st.decimals(-999, 999, places=3, allow_nan=False, allow_infinity=False)


def at(span):
    return f"{span[0]}-{span[1]}" if span[1] > span[0] else f"{span[0]}"


def written(word):
    return quote(word, safe="")


@QUIET
@given(numbers, numbers, layers, st.booleans())
def test_an_edge_and_a_slot_come_back(first, second, layer, more):
    edge = f"edge:{first}:{first + 1 + second}" if first + second < 10**8 - 1 else "edge:1:2"
    source, target = map(int, edge.split(":")[1:])
    expected = Edge(source=source, target=target, layers=(layer - 1,) if more else None)
    assert asked_of(f"{edge}:{layer}" if more else edge, "zero") == expected
    assert asked_of(f"slot:{first}:{second}" + ":zero" * more, "mean") == Slot(
        slot=first, step=second, to="zero" if more else "unseen"
    )


@QUIET
@given(numbers, spans, numbers, words, times)
def test_what_another_text_lends_comes_back_through_an_address(row, span, source, word, often):
    patch, add = (
        f"patch:{row}:{at(span)}:{source}:{written(word)}",
        f"add:{row}:{at(span)}:{often}:{source}:{written(word)}",
    )
    lent = Lent(row=row, positions=(span[0], span[1] + 1), source=source, word=word)
    assert asked_of(patch, "zero") == lent
    assert asked_of(add, "zero") == replace(lent, times=float(often))
    choice = Choice(target=3, changes=(patch, add, "mlp:1"))
    assert choice_from_query(choice.query()) == choice
    assert choice.asked()[:2] == (lent, replace(lent, times=float(often)))


def test_the_forms_of_before_are_what_they_were():
    for change, expected in (
        ("head:5:3", KnockOut(part="head", layer=4, index=2, to="mean")),
        ("mlp:5", KnockOut(part="mlp", layer=4, to="mean")),
        ("near:4", Shorten(distance=4)),
        ("hide:17", Column(position=17)),
    ):
        assert asked_of(change, "mean") == expected


@QUIET
@given(st.text(max_size=30))
def test_anything_else_is_refused_in_a_sentence_that_fits(text):
    try:
        asked_of(text, "zero")
    except ValueError as error:
        assert len(str(error)) < 500


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ("edge:3", "write head:LAYER:HEAD.*edge:SOURCE:TARGET"),
        ("edge:3:4:0", "layers, heads and groups count from 1"),
        ("edge:3:4:9", r"layer 9 is not in this model \(edge:3:4:9\); layers are 1 to 3"),
        ("edge:4:4", "the source must be before the target"),
        ("edge:12:17", "position 17 is not in the text .* positions are 0 to 16"),
        ("edge:3:12", "no edge from position 3 to 12: a window of 5 reaches back to 8; choose one of 8 to 11"),
        ("slot:5:3", "slot 5 is not in every ring of this model; choose one of 0 to 4"),
        ("slot:4:17", "step 17 is not in the text .* steps are 0 to 16"),
        ("slot:1:2:one", "slot:SLOT:STEP:zero"),
        ("patch:4:3:2:fox", r"row 4 is not in the grid; rows are 0 \(embedding\) to 3"),
        ("patch:1:17:2:fox", "position 17 is not in the text .* positions are 0 to 16"),
        ("patch:1:3:17:fox", "position 17 is not in the text .* positions are 0 to 16"),
        ("patch:1:5-3:2:fox", "positions 5 to 3 are none .* write the first one first"),
        ("patch:1:3:2:a b", "patch:ROW:POSITIONS:SOURCE:WORD"),
        ("patch:1:3:2:", "patch:ROW:POSITIONS:SOURCE:WORD"),
        ("patch:1:3:2:%20", f"has 0 characters; write 1 to {LONGEST_WORD}"),
        ("patch:1:3:2:" + "x" * 41, f"has 41 characters; write 1 to {LONGEST_WORD}"),
        ("patch:1:3:2:%ff", "is no UTF-8"),
        ("patch:1:3:2:50%", "patch:ROW:POSITIONS:SOURCE:WORD"),
        ("add:1:3:2:fox", "add:ROW:POSITIONS:TIMES:SOURCE:WORD"),
        ("add:1:3:nan:2:fox", "add:ROW:POSITIONS:TIMES:SOURCE:WORD"),
        ("add:1:3:100.5:2:fox", f"added 100.5 times; that can be -{MOST_TIMES} to {MOST_TIMES}"),
    ],
)
def test_a_change_that_cannot_be_is_refused_with_value_bound_and_remedy(change, why):
    with pytest.raises(ValueError, match=why):
        Choice(target=3, changes=(change,)).inside(TINY, LENGTH)


def test_where_nothing_has_a_window_there_is_no_slot_and_every_earlier_word_has_an_edge():
    with pytest.raises(ValueError, match=r"no layer of this model has a window.*hide a word"):
        Choice(changes=("slot:1:2",)).inside(NO_WINDOW, LENGTH)
    assert Choice(changes=("edge:0:16",)).inside(NO_WINDOW, LENGTH)


def test_kept_positions_have_an_edge_and_slots_of_their_own():
    kept = replace(TINY, sinks=2)
    assert Choice(changes=("edge:1:16", "slot:6:3")).inside(kept, LENGTH)
    for change in ("edge:2:16", "slot:7:3"):
        with pytest.raises(ValueError, match="choose one of"):
            check(asked_of(change, "zero"), change, kept, LENGTH)


def test_a_window_of_one_has_no_edges():
    with pytest.raises(ValueError, match="no edge can be cut there"):
        Choice(changes=("edge:3:4",)).inside(replace(TINY, sliding_window=1), LENGTH)
