"""The pictures' programs: modules whose imports resolve, which ask for no part that is missing, and make no markup of data."""

import re

import pytest

from app.attention.picture import attention_picture
from app.break_it.picture import break_picture
from app.inside_a_block.picture import token_picture
from app.museum.picture import museum_picture
from app.navigation import ROOT
from app.next_word.picture import next_word_picture
from app.reach.picture import reach_picture
from app.residual.picture import residual_picture
from app.ring.picture import ring_picture
from app.shared_heads.picture import shared_heads_picture
from app.start.picture import start_picture
from app.window.picture import window_picture

APP = ROOT / "app"
PICTURES = [
    start_picture,
    next_word_picture,
    attention_picture,
    window_picture,
    ring_picture,
    reach_picture,
    shared_heads_picture,
    residual_picture,
    token_picture,
    break_picture,
    museum_picture,
]
INCLUDE = re.compile(r"<!-- include (\S+) -->")
IMPORT = re.compile(r'^import [^;]*?from "([^"]+)";', re.M)


@pytest.fixture(params=PICTURES, ids=lambda picture: picture.name)
def picture(request):
    return request.param


def modules(entry):
    """A module and all that it imports, by path."""
    reached, waiting = {}, [entry]
    while waiting:
        path = waiting.pop().resolve()
        if path in reached:
            continue
        reached[path] = path.read_text(encoding="utf-8")
        waiting += [path.parent / name for name in IMPORT.findall(reached[path])]
    return reached


def markup(name):
    """The markup of a file with all that it includes, as kit/look.js puts it together."""
    text = (APP / name).read_text(encoding="utf-8").strip()
    return INCLUDE.sub(lambda piece: markup(piece[1]), text)


def test_every_picture_is_a_folder_with_its_program_its_markup_and_its_style(picture):
    folder = APP / picture.name
    assert all((folder / name).is_file() for name in ("page.js", "picture.html", "picture.css"))
    program = (folder / "page.js").read_text(encoding="utf-8")
    assert len(re.findall(r"^export default class \w+Page\b", program, re.M)) == 1


def test_no_program_makes_markup_of_data_and_only_the_surface_makes_any(picture):
    uses = [
        (path.name, use.split(";")[0])
        for path, text in modules(APP / picture.name / "page.js").items()
        for use in re.findall(r"(?:\w+\.innerHTML|insertAdjacentHTML|eval\().*", text)
    ]
    assert uses == [("surface.js", "template.innerHTML = look.markup")]


def test_every_part_that_a_program_asks_for_is_in_its_markup_once(picture):
    program = "".join(modules(APP / picture.name / "page.js").values())
    asked = set(re.findall(r'\.part\("([\w-]+)"[,)]', program))
    parts = re.findall(r'data-part="([\w-]+)"', markup(f"{picture.name}/picture.html"))
    assert sorted(parts) == sorted(set(parts)), "a part that stands twice is found once"
    assert asked and asked - set(parts) == set()


def test_no_file_of_the_browser_is_forgotten():
    reached = {path for picture in PICTURES for path in modules(APP / picture.name / "page.js")}
    reached |= set(modules(APP / "kit" / "mount.js"))
    written = {path for path in APP.rglob("*.js") if path.name != "types.js"}
    assert {path.relative_to(APP).as_posix() for path in written - reached} == set()
    styles = re.search(r"STYLES = \[(.*?)\]", (APP / "kit" / "look.js").read_text(encoding="utf-8"), re.S)
    named = set(re.findall(r'"([^"]+)"', styles[1])) | {f"{picture.name}/picture.css" for picture in PICTURES}
    assert {path.relative_to(APP).as_posix() for path in APP.rglob("*.css")} == named
    texts = [path.read_text(encoding="utf-8") for path in APP.rglob("*.html")]
    included = {name for text in texts for name in INCLUDE.findall(text)}
    own = {f"{picture.name}/picture.html" for picture in PICTURES}
    assert {path.relative_to(APP).as_posix() for path in APP.rglob("*.html")} == included | own


def test_a_callback_for_something_never_said_is_refused(picture):
    with pytest.raises(ValueError, match="dance is never said"):
        picture.show(b"", key="any", dance=lambda: None)
