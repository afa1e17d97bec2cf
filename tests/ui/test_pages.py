"""Every page through Streamlit's own test runner: it opens, its controls work, bad input is a sentence."""

import json
import os
import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from app import compute
from app.models.state import ModelsState
from app.navigation import ENTRIES
from app.next_word.sending import next_word_payload
from app.session import actions, state
from app.session.address import address
from app.session.desk import Desk
from app.session.files import RECORDING_NAME, open_file, trace_bytes
from app.session.progress import trace_of
from app.session.runs import Record, RunSpec
from app.session.spelled_run import position_from_query, spec_from_query
from mistral_core.checkpoint import registry
from mistral_core.sampling import SamplingSettings
from mistral_core.unsaid import holds_unsaid

ROOT = Path(__file__).resolve().parents[2]


def app(page: str = "") -> AppTest:
    at = AppTest.from_file(str(ROOT / "app" / "main.py"), default_timeout=60).run()
    if page:
        at.switch_page(str(ROOT / "pages" / f"{page}.py")).run()
    assert not at.exception, at.exception
    return at


def box(at: AppTest, name: str) -> str:
    """The key of a field that links fill, as it is now."""
    return state.field(name, kept(at).filled)


def length(at: AppTest, tokens: int) -> None:
    at.number_input(key=box(at, state.LENGTH)).set_value(tokens).run()


def press(at: AppTest, label: str) -> AppTest:
    next(button for button in at.button if button.label == label).click()
    at.run()
    assert not at.exception, at.exception
    return at


def kept(at: AppTest) -> Desk:
    return at.session_state[state.DESK]


def wait(at: AppTest) -> Desk:
    found = kept(at)
    job = found.record.job
    for _ in range(2000):
        if compute.engine().poll(job).status in ("done", "failed"):
            break
        os.sched_yield()
        __import__("time").sleep(0.01)
    return found


@pytest.mark.parametrize("page", [entry.name for entry in ENTRIES])
def test_a_page_opens(page):
    at = app("" if page == "start" else page)
    assert at.title or at.markdown


def test_the_start_page_does_not_import_torch():
    """Its picture plays without it, in a process of its own with nothing warmed up."""
    code = (
        f"import sys; from streamlit.testing.v1 import AppTest; at = AppTest.from_file('{ROOT}/app/main.py').run(timeout=60); "
        "print(bool(at.exception), 'torch' in sys.modules)"
    )
    out = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, compute.WARM_UP_VARIABLE: "0", "PYTHONPATH": str(ROOT)},
    )
    assert out.stdout.split()[-2:] == ["False", "False"], out.stdout + out.stderr


def test_writing_makes_the_text_that_the_settings_name():
    at = app("next_word")
    length(at, 12)
    press(at, "Write")
    found = wait(at)
    trace = trace_of(found.record)
    assert len(trace) == trace.n_prompt + 12
    again = RunSpec(model=found.model, text=found.prompt, sampling=found.sampling, seed=found.seed, new_tokens=12)
    assert found.record.spec == again and found.record.name == again.name


def test_reading_only_gives_every_word_its_probability():
    at = app("next_word")
    length(at, 0)
    press(at, "Read")
    trace = trace_of(wait(at).record)
    assert len(trace) == trace.n_prompt and (trace.probability[1:] > 0).all()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "The prompt is empty."),
        ("   \n", "The prompt is empty."),
        ("word " * 5000, "at most 4,096 can be read here"),
    ],
)
def test_a_bad_prompt_is_refused_and_what_was_there_stays(text, said):
    at = app("next_word")
    before = kept(at).current
    at.text_area(key=box(at, state.PROMPT)).set_value(text).run()
    press(at, "Write")
    assert any(said in warning.value for warning in at.warning)
    assert kept(at).current == before
    assert at.text_area(key=box(at, state.PROMPT)).value == text


@pytest.mark.parametrize(
    "text", ["😀 héllo", "<script>alert(1)</script>", "שלום עולם", "a\x00b\x07c", "*bold* $x$ :smile:"]
)
def test_odd_text_is_read(text):
    at = app("next_word")
    length(at, 2)
    at.text_area(key=box(at, state.PROMPT)).set_value(text).run()
    press(at, "Write")
    trace = trace_of(wait(at).record)
    assert "".join(trace.token_texts[: trace.n_prompt]) == text


def test_two_sessions_stay_apart():
    first, second = app("next_word"), app("next_word")
    length(first, 5)
    press(first, "Write")
    wait(first)
    assert kept(first).session != kept(second).session
    assert kept(second).record.name == RECORDING_NAME


def test_a_branch_forces_its_token_and_shares_the_beginning():
    at = app("next_word")
    length(at, 15)
    press(at, "Write")
    found = wait(at)
    parent = trace_of(found.record)
    position = parent.n_prompt + 4
    actions.branch(found, found.current, position, 500)
    child = trace_of(wait(at).record)
    assert found.record.parent is not None and found.record.branched_at == position
    assert child.token_ids[position] == 500
    assert child.token_ids[:position].tolist() == parent.token_ids[:position].tolist()
    found.notice = ""
    actions.branch(found, "no such run", 1, 5)
    assert found.notice == "That run is no longer here; choose another one."


def test_a_run_can_be_saved_and_opened_again():
    at = app("next_word")
    length(at, 5)
    press(at, "Write")
    found = wait(at)
    data = trace_bytes(found.record)
    open_file(found, "mine.safetensors", data)
    assert found.current == "file mine.safetensors" and not found.notice
    assert next_word_payload(found).parts.arrays
    open_file(found, "bad.safetensors", data[:100])
    assert found.notice.startswith("Bad.safetensors was not opened") or found.notice.startswith(
        "bad.safetensors was not"
    )
    assert found.current == "file mine.safetensors"


def test_an_address_names_its_run():
    spec = RunSpec(
        model="m",
        text="a b\n<c>",
        sampling=SamplingSettings(temperature=0.5, top_k=7, top_p=0.9),
        seed=3,
        new_tokens=9,
        forced=((12, 3), (14, 5)),
    )
    assert spec_from_query(json.loads(json.dumps(spec.query())), "other") == spec
    assert spec_from_query({}, "m") is None
    draw = random.Random(16)
    for _ in range(3000):
        sampling = SamplingSettings(
            temperature=draw.choice([draw.random() * 3, 10 ** draw.uniform(-9, 6)]),
            top_k=draw.randrange(2_000_000),
            top_p=1 - draw.random(),
            min_p=draw.random(),
            repetition_penalty=10 ** draw.uniform(-3, 3),
        )
        spec = replace(spec, sampling=sampling, seed=draw.randrange(2**64))
        assert spec_from_query(spec.query(), "other") == spec
    assert position_from_query({"t": "5", "layer": "2", "head": "3"}) == {"t": 5, "layer": 1, "head": 2}


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"text": "a", "seed": "x"}, "seed=x, but that must be a whole number"),
        *(
            (
                {"text": "a", name: "9" * 400},
                f"{name}=9999999999999999999999999999999999999999…, but that can be at most",
            )
            for name in ("seed", "n", "topk")
        ),
        *(
            (
                {"text": "a", "t": "1", name: "9" * 400},
                f"{name}=9999999999999999999999999999999999999999…, but that can",
            )
            for name in ("t", "layer", "head")
        ),
        ({"text": "a", "seed": str(2**64)}, "but that can be at most 18,446,744,073,709,551,615"),
        ({"text": "a", "forced": "9" * 400 + ":1"}, "write position:token pairs"),
        ({"text": "a", "temp": "9" * 400}, "but that must be 0 or more"),
        ({"text": "a", "temp": "nan"}, "temp=nan, but that must be 0 or more"),
        ({"text": "a", "topp": "2"}, "top_p is 2.0; it must be"),
        ({"text": "a", "forced": "5"}, "write position:token pairs"),
        ({"text": "a", "n": "99999"}, "n=99999, but that can be at most 2,000"),
        ({"text": "a", "model": "../../etc"}, "there is no model"),
        ({"text": "a", "forced": "1:5"}, "position 1 cannot be forced"),
    ],
)
def test_a_bad_address_is_a_sentence_and_changes_nothing(query, said):
    at = AppTest.from_file(str(ROOT / "app" / "main.py"), default_timeout=60).run()
    for name, value in query.items():
        at.query_params[name] = value
    at.switch_page(str(ROOT / "pages" / "next_word.py"))
    for name, value in query.items():
        at.query_params[name] = value
    at.run()
    assert not at.exception
    assert any(said.lower() in warning.value.lower() for warning in at.warning), [w.value for w in at.warning]
    assert kept(at).record.name == RECORDING_NAME


def test_the_model_that_writes_is_named_and_stays_in_the_address():
    at = app("models")
    at.selectbox(key=state.MODEL).select("relay").run()
    at.switch_page(str(ROOT / "pages" / "next_word.py")).run()
    assert any("relay writes" in caption.value and "Examples" in caption.value for caption in at.caption)
    assert at.query_params["model"] == "relay" and kept(at).record.name == RECORDING_NAME
    again = app("next_word")  # a reload is a new session at the same address
    again.query_params["model"] = "relay"
    again.run()
    assert any("relay writes" in caption.value for caption in again.caption) and not again.warning
    again.query_params["model"] = "../nobody"
    again.run()
    assert any("no such model" in warning.value for warning in again.warning) and kept(again).model == "relay"


def test_the_box_says_what_is_shown_and_an_address_fills_the_fields():
    at = app("next_word")
    shown = "".join(compute.recording().token_texts[: compute.recording().n_prompt])
    assert at.text_area(key=box(at, state.PROMPT)).value == shown
    for name, value in {"text": "Another text", "seed": "7", "n": "3"}.items():
        at.query_params[name] = value
    at.run()
    assert at.text_area(key=box(at, state.PROMPT)).value == "Another text"
    assert (at.number_input(key=box(at, state.LENGTH)).value, at.number_input(key=box(at, state.SEED)).value) == (3, 7)
    assert not at.exception and not at.warning


@pytest.mark.parametrize("seed", [2**31, 2**53 - 1, 2**53, 2**64 - 1])
def test_a_seed_of_any_size_opens_and_stays_in_the_address(seed):
    """The field on screen counts to 2^53 - 1; the run is drawn with the seed of the address all the same."""
    at = app("next_word")
    for name, value in {"text": "Once upon", "seed": str(seed), "n": "2"}.items():
        at.query_params[name] = value
    at.run()
    assert not at.exception and not at.warning
    assert kept(at).record.spec.seed == seed and at.query_params["seed"] == str(seed)
    assert at.number_input(key=box(at, state.SEED)).value == (seed if seed < 2**53 else 0)


def test_the_models_page_shows_the_ledger_and_the_card():
    at = app("models")
    metrics = {metric.label: metric.value for metric in at.metric}
    assert metrics["parameters"] == "8.92 M" and metrics["exact reach"] == "120 tokens"
    assert at.dataframe[0].value.iloc[2]["times storyteller"] == "256×"
    assert any("completes no word of a short list" in caption.value for caption in at.caption)


def test_every_bundled_models_card_says_what_it_leaves_unsaid_and_holds_no_such_word():
    for folder in registry.bundled_root().iterdir():
        for path in folder.glob("*.md") if folder.is_dir() else ():
            text = path.read_text(encoding="utf-8")
            assert "mistral_core/unsaid.py" in text or path.name != "MODEL_CARD.md"
            assert not holds_unsaid(text), path
    text = "".join(compute.recording().token_texts)
    assert not holds_unsaid(text) and not holds_unsaid(compute.EXAMPLE.read_text(encoding="utf-8"))


def test_the_models_page_shows_what_each_of_the_family_reached():
    rows = json.loads((registry.bundled_root() / "family.json").read_text())["results"]
    shown = app("models").dataframe[-1].value.set_index("model")
    assert set(shown.index) == {row["name"] for row in rows}
    bits = [row["bits_per_byte"] for row in rows if row["name"] == "mha"]
    assert shown.loc["mha", "whole chapters"].startswith(f"{sum(bits) / len(bits):.3f}")
    differs = shown["what was changed"]
    assert differs["mha"] == "8 key/value heads" and differs["mqa"] == "1 key/value head"
    assert differs["full-attention"] == "no window" and differs["adamw-0.004"] == "AdamW alone, rate 0.004"
    assert differs["baseline"] == "(compared with)"
    assert shown.columns[0] == "whole chapters", "a phone shows what was reached without scrolling"


def test_the_checks_run_from_the_models_page():
    at = app("models")
    press(at, "Check it now")
    work = kept(at).page_state(ModelsState).checks.get("storyteller")
    work.task.join(120)
    at.run()
    assert not work.error and any("checks hold" in success.value for success in at.success)


def test_an_address_counts_layers_and_heads_as_the_screen_does():
    desk = Desk()
    desk.records["r"] = Record(name="r", label="r", spec=RunSpec(model="storyteller", text="a"))
    desk.current = "r"
    for layer in range(8):
        for head in range(-1, 8):
            desk.at["r"] = {"t": 3, "layer": layer, "head": head}
            query = address(desk)
            assert query["layer"] == str(layer + 1), "its name on the screen is `layer 1` for the first"
            assert query.get("head") == (str(head + 1) if head >= 0 else None)
            assert position_from_query(query) == desk.at["r"]
    assert position_from_query({"t": "0", "layer": "0", "head": "0"}) == {"t": 0, "layer": 0, "head": 0}
