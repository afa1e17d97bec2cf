"""The field for any published configuration: its numbers, and a sentence for whatever else is pasted."""

import json
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from app.session import state
from app.shared.markdown import plain
from tests.model.checkpoint.published_files import CONFIG_JSON, PARAMS_JSON, REFUSED

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def page():
    at = AppTest.from_file(str(ROOT / "app" / "main.py"), default_timeout=60).run()
    at.switch_page(str(ROOT / "pages" / "models.py")).run()
    assert not at.exception
    return at


def typed(at, text):
    at.text_area(key=state.PUBLISHED).set_value(text).run()
    assert not at.exception, at.exception
    assert at.text_area(key=state.PUBLISHED).value == text
    return at


def tables(at):
    """The two tables of the field by their first columns; nothing where none is shown."""
    shown = [frame.value for frame in at.dataframe if {"this configuration", "without the window"} & set(frame.value)]
    return [dict(zip(frame.iloc[:, 0], frame.iloc[:, 1:].values.tolist(), strict=True)) for frame in shown]


def test_the_numbers_of_mistral_7b_in_both_layouts(page):
    assert tables(page) == []
    for content in (CONFIG_JSON["Mistral 7B v0.1"].content, PARAMS_JSON["Mistral 7B v0.1"].content):
        facts, contexts = tables(typed(page, json.dumps(content, indent=1)))
        assert facts["parameters"] == ["7,241,732,096"] and facts["window"] == ["4,096 in each of 32 layers"]
        assert facts["exact reach after all layers"] == ["131,040 tokens back"]
        assert facts["keys and values of each token"] == ["128 KiB"]
        assert facts["… without grouped queries"] == ["512 KiB"]
        assert contexts["32,768"] == ["512 MiB", "4.0 GiB", "16 GiB"] and contexts["1,024"][0] == "128 MiB"
        assert not page.warning
    assert any("names no rope\\_theta" in caption.value for caption in page.caption)
    typed(page, json.dumps(CONFIG_JSON["SmolLM2 135M"].content))
    assert any("ignored here: attention\\_bias, attention\\_dropout" in caption.value for caption in page.caption)
    assert tables(page)[0]["trained on texts of up to"] == ["8,192 tokens"]


@pytest.mark.parametrize("name", ["Llama 3.1 8B", "Mixtral 8x7B", "Qwen2 7B", "Mixtral 8x7B, params.json"])
def test_another_network_is_refused_by_the_names_of_its_keys(page, name):
    content, keys = REFUSED[name]
    (warning,) = typed(page, json.dumps(content)).warning
    assert tables(page) == []
    assert all(plain(key) in warning.value for key in keys)


@pytest.mark.parametrize(
    "text",
    [
        "hello", "{", "[]", "{}", "null", "\0", '{"dim": 1e999}', "[" * 5000, '{"hidden_size": ' + "9" * 5000 + "}",
        '{"model_type": "\\ud800", "![x](http://example.com/x.png)": 1}', '{"dim": "<b>", "n_layers": {"a": [1]}}',
        '{"model_type": "llama", "hidden_size": {"$x^2$": ":red[x]"}, "num_hidden_layers": true}',
    ],
)  # fmt: skip
def test_nonsense_is_a_sentence_and_is_kept(page, text):
    (warning,) = typed(page, text).warning
    assert tables(page) == [] and len(warning.value) < 1200 and "Traceback" not in warning.value
    assert "![" not in warning.value and ":red[" not in warning.value and "<b>" not in warning.value
    typed(page, "  ")
    assert not page.warning


def test_what_was_typed_is_there_after_another_page(page):
    text = json.dumps(CONFIG_JSON["Llama 2 7B"].content)
    typed(page, text)
    page.switch_page(str(ROOT / "pages" / "next_word.py")).run()
    page.switch_page(str(ROOT / "pages" / "models.py")).run()
    assert page.text_area(key=state.PUBLISHED).value == text
    assert tables(page)[0]["parameters"] == ["6,738,415,616"]
