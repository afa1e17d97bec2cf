"""One line of JSON for each event, and never a word of a visitor in it."""

from __future__ import annotations

import json
import logging
import sys
import time

import pytest

from app import log
from mistral_core.request import GenerationRequest
from mistral_core.serving.engine import Engine, RefusalError
from tests.bench.visitor import visiting
from tests.e2e import browser as harness

SECRET = "Zwetschgenknoedel und Quittengelee"


@pytest.fixture
def lines(caplog):
    """What was written so far, each line read as JSON."""
    caplog.set_level(logging.INFO, logger=log.NAME)
    form = log.Lines()
    return lambda: [json.loads(form.format(record)) for record in caplog.records]


def test_an_event_is_one_line_with_its_fields(lines):
    log.event("visitor_came", visitors=3)
    (line,) = lines()
    assert (line["event"], line["visitors"], line["level"]) == ("visitor_came", 3, "info")
    assert line["at"].endswith("+00:00")


def test_an_exception_is_said_by_its_type_and_place_alone(lines):
    from app.wire import Parts

    with pytest.raises(ValueError) as caught:
        _ = Parts({SECRET: 1}) | Parts({SECRET: 2})
    log.failure(caught.value)
    (line,) = lines()
    assert SECRET in str(caught.value)
    assert line["type"] == "ValueError" and line["place"].startswith("app/wire.py:")
    assert SECRET not in json.dumps(line)


def test_a_line_of_another_library_is_cut_down(caplog):
    try:
        raise KeyError(SECRET)
    except KeyError:
        logging.getLogger("streamlit.x").error("Uncaught app execution of %s", SECRET, exc_info=True)
    said = log.Lines().format(caplog.records[-1])
    assert SECRET not in said
    assert json.loads(said)["event"] == "failure" and json.loads(said)["type"] == "KeyError"


def test_a_run_that_fails_says_how_and_not_with_what(lines):
    def load(name, report):
        raise ValueError(f"a file with the name {SECRET}")

    engine = Engine(load)
    job = engine.submit("one", "storyteller", GenerationRequest(prompt_ids=(1, 2, 3), max_new_tokens=5))
    log.follow(job)
    until = time.monotonic() + 20
    while len(lines()) < 2 and time.monotonic() < until:
        time.sleep(0.02)
    engine.close()
    submitted, ended = lines()
    assert (submitted["event"], submitted["prompt_tokens"], submitted["new_tokens"]) == ("run_submitted", 3, 5)
    assert (ended["event"], ended["finish_reason"], ended["tokens"]) == ("run_ended", "failed", 0)
    assert ended["type"] == "ValueError" and ended["place"].startswith("mistral_core/serving/")
    assert SECRET in job.message and SECRET not in json.dumps(lines())


@pytest.mark.parametrize(("tokens", "limit"), [(5, "max_prompt_tokens"), (3000, "max_new_tokens")])
def test_a_refusal_names_its_limit(lines, tokens, limit):
    engine = Engine(lambda name, report: None)
    ids = tuple(range(5000)) if tokens == 5 else (1, 2)
    with pytest.raises(RefusalError) as refused:
        engine.submit("one", "storyteller", GenerationRequest(prompt_ids=ids, max_new_tokens=tokens))
    log.refused(refused.value.limit)
    engine.close()
    assert lines()[0]["limit"] == limit


def test_nothing_is_changed_where_no_lines_are_wanted(monkeypatch):
    monkeypatch.delenv(log.VARIABLE, raising=False)
    before = sys.excepthook, logging.getLogger().handlers[:]
    log.set_up()
    assert (sys.excepthook, logging.getLogger().handlers[:]) == before


def test_the_log_of_a_server_is_json_and_holds_no_text(tmp_path):
    """A visitor of the real server comes, writes, asks for what is refused and what cannot be, and leaves."""
    with harness.server(tmp_path / "log", **{log.VARIABLE: "json"}) as running:
        with visiting(running.url) as tab:
            tab.write(SECRET, 0, 12)
            assert tab.look(60, lambda: tab.written)
            tab.write(f"{SECRET} " * 2000, 0, 12)
            tab.look(20, lambda: bool(tab.said))
            tab.open("next_word", model=SECRET, text=SECRET)
            tab.look(3)
        written = running.log
    mine = [line for line in written.splitlines() if line.strip() and not line.lstrip().startswith(("URL:", "You can"))]
    events = [json.loads(line) for line in mine]
    assert {"server_start", "visitor_came", "run_submitted", "run_ended"} <= {one["event"] for one in events}
    assert [one["finish_reason"] for one in events if one["event"] == "run_ended"] == ["length"]
    assert SECRET.split(maxsplit=1)[0] not in written and "Quittengelee" not in written
