"""The pictures' programs: one module each, made of all their files, and never markup made of data."""

import re

import pytest

from app import wire_types
from app.attention.picture import atlas
from app.next_word.picture import player
from app.reach.picture import state_grid
from app.ring.picture import theatre
from app.shared import picture
from app.start.picture import minute

PICTURES = [atlas, minute, player, state_grid, theatre]


@pytest.fixture(params=PICTURES, ids=lambda shown: shown.name)
def shown(request):
    return request.param


def test_a_program_is_one_module_and_never_makes_markup_of_data(shown):
    script = shown.script()
    assert script.count("export default") == 1 and script.rstrip().endswith(");")
    assert not re.search(r"^import ", script, re.MULTILINE)
    uses = re.findall(r"(?:\w+\.innerHTML|insertAdjacentHTML|eval\().*", script)
    assert [use.split(";")[0] for use in uses] == ["template.innerHTML = MX_HTML"]
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", script)


def test_every_part_that_a_program_asks_for_is_in_its_markup(shown):
    asked = set(re.findall(r'\.part\("([\w-]+)"\)', shown.script()))
    assert asked and asked <= set(re.findall(r'data-part="([\w-]+)"', shown.html))


def test_what_a_markup_includes_stands_in_its_place_once(shown):
    assert "include" not in shown.html
    for name in shown.included:
        piece = (picture.FOLDER / name).read_text(encoding="utf-8").strip()
        assert piece and shown.html.count(piece) == 1
    parts = re.findall(r'data-part="([\w-]+)"', shown.html)
    assert sorted(parts) == sorted(set(parts)), "a part that stands twice is found once"


@pytest.mark.parametrize(
    ("outer", "inner", "said"),
    [
        ("a <!-- include gone.html --> b", "", r"outer\.html includes gone\.html, which is no file"),
        ("a <!-- include inner.html --> b", "<!-- include outer.html -->", r"inner\.html .* includes a file itself"),
    ],
)
def test_an_include_that_cannot_be_resolved_is_refused(tmp_path, monkeypatch, outer, inner, said):
    (tmp_path / "outer.html").write_text(outer)
    (tmp_path / "inner.html").write_text(inner)
    monkeypatch.setattr(picture, "FOLDER", tmp_path)
    with pytest.raises(ValueError, match=said):
        picture.Picture("never", markup="outer.html", styles=(), scripts=(), events=())


def test_no_file_of_a_picture_is_forgotten_and_none_is_long():
    named = {name for each in PICTURES for name in (*each.scripts, *each.styles, each.markup, *each.included)} | {
        "shared/mount.js"
    }
    there = {path for kind in ("js", "css", "html") for path in picture.FOLDER.rglob(f"*.{kind}")} - set(
        wire_types.rendered()
    )
    assert {path.relative_to(picture.FOLDER).as_posix() for path in there} == named
    assert all(len(path.read_text(encoding="utf-8").splitlines()) <= 400 for path in there)


def test_a_callback_for_something_never_said_is_refused(shown):
    with pytest.raises(ValueError, match="dance is never said"):
        shown.show(b"", key="any", dance=lambda: None)
