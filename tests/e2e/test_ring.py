"""The ring of the cache in a real browser: steps, slots, numbers, chunks, going back, and the measured answer."""

import csv
import time
from functools import cache
from urllib.parse import parse_qs, urlencode, urlparse

import numpy as np
import pytest
import torch

from app import compute
from mistral_core.kv_cache import KVCache
from mistral_core.mask import allowed
from mistral_core.request import GenerationRequest
from mistral_core.sampling import SamplingSettings
from mistral_core.trace.trace import Trace
from tests.e2e import browser as harness
from tests.e2e.browser import counted, settled

pytestmark = pytest.mark.browser
RING = "[data-ready='1']"
PROMPT = "Once upon a time there was a girl who lived in a little house in the wood."
W = 16


def data(page) -> dict[str, str]:
    return page.locator(RING).evaluate("element => ({...element.dataset})")


def said(page, part: str) -> str:
    return page.locator(f"[data-part='{part}']").inner_text()


def link(**parts) -> str:
    return "/ring?" + urlencode({"model": "storyteller", "text": PROMPT, "seed": 0, "n": 70, **counted(parts)})


def done(page) -> dict[str, str]:
    page.wait_for_selector(f"{RING}[data-status='done']", timeout=180_000)
    settled(page)
    return data(page)


@cache
def trace(n: int = 70) -> Trace:
    """The same run by the core alone, its tokens read as the application reads them: equal to the last bit."""
    loaded = compute.load("storyteller")
    request = GenerationRequest(
        prompt_ids=tuple(loaded.tokenizer.encode(PROMPT)),
        max_new_tokens=n,
        seed=0,
        sampling=SamplingSettings(temperature=0.8, top_p=0.95),
    )
    job = compute.engine().submit("test", "storyteller", request)
    while (progress := compute.engine().poll(job)).status != "done":
        assert progress.status != "failed", progress.message
        time.sleep(0.01)
    return progress.trace


def cell(page, layer: int, slot: int) -> dict[str, float]:
    """Where a slot of the picture of all rings lies inside its canvas."""
    box = page.locator("[data-part='all']").bounding_box()
    unit = 14
    left, right, top, bottom = 4.2 * unit, box["width"] - 2, 2.3 * unit, box["height"] - 1.5 * unit
    row = (bottom - top) / 8
    return {"x": left + (slot + 0.5) * (right - left) / W, "y": bottom - (layer + 0.6) * row}


def test_the_recording_has_no_numbers_until_it_is_written_live(visit):
    page = visit("/ring")
    page.wait_for_selector(f"{RING}[data-status='recorded']")
    assert "keeps no keys and values" in said(page, "slot-numbers") and data(page)["kv"] == "0"
    before = data(page)
    page.get_by_role("button", name="Write the same run live").click()
    page.wait_for_selector(f"{RING}[data-kv='1'][data-status='done']", timeout=60_000)
    assert data(page)["run"] != before["run"] and data(page)["count"] == before["count"]
    assert data(page)["step"] == before["step"] != data(page)["count"], "one stays where one was"
    assert "KV head 2" in said(page, "slot-numbers")


def test_deep_link_keys_and_the_slot_that_is_written(visit):
    page = visit(link(t=40, layer=2, head=3))
    done(page)
    page.wait_for_selector(f"{RING}[data-step='40']")
    assert (data(page)["layer"], data(page)["head"], data(page)["slot"], data(page)["held"]) == ("2", "3", "8", "40")
    assert "overwrote what" in said(page, "step") and "(24)" in said(page, "step")
    picture = page.locator(RING)
    picture.press("ArrowRight")
    picture.press("ArrowUp")
    picture.press("]")
    page.wait_for_url("**head=5**")  # the last of the three keys; on a slow machine each is told by itself
    found = parse_qs(urlparse(page.url).query)
    assert (found["t"], found["layer"], found["head"]) == (["41"], ["4"], ["5"])
    assert data(page)["held"] == "41" and data(page)["slot"] == str(41 % W)
    page.reload()
    page.wait_for_selector(f"{RING}[data-step='41'][data-layer='3'][data-head='4']", timeout=60_000)


def test_a_slot_shows_who_read_it_and_its_real_numbers(visit):
    page = visit(link(t=60, layer=0))
    done(page)
    page.wait_for_selector(f"{RING}[data-step='60']")
    layer, slot, position = 4, 2, 50
    page.locator("[data-part='all']").hover(position=cell(page, layer, slot))
    assert "layer 5, slot 2" in said(page, "pop") and "made at position 50" in said(page, "pop")
    page.locator("[data-part='all']").click(position=cell(page, layer, slot))
    assert (data(page)["layer"], data(page)["slot"], data(page)["held"]) == (str(layer), str(slot), str(position))
    assert "overwritten by position 66, in 6 steps" in said(page, "slot-words")
    run = trace()
    weights = {q: float(run.pattern(layer)[q, :, q - position].mean()) for q in range(position + 1, position + W)}
    assert data(page)["reader"] == str(max(weights, key=weights.get))
    page.get_by_text("all the numbers").click()
    page.wait_for_selector(".ring-table tbody tr")
    rows = page.locator(".ring-table tbody tr").evaluate_all(
        "rows => rows.map(row => [...row.cells].map(cell => cell.textContent))"
    )
    keys, values = run.keys(layer)[position], run.values(layer)[position]
    assert len(rows) == keys.shape[1]
    for i, row in enumerate(rows):
        shown = [float(number.replace("−", "-")) for number in row]
        assert shown == pytest.approx([i, keys[0, i], values[0, i], keys[1, i], values[1, i]], abs=6e-5)
    with page.expect_download() as saved:
        page.get_by_role("button", name="save them as CSV").click()
    assert saved.value.suggested_filename == "kv-layer5-position50.csv"
    table = np.loadtxt(saved.value.path(), delimiter=",", skiprows=1, dtype=np.float32)
    assert np.array_equal(table[:, 1:].T, np.stack((keys[0], values[0], keys[1], values[1]))), "to the last bit"
    strip = page.locator(".ring-strip[data-kind='values'][data-group='1']")
    strip.hover(position={"x": strip.bounding_box()["width"] * 10.5 / 32, "y": 5})
    assert (
        f"V, KV head 2, number 10: {values[1, 10]:.4f}".replace("-", "−") == page.locator(".ring-pointed").inner_text()
    )
    for _ in range(7):
        page.locator(RING).press("ArrowRight")
    assert (data(page)["slot"], data(page)["held"]) == ("2", "66"), "the slot stays in view and has been overwritten"


def test_the_weights_of_a_group_are_the_mean_of_its_heads(visit):
    page = visit(link(t=60, layer=3))
    done(page)
    page.wait_for_selector(f"{RING}[data-step='60']")
    page.get_by_label("Head, group or mean").select_option(label="KV head 2, mean")
    weight = float(trace().pattern(3)[60, 4:8, 4].mean())
    title = page.locator("[data-part='ring'] g[data-p='56'] title").text_content()
    shown = float(title.split("attention ")[1].removesuffix(" %").strip("<>")) / 100
    assert shown == pytest.approx(weight, abs=0.006) and "position 56" in title


def to_the_first_chunk(page):
    """The scene opens at the first chunk in which the order of reading and writing matters."""
    while not said(page, "chunk-range").startswith("chunk 1 of"):
        page.locator("[data-act='chunk-back']").click()


def test_the_chunks_open_where_the_order_matters_and_arrows_go_through_them(visit):
    """19 tokens in chunks of 8: only the third one would overwrite what its tokens still need."""
    page = visit(link(n=1))
    done(page)
    page.get_by_role("radio", name="prompt, chunk by chunk").click()
    assert said(page, "chunk-range") == "chunk 3 of 3: positions 16 to 18"
    assert "would destroy" in said(page, "chunk-words")
    step = page.locator(RING).get_attribute("data-step")
    page.locator(RING).press("ArrowLeft")
    assert said(page, "chunk-range").startswith("chunk 2 of 3")
    assert "Nothing is lost" in said(page, "chunk-words")
    page.locator(RING).press("ArrowRight")
    assert said(page, "chunk-range").startswith("chunk 3 of 3")
    assert page.locator(RING).get_attribute("data-step") == step, "the arrows moved the text as well"


@pytest.mark.parametrize(("size", "chunk"), [(1, 17), (5, 3), (16, 1), (19, 0)])
def test_the_chunks_are_those_of_the_real_ring(visit, size, chunk):
    page = visit(link(n=1))
    done(page)
    page.get_by_role("radio", name="prompt, chunk by chunk").click()
    page.locator("[data-part='chunk-size']").fill(str(size))
    to_the_first_chunk(page)
    for _ in range(chunk):
        page.locator("[data-act='chunk-on']").click()
    shown = page.locator("[data-part='chunks']").evaluate("element => ({...element.dataset})")
    config, prompt = compute.config("storyteller"), len(trace(1)) - 1
    start, end = chunk * size, min(prompt, (chunk + 1) * size)
    rings = KVCache(config)
    ring = rings.rings[0]
    blank = torch.zeros(1, end, config.n_kv_heads, config.head_dim)
    for first in range(0, end, size):
        before = ring.positions[0].tolist()
        last = min(prompt, first + size)
        plan = rings.plan(torch.arange(first, last)[None])[W]
        for one in rings.rings:
            one.write(blank[:, first:last], blank[:, first:last], plan)
    after = ring.positions[0]
    visible = allowed(torch.arange(start, end)[None], torch.arange(end)[None], W)[0].any(0)
    doomed = [p for p in range(end) if visible[p] and p not in after.tolist()]
    assert (int(shown["start"]), int(shown["end"])) == (start, end)
    assert shown["before"] == ",".join(map(str, before)) and shown["after"] == ",".join(map(str, after.tolist()))
    assert shown["doomed"] == ",".join(map(str, doomed))
    words = said(page, "chunk-words")
    assert ("decoding writes first" in words) == (size == 1) and (f"destroy {len(doomed)} key" in words) == bool(doomed)


def test_going_back_lacks_one_key_more_for_each_token_after_the_first(visit):
    page = visit(link(t=40))
    done(page)
    page.wait_for_selector(f"{RING}[data-step='40']")
    page.get_by_role("radio", name="going back").click()
    held = set(range(40 - W + 1, 41))
    for back in (1, 2, 9, 20):
        page.locator("[data-part='back']").fill(str(back))
        shown = page.locator("[data-part='rewind']").evaluate("element => ({...element.dataset})")
        first = 40 - back + 1
        needed = range(max(0, first - W + 1), first)
        assert shown["needed"] == ",".join(map(str, needed))
        assert shown["lost"] == ",".join(str(p) for p in needed if p not in held)
        assert ("Everything needed is still there" in said(page, "rewind-words")) == (back == 1)


def test_an_overwritten_word_is_asked_about_and_measured(visit):
    page = visit(link(t=40))
    done(page)
    page.wait_for_selector(f"{RING}[data-step='40']")
    page.get_by_role("radio", name="ask about it").click()
    page.locator("[data-part='story'] [data-p='35']").click()
    assert "still lies in a ring" in said(page, "theory") and page.locator("[data-act='measure']").is_disabled()
    page.locator("[data-part='story'] [data-p='8']").click()
    assert data(page)["marked"] == "8" and data(page)["step"] == "40"
    assert "left all 8 rings at once when position 24 was written" in said(page, "theory")
    assert "32 back, that takes 3 layers or more" in said(page, "theory")
    page.locator("[data-part='word']").fill("boy")
    page.locator("[data-act='measure']").click()
    page.get_by_text("changes the prediction at step 40").wait_for(timeout=60_000)
    text = said(page, "measured")
    assert "“girl” (8) by “boy”" in text and "32 tokens on" in text and "nats" in text
    page.locator("[data-part='word']").fill("extraordinarily")
    page.locator("[data-act='measure']").click()
    page.get_by_text("choose a word that is one token").wait_for(timeout=60_000)


def test_keys_while_it_writes_lose_no_token_and_another_page_follows(visit):
    """A text long enough not to be finished before the browser has drawn its first picture."""
    page = visit(link(n=600))
    page.wait_for_selector(f"{RING}[data-status='running']")
    before = int(data(page)["count"])
    for _ in range(8):
        page.locator(RING).press("ArrowLeft")
        page.wait_for_timeout(40)
    page.wait_for_selector(f"{RING}:not([data-count='{before}'])")
    state = done(page)
    count = len(trace(600).token_ids)
    assert state["count"] == str(count)
    page.locator(RING).press("End")
    tail = " ".join(trace(600).text.split()[-6:])
    assert tail in " ".join(said(page, "story").replace("↵", "\n").split())
    for _ in range(3):
        page.locator(RING).press("ArrowLeft")
    page.wait_for_url(f"**t={count - 4}**")
    page.get_by_role("link", name="Next word", exact=True).click()
    page.wait_for_selector(f"{RING}[data-mode='desk'][data-step='{count - 4}']:not([data-scene])")


def test_a_narrow_screen_scrolls_only_downwards(visit):
    page = visit(link(n=20), width=390, height=844)
    done(page)
    main = page.locator("[data-testid='stMain']")
    for scene in ("step by step", "prompt, chunk by chunk", "going back"):
        page.get_by_role("radio", name=scene).click()
        assert main.evaluate("e => e.scrollWidth <= e.clientWidth + 1"), scene


def test_on_a_phone_a_landmark_of_the_timeline_is_met_by_a_finger_beside_the_slider(visit):
    page = visit("/ring", width=390, height=844)
    page.wait_for_selector(f"{RING}[data-step]")
    mark, slider = page.locator(".mx-landmark.mx-overwrite"), page.locator("[data-part='slider']").bounding_box()
    box = mark.bounding_box()
    below = box["y"] + box["height"] - (slider["y"] + slider["height"] / 2)
    assert min(box["width"], below) >= 20, "under the middle of the slider, which stays a slider"
    mark.click()
    page.wait_for_selector(f"{RING}[data-step='16']")


def test_a_narrow_first_screen_shows_the_picture_over_a_low_timeline(visit):
    page = visit(link(n=20), width=390, height=844)
    done(page)
    settled(page)
    harness.check_narrow_first_screen(page, ".ring-all")


@pytest.mark.parametrize(("typed", "kept"), [("0", "1"), ("999", "19"), ("", "1"), ("7", "7"), ("-3", "1")])
def test_the_field_of_the_chunk_says_the_size_that_is_used(visit, typed, kept):
    page = visit(link(n=1))
    done(page)
    page.get_by_role("radio", name="prompt, chunk by chunk").click()
    field = page.locator("[data-part='chunk-size']")
    field.fill(typed)
    field.press("Tab")
    assert field.input_value() == kept
    first = min(int(kept), 19)
    to_the_first_chunk(page)
    assert f"positions 0 to {first - 1}" in said(page, "chunk-range")
    with page.expect_download() as saved:
        page.get_by_role("button", name="save who sees whom as CSV").click()
    with open(saved.value.path(), newline="", encoding="utf-8") as lines:
        names, *rows = csv.reader(lines)
    mask = np.array([[int(cell) for cell in row[2:]] for row in rows])
    assert mask.shape == (first, W + first) and names[2 + W] == "chunk: position 0"
    dense = allowed(torch.arange(first)[None], torch.arange(first)[None], W)[0].numpy()
    assert not mask[:, :W].any() and np.array_equal(mask[:, W:], dense), "the ring before the first chunk is empty"


def test_the_chosen_query_can_be_read_when_the_chunk_would_destroy_it_too(visit):
    page = visit(link(n=1))
    done(page)
    page.get_by_role("radio", name="prompt, chunk by chunk").click()
    field = page.locator("[data-part='chunk-size']")
    field.fill("19")
    field.press("Tab")
    for query in (0, 1, 18):
        cell = page.locator(f"[data-part='chunks'] [data-query='{query}']")
        cell.click()
        colours = cell.evaluate(
            "e => { const s = getComputedStyle(e); return [s.color, s.backgroundColor, s.backgroundImage]; }"
        )
        ink, ground, image = colours
        assert ink != ground and image == "none" and ground not in ("rgba(0, 0, 0, 0)", "rgb(255, 255, 255)"), colours
