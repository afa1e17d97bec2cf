"""Large runs in a real browser: bytes of the payload, time from mount to picture, steps drawn in a second.

The numbers are printed (`pytest -rP`) and recorded as properties; only bounds that a slow machine keeps are asserted.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import expect

from mistral_core.config import MistralConfig
from mistral_core.generation import Run
from mistral_core.model import random_model
from mistral_core.request import GenerationRequest
from mistral_core.trace.trace import RecordingPlan, Trace
from tests.conftest import TINY_STD, ByteTokenizer
from tests.e2e import browser as harness
from tests.e2e.browser import settled
from tests.e2e.test_across_pages import ROOTS, opened_file, turn_to

pytestmark = pytest.mark.browser
PROBE = Path(__file__).with_name("sizes.js")
MOUNT = """import mount from "./mount.js?served";
export default (component) => {
  mxMounted(component);
  return mount(component);
};
"""
"""Stands before the program's own mount, which it calls, so that every payload is seen as it comes."""
MOST_BYTES = 8_000_000
LONG = MistralConfig(
    dim=32,
    n_layers=8,
    n_heads=8,
    n_kv_heads=2,
    head_dim=4,
    hidden_dim=32,
    vocab_size=300,
    norm_eps=1e-5,
    rope_theta=1e4,
    sliding_window=16,
)
WIDE = replace(LONG, n_layers=32, n_heads=32, n_kv_heads=8, sliding_window=4096)
"""The layers, heads and window of Mistral 7B; dimensions as small as they can be."""
SHAPES = {
    "long": (LONG, 1000),
    "wide": (WIDE, 200),
    "ring": (replace(LONG, n_layers=3, sliding_window=100), 260),
    "heavy": (replace(LONG, n_kv_heads=8, head_dim=64), 1100),  # 35 MiB of keys and values
}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sizes")
    for name, (config, length) in SHAPES.items():
        ids = tuple(np.random.default_rng(1).integers(40, 120, length).tolist())
        run = Run(
            random_model(config, seed=2, std=TINY_STD),
            ByteTokenizer(),
            GenerationRequest(prompt_ids=ids, max_new_tokens=0),
            plan=RecordingPlan(),
        )
        list(run.prefill())
        replace(run.trace(), model_name="large/random").save(folder / f"{name}.safetensors")
    return folder


@pytest.fixture(scope="module")
def large(app, chromium, files):
    """`large(name)` opens a file once and leads from page to page; no page may have had a console error."""
    opened = {}

    def page_of(name: str):
        if name not in opened:
            page = opened[name] = harness.open_page(chromium)
            page.add_init_script(path=PROBE)
            page.route("**/kit/mount.js", lambda route: route.fulfill(body=MOUNT, content_type="text/javascript"))
            page.goto(app.url + "/next_word")
            page.wait_for_selector(ROOTS["Next word"])
            page.evaluate("mxSizes.bytes = 0")
            opened_file(page, files / f"{name}.safetensors")
        return opened[name]

    yield page_of
    for page in opened.values():
        problems = page.watch.problems()
        page.context.close()
        assert not problems, problems


def shown(page, title: str, run: str) -> dict[str, float]:
    if not page.locator(f"{ROOTS[title]}[data-run='{run}']").count():
        page.evaluate("mxSizes.bytes = 0")
        turn_to(page, title)
    page.wait_for_selector(f"{ROOTS[title]}[data-run='{run}']", timeout=60_000)
    page.wait_for_function("mxSizes.drawn > 0", timeout=60_000)
    settled(page)
    bytes_, mounted, drawn = page.evaluate("[mxSizes.bytes, mxSizes.mounted, mxSizes.drawn]")
    return {"payload_bytes": bytes_, "mount_to_picture_ms": round(drawn - mounted)}


def played(page, title: str, seconds: float = 3) -> dict[str, float]:
    """From the beginning, at the highest speed (60 steps a second)."""
    root = page.locator(ROOTS[title])
    page.locator("[data-part='speed']").select_option("60")
    root.press("Home")
    page.locator("[data-act='play']").click()
    found = root.evaluate(f"root => mxPlay(root, {seconds})")
    page.locator("[data-act='play']").click()
    return {
        "steps_a_second": round(found["steps"], 1),
        "frames_a_second": round(found["frames"], 1),
        "longest_frame_ms": round(found["longest"]),
    }


OF_MEANS = ("Next word", "Attention", "Ring")
"""Pages that draw the mean where the heads are too many; the others draw the heads of one layer, or of one token."""


@pytest.mark.parametrize("title", list(ROOTS))
@pytest.mark.parametrize("name", ["long", "wide"])
def test_a_large_run_opens_and_plays(large, record_property, name, title):
    page = large(name)
    config, length = SHAPES[name]
    found = shown(page, title, f"file {name}.safetensors")
    found |= played(page, title)
    print(name, config.n_layers, config.n_heads, config.sliding_window, length, title, found)
    for key, value in found.items():
        record_property(key, value)
    assert page.locator(ROOTS[title]).get_attribute("data-count") == str(length)
    assert 0 < found["payload_bytes"] < MOST_BYTES
    assert found["steps_a_second"] > 0.5, "it plays, however slow the machine is"
    said = expect(page.locator(ROOTS[title]))
    mean = "attention is the mean of the heads: all of them would be too much to send"
    if name == "wide" and title in OF_MEANS:
        said.to_contain_text(mean)
    else:  # heads of its own may come some looks later
        said.not_to_contain_text(mean)


def test_a_long_ring_is_a_barcode_with_eight_slots_around_the_pointer(large):
    """Windows over 64: the slots on screen are those around the pointer, also over the seam, and each opens."""
    page = large("ring")
    shown(page, "Ring", "file ring.safetensors")
    root = page.locator(ROOTS["Ring"])
    slider = page.locator("[data-part='slider']")
    for step in (3, 60, 98, 99, 100, 101, 199, 255):
        slider.fill(str(step))
        page.wait_for_selector(f"{ROOTS['Ring']}[data-step='{step}']")
        wanted = [(step % 100 - 4 + i) % 100 for i in range(8)]
        held = [max((p for p in range(step + 1) if p % 100 == slot), default=None) for slot in wanted]
        made = page.locator("[data-part='ring'] g[data-p]").evaluate_all(
            "nodes => nodes.map(node => Number(node.dataset.p))"
        )
        assert sorted(made) == sorted(p for p in held if p is not None), step
    slider.fill("150")
    bar = page.locator(".mx-barcode")
    width = bar.bounding_box()["width"]
    pixel = "(bar, x) => [...bar.getContext('2d').getImageData(x, 5, 1, 1).data].slice(0, 3)"
    pointer = bar.evaluate(pixel, round(width * 0.5) + 1)
    assert pointer[0] > 150 > pointer[2], "the write pointer stands in the middle, in orange"
    page.locator("[data-part='ring'] g[data-p='53'] rect").click(
        position={"x": 6, "y": 5}
    )  # made 97 steps ago, behind the pointer: the next but two to go
    assert (root.get_attribute("data-slot"), root.get_attribute("data-held")) == ("53", "53")
    assert "overwritten by position 153, in 3 steps" in page.locator("[data-part='slot-words']").inner_text()
    for _ in range(3):
        root.press("ArrowRight")
    assert root.get_attribute("data-held") == "153"
    page.locator("[data-part='slot']").select_option("follow")
    box = page.locator("[data-part='all']").bounding_box()
    page.mouse.click(box["x"] + 4.2 * 14 + 7.5 / 100 * (box["width"] - 2 - 4.2 * 14), box["y"] + box["height"] / 4)
    assert (root.get_attribute("data-layer"), root.get_attribute("data-slot"), root.get_attribute("data-held")) == (
        "2",
        "7",
        "107",
    )


def test_keys_and_values_over_the_budget_come_slot_by_slot(large, files):
    page = large("heavy")
    found = shown(page, "Ring", "file heavy.safetensors")
    assert found["payload_bytes"] < MOST_BYTES
    root, trace = page.locator(ROOTS["Ring"]), Trace.load(files / "heavy.safetensors")
    assert root.get_attribute("data-kv") == "0"
    page.locator("[data-part='layer']").select_option(index=2)
    for slot in (3, 12):
        page.locator("[data-part='slot']").select_option(str(slot))
        position = int(root.get_attribute("data-held"))
        assert position % 16 == slot
        page.wait_for_selector(f"{ROOTS['Ring']}[data-numbers='2,{position}']")
        if slot == 3:
            page.get_by_text("all the numbers").click()
        page.wait_for_selector(".ring-table tbody tr")
        row = [
            float(number.replace("−", "-"))
            for number in page.locator(".ring-table tbody tr").nth(17).inner_text().split()
        ]
        keys, values = trace.keys(2)[position], trace.values(2)[position]
        assert row == pytest.approx([17, *np.stack([keys[:, 17], values[:, 17]], 1).ravel()], abs=6e-5)
    root.press("ArrowRight")
    position = int(root.get_attribute("data-held"))
    page.wait_for_selector(f"{ROOTS['Ring']}[data-numbers='2,{position}']")


def test_of_a_long_text_a_part_is_on_the_page_and_the_rest_one_click_away(large):
    page = large("long")
    shown(page, "Next word", "file long.safetensors")
    root, tokens = page.locator(ROOTS["Next word"]), page.locator("[data-part='story'] [data-p]")
    root.press("Home")
    assert tokens.first.get_attribute("data-p") == "0"
    last = int(tokens.last.get_attribute("data-p"))
    assert last < 600
    page.get_by_role("button", name=f"{1000 - last - 1} later tokens").click()
    page.wait_for_selector(f"{ROOTS['Next word']}[data-step='{last + 1}']")
    root.press("End")
    first = int(tokens.first.get_attribute("data-p"))
    assert first > 300 and tokens.last.get_attribute("data-p") == "999"
    page.get_by_role("button", name=f"{first} earlier tokens").click()
    page.wait_for_selector(f"{ROOTS['Next word']}[data-step='{first - 1}']")
    assert page.locator("[data-part='story'] .mx-now").get_attribute("data-p") == str(first - 1)
