"""First tokens that stay visible beside an imposed window, on the page reach."""

from app.reach import measure
from app.reach.payload import reach_parts
from app.reach.question import Choice
from tests.ui.runs import arrived


def test_first_tokens_that_are_kept_are_felt_beyond_the_edge_and_nothing_else_is(recorded):
    trace, choice = recorded.trace, Choice(reading="backward", source=0, target=80, window=4, sinks=2)
    measured, _ = measure.measure(trace, choice)
    header, arrays = arrived(reach_parts(trace, choice, measured, run="r"))
    assert measured.grid[0, 0] > 0 and measured.grid[0, 1] > 0 and not measured.grid[:, 2 : 80 - 24].any()
    assert (header["facts"]["outside"], header["facts"]["outside_top"]) == (80 - 24 - 2, 0)
    allowed = arrays["allowed"].astype(bool)
    assert allowed[:-1, :2].all() and not allowed[:, 2 : 80 - 24].any() and not allowed[-1, :2].any()
    forward, _ = measure.measure(
        trace, Choice(reading="forward", source=1, target=2, replacement=300, window=4, sinks=2)
    )
    assert "outside" not in forward.facts and forward.kl[150] > 0, "a kept word is felt everywhere"
    plain, _ = measure.measure(trace, Choice(reading="forward", source=1, target=2, replacement=300, window=4))
    assert plain.facts["outside_top"] == 0 and plain.facts["surprise"] != forward.facts["surprise"]
