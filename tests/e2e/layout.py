"""How a page is laid out, measured at many widths: what `test_layout` wants to be nothing, and `layout_report` prints.

The window of one page is resized in place, since a page takes seconds to open and a width takes a moment to measure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, Page

from mistral_core.experiments.claims import MODULES
from tests.e2e.browser import open_page, settled

PROBES = tuple(Path(__file__).with_name(name) for name in ("layout_tree.js", "layout.js"))
KINDS = ("overlaps", "cut", "over", "small", "bar", "sideways", "thumbs", "contrast")
"""Cards over each other; cut texts; texts over texts; texts below 12 px; no play bar; scrolling sideways; buttons too
small for a thumb; texts below 4.5:1 and keys below 3:1."""

WIDTHS = tuple(range(360, 1921, 80))
OTHER_WIDTHS = WIDTHS[:-1:2]
"""Enlarged, a page is laid out as one of three quarters of its width: a few more widths between those above."""
SOME_WIDTHS = (360, 390, 600, 768, 1024, 1280, 1440, 1920)
SITUATIONS = ((390, 844), (844, 390), (1280, 720), (1440, 900))
"""Besides the widths: a phone, the same in landscape, a projector, a laptop."""
HEIGHT = 720


@dataclass(frozen=True)
class Scene:
    """A page in one state.

    Attributes:
        widths: at which it is measured; a second state of a page shares most of the first one's layout.
    """

    name: str
    path: str
    prepare: Callable[[Page], None]
    widths: tuple[int, ...] = WIDTHS


@dataclass(frozen=True)
class Fault:
    """One thing that is laid out wrongly."""

    scene: str
    width: int
    height: int
    larger: bool
    dark: bool
    kind: str
    what: str

    def __str__(self) -> str:
        switches = ", larger" * self.larger + ", dark" * self.dark
        return f"{self.scene} at {self.width} x {self.height}{switches}: {self.kind}: {self.what}"


def _ready(page: Page) -> None:
    page.wait_for_selector("[data-ready='1']")
    settled(page)


def _asked(page: Page) -> None:
    page.wait_for_selector("[data-ready='1'][data-stage='ask']")
    settled(page)


def _answered(page: Page) -> None:
    _asked(page)
    page.get_by_role("button", name="No, it still counts").click()


def _followed(page: Page) -> None:
    _answered(page)
    page.get_by_role("button", name="How did it get through?").click()
    page.wait_for_selector("[data-hop='8']")


def _numbers(page: Page) -> None:
    _read(page)
    page.locator("[data-part='panel'] [data-value='numbers']").click()
    page.locator("[data-part='numbers'] table").wait_for()


def _read(page: Page) -> None:
    page.wait_for_selector(".page-attention[data-ready='1']:not([data-extras=''])")
    settled(page)


def _scene_of_ring(name: str) -> Callable[[Page], None]:
    def prepare(page: Page) -> None:
        _ready(page)
        page.locator(f"[data-part='scene'] [data-value='{name}']").click()

    return prepare


def _measured(page: Page) -> None:
    page.wait_for_selector("[data-ready='1'][data-fresh='1']")
    settled(page)


def _taken(page: Page) -> None:
    page.wait_for_selector(".page-shared-heads[data-ready='1'][data-stored='1']:not([data-away=''])")
    settled(page)


def _pictures(page: Page) -> None:
    _taken(page)
    page.locator("[data-part='view'] [data-value='maps']").click()
    page.locator("[data-part='source'] summary").click()


def _looked_inside(page: Page) -> None:
    page.wait_for_selector("[data-ready='1'][data-numbers='1'][data-worked='1']")
    settled(page)


def _scene_of_block(box: str) -> Callable[[Page], None]:
    def prepare(page: Page) -> None:
        _looked_inside(page)
        page.locator(f"[data-box='{box}']").first.click()
        settled(page)

    return prepare


def _streamed(page: Page) -> None:
    page.wait_for_selector(".page-residual[data-lens='1'][data-words='1']")
    settled(page)


def _patched(page: Page) -> None:
    _streamed(page)
    page.locator("[data-part='way'] [data-value='prompt']").click()
    page.locator("[data-part='lend-text']").fill("Once there was an old king who had three sons. " * 4)
    page.locator("[data-part='lend-do']").click()
    page.wait_for_selector(".page-residual[data-lent='1']")
    page.locator("[data-part='put']").click()
    page.wait_for_selector(".page-residual:not([data-patched=''])")
    settled(page)


def _scene_of_break_it(kind: str) -> Callable[[Page], None]:
    def prepare(page: Page) -> None:
        _measured(page)
        page.locator("[data-part='kind']").select_option(kind)
        page.locator("[data-part='another']").wait_for()

    return prepare


def _compared(page: Page) -> None:
    page.wait_for_selector("[data-ready='1'][data-beside='1'] >> nth=1")
    page.locator("[data-status='running']").first.wait_for(state="detached")
    page.wait_for_function(
        """() => {
            const words = [...document.querySelectorAll("p")].map((one) => one.textContent);
            return !words.some((text) => text.startsWith("Loading the model"));
        }"""
    )
    settled(page)


def _judged(page: Page) -> None:
    page.get_by_role("heading", name="Try it here").wait_for()
    page.get_by_text("Comparing the weights").wait_for(state="detached")
    page.wait_for_selector(".js-plotly-plot .main-svg")
    settled(page)


def _listed(page: Page) -> None:
    page.get_by_text("What grouped queries and the window save").wait_for()
    page.wait_for_selector(".js-plotly-plot .main-svg")
    settled(page)


SCENES = (
    Scene("start", "/", _asked),
    Scene("start, answered", "/", _answered, SOME_WIDTHS),
    Scene("start, followed", "/", _followed, SOME_WIDTHS),
    Scene("next_word", "/next_word", _ready),
    Scene("attention", "/attention", _read),
    Scene("attention, numbers", "/attention", _numbers, SOME_WIDTHS),
    Scene("window", "/window", _measured),
    Scene("window, one key more", "/window?plus=1&w=8", _measured, SOME_WIDTHS),
    Scene("ring", "/ring", _ready),
    Scene("ring, chunks", "/ring", _scene_of_ring("chunks"), SOME_WIDTHS),
    Scene("ring, going back", "/ring", _scene_of_ring("rewind"), SOME_WIDTHS),
    Scene("reach", "/reach", _measured),
    Scene("shared_heads", "/shared_heads?away=5:1", _taken),
    Scene("shared_heads, pictures", "/shared_heads?away=5:1:keys", _pictures, SOME_WIDTHS),
    Scene("inside_a_block", "/inside_a_block", _looked_inside),
    Scene("inside_a_block, scores", "/inside_a_block", _scene_of_block("scores"), SOME_WIDTHS),
    Scene("inside_a_block, turned", "/inside_a_block", _scene_of_block("rot_q"), SOME_WIDTHS),
    Scene("inside_a_block, the stream", "/inside_a_block?view=stream", _streamed),
    Scene("inside_a_block, a patch", "/inside_a_block?view=stream", _patched, SOME_WIDTHS),
    Scene("break_it", "/break_it", _measured),
    Scene("break_it, a slot", "/break_it", _scene_of_break_it("slot"), SOME_WIDTHS),
    Scene("break_it, a direction", "/break_it", _scene_of_break_it("add"), SOME_WIDTHS),
    Scene("break_it, mistakes", "/break_it?mistake=write-before-read", _measured, SOME_WIDTHS),
    *(
        Scene(f"{name}, compared", f"/{name}?beside=model%3Dstoryteller~near%253A4", _compared, SOME_WIDTHS)
        for name in ("next_word", "attention", "ring", "reach", "shared_heads")
    ),
    *(
        Scene(f"test_the_paper, {name}", f"/test_the_paper?claim={name}", _judged, WIDTHS if first else SOME_WIDTHS)
        for name, first in zip(MODULES, [True] + [False] * 4, strict=False)
    ),
    Scene("models", "/models", _listed),
)
"""All pages, opened with the recorded text; the same as a visitor meets them first."""


def opened(launched: Browser, url: str, scene: Scene, *, dark: bool = False) -> Page:
    """A page in this state, with the measuring tool in it. Nothing in it moves by itself."""
    page = open_page(launched, dark=dark, height=HEIGHT, reduced_motion="reduce")
    page.set_default_timeout(180_000)  # what a page measures takes its time on a busy machine
    for probe in PROBES:
        page.add_init_script(path=probe)
    page.goto(url + scene.path)
    scene.prepare(page)
    return page


def sizes(scene: Scene, *, larger: bool = False) -> Iterator[tuple[int, int]]:
    """Widths and heights at which a scene is measured."""
    yield from SITUATIONS
    widths = OTHER_WIDTHS if larger and scene.widths == WIDTHS else scene.widths
    yield from ((width, HEIGHT) for width in widths)


def _sized(page: Page, width: int, height: int) -> None:
    """Gives the page a size, and waits until it is drawn for it; what is drawn anew meanwhile is pale."""
    page.set_viewport_size({"width": width, "height": height})
    settled(page)
    page.evaluate("mxLayout.settle()")


def geometry(page: Page, scene: Scene, *, larger: bool) -> Iterator[Fault]:
    """Everything but colours, over all sizes."""
    page.evaluate("on => mxLayout.larger(on)", larger)
    for width, height in sizes(scene, larger=larger):
        _sized(page, width, height)
        for kind, sentences in page.evaluate("mxLayout.measure()").items():
            yield from (Fault(scene.name, width, height, larger, False, kind, what) for what in sentences)


def contrast(page: Page, scene: Scene, *, dark: bool, widths: Iterable[int] = (1440, 390)) -> Iterator[Fault]:
    """Colours do not change with the width but for parts that are there or not."""
    for width in widths:
        _sized(page, width, HEIGHT)
        for what in page.evaluate("mxLayout.contrast()"):
            yield Fault(scene.name, width, HEIGHT, False, dark, "contrast", what)


def survey(launched: Browser, url: str, scene: Scene) -> list[Fault]:
    """All faults of a scene."""
    faults = []
    for dark in (False, True):
        page = opened(launched, url, scene, dark=dark)
        faults += contrast(page, scene, dark=dark)
        if not dark:
            faults += geometry(page, scene, larger=False)
            faults += geometry(page, scene, larger=True)
        page.context.close()
    return faults
