"""The pictures' programs: one module each, made of all their files, and never markup made of data."""

import re

import pytest

from app.components import atlas, minute, picture, player, state_grid, theatre

PICTURES = [atlas.atlas, minute.minute, player.player, state_grid.state_grid, theatre.theatre]


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
    markup = (picture.FOLDER / shown.markup).read_text(encoding="utf-8")
    asked = set(re.findall(r'\.part\("([\w-]+)"\)', shown.script()))
    assert asked and asked <= set(re.findall(r'data-part="([\w-]+)"', markup))


def test_no_file_of_a_picture_is_forgotten_and_none_is_long():
    named = {name for each in PICTURES for name in (*each.scripts, *each.styles, each.markup)} | {"mount.js"}
    there = {path for kind in ("js", "css", "html") for path in picture.FOLDER.rglob(f"*.{kind}")}
    assert {path.relative_to(picture.FOLDER).as_posix() for path in there} == named
    assert all(len(path.read_text(encoding="utf-8").splitlines()) <= 400 for path in there)


def test_a_callback_for_something_never_said_is_refused(shown):
    with pytest.raises(ValueError, match="dance is never said"):
        shown.show(b"", key="any", dance=lambda: None)
