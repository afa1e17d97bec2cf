"""The page `reach` with the geometry of Mistral 7B (32 layers, 32 heads, W = 4096) and tiny random weights."""

import re
from dataclasses import replace
from urllib.parse import urlencode

import pytest
import torch

from app.session.runs import DEFAULT_SAMPLING
from mistral_core.analysis.influence import forward_influence
from mistral_core.analysis.swap import replacement_of_its_kind
from mistral_core.checkpoint.load import load_model
from mistral_core.checkpoint.save import save_mistral
from mistral_core.checkpoint.variants import in_dtype, with_windows
from mistral_core.config import MISTRAL_7B
from mistral_core.generation import Run
from mistral_core.model import random_model
from mistral_core.request import GenerationRequest
from tests.e2e import browser as harness
from tests.e2e.test_reach import FRESH, GRID, data, facts, popover, tiny, wait

pytestmark = pytest.mark.browser
BUNDLED = harness.ROOT / "assets" / "models" / "storyteller"
TEXT = "Once upon a time there was a girl who lived in the wood."
LENGTH, SOURCE = 200, 8


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model folder named `wide`, in a folder of its own."""
    config = replace(MISTRAL_7B, dim=64, head_dim=2, hidden_dim=64, vocab_size=4096)
    path = tmp_path_factory.mktemp("models") / "wide"
    save_mistral(random_model(config, seed=0, std=0.2), path, tokenizer_path=BUNDLED / "tokenizer.model")
    return path


@pytest.fixture(scope="module")
def wide(folder, tmp_path_factory):
    log = tmp_path_factory.mktemp("server") / "log.txt"
    with harness.sound_server(log, MISTRAL_MODELS_DIR=str(folder.parent)) as running:
        yield running


@pytest.fixture
def page(wide, chromium):
    opened = harness.open_page(chromium)
    query = {"model": "wide", "text": TEXT, "n": LENGTH - 15, "reading": "forward", "from": SOURCE}
    opened.goto(f"{wide.url}/reach?{urlencode(query)}")
    opened.wait_for_selector(f"{FRESH}[data-status='done'][data-count='{LENGTH}']", timeout=180_000)
    yield opened
    problems = opened.watch.problems()
    opened.context.close()
    assert not problems


def hop_cell(page, hops: int, row: int) -> dict[str, float]:
    """Where a bin lies on the canvas: 34 equal columns, 33 equal rows."""
    return page.locator("[data-part=grid]").evaluate(
        """(canvas, [hops, row]) => {
          const { width, height } = canvas.getBoundingClientRect();
          const unit = parseFloat(getComputedStyle(document.documentElement).fontSize) * 0.875;
          const left = 4.6 * unit, wide = (width - 0.5 * unit - left) / 34;
          const bottom = height - 2.7 * unit, high = (bottom - 0.3 * unit) / 33;
          return { x: left + (hops + 0.5) * wide, y: bottom - (row + 0.5) * high };
        }""",
        [hops, row],
    )


def expected(folder):
    """The forward map with W = 4, without the page: the text is written anew from the same request."""
    loaded = load_model(folder)
    prompt = tuple(loaded.tokenizer.encode(TEXT))
    asked = GenerationRequest(prompt_ids=prompt, max_new_tokens=LENGTH - 15, sampling=DEFAULT_SAMPLING)
    run = Run(loaded.model, loaded.tokenizer, asked)
    for _ in run.prefill():
        pass
    while not run.finish_reason:
        run.step()
    ids = run.token_ids[:LENGTH].tolist()
    network = with_windows(in_dtype(loaded.model, torch.float64), 4)
    return forward_influence(network, ids, SOURCE, replacement_of_its_kind(loaded.tokenizer, ids[:32], SOURCE)).change


def test_a_window_as_wide_as_in_the_paper_says_that_nothing_is_far_enough(page, record_property):
    state = data(page)
    for name in ("bytes", "openMs", "drawMs"):
        record_property(f"reach 32x32x4096, {LENGTH} tokens: {name}", state[name])
        print(name, state[name])
    assert int(state["bytes"]) < 120_000, "33 rows of 200 values and flags, and the text"
    assert "nothing in it has left a window of 4,096 yet" in facts(page) and "can see: 131,040" in facts(page)
    assert page.locator("[data-act=write]").count() == 0, "131,040 tokens are not offered"
    page.locator("[data-act=narrower]").click()
    wait(page, window=4)
    assert "can see: 96 tokens on" in facts(page) and "beyond the edge: exactly 0 at all 95 positions" in facts(page)


def test_hops_keep_the_largest_of_each_bin_and_lead_to_the_tokens(page, folder):
    page.get_by_label("Window that the text is read with").select_option("4")
    wait(page, window=4)
    page.locator("[data-part=zoom] [data-value=hops]").click()
    grid = page.locator("[data-part=grid]")
    grid.hover(position=hop_cell(page, 7, 12))
    said = popover(page)
    assert "after layer 12, 7 hops on" in said and "19 to 21 tokens on" in said
    peak, at = re.search(r"largest of this bin: (.+), at position (\d+)", said).groups()
    bin_of_7 = range(SOURCE + 19, SOURCE + 22)
    change = expected(folder)[12]
    assert (peak, int(at)) == (tiny(change[bin_of_7].max()), max(bin_of_7, key=lambda position: change[position]))
    grid.hover(position=hop_cell(page, 7, 3))
    assert "exactly 0" in popover(page) and "beyond the edge" in popover(page)
    grid.hover(position=hop_cell(page, 33, 20))
    assert "out of reach" in popover(page) and "more than 96 tokens on" in popover(page)
    grid.click(position=hop_cell(page, 7, 12))
    page.wait_for_selector(f"{GRID}[data-zoom='near'][data-row='12'][data-source='{SOURCE}']")
