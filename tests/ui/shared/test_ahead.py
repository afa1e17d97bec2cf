"""What is sent ahead of a page's picture is what its program needs, as a script that reaches the browser whole."""

import json
import re
from html.parser import HTMLParser

import pytest

from app.shared.ahead import FOLDER, asked_ahead, look_of, modules_of
from app.shared.messages import PictureName
from app.wire_types import PAGES


@pytest.mark.parametrize("page", PAGES)
def test_the_script_is_one_script_with_all_texts_in_it(page):
    """The browser takes out a script whose text holds what looks like a tag."""
    seen = {"tags": [], "text": ""}

    class Reader(HTMLParser):
        def handle_starttag(self, tag, attrs):
            seen["tags"].append(tag)

        def handle_data(self, data):
            seen["text"] += data

    Reader().feed(asked_ahead(page))
    assert seen["tags"] == ["script"] and not re.search(r"<[/\w!]", seen["text"])
    (files,) = re.findall(r"const files = (\{.*\});\n", seen["text"])
    assert json.loads(files) == {name: (FOLDER / name).read_text(encoding="utf-8") for name in look_of(page)}


@pytest.mark.parametrize("page", PAGES)
def test_it_names_the_page_its_entry_and_files_that_are_there(page):
    names = modules_of(page)
    assert names[:2] == ("kit/mount.js", f"{page}/page.js") and len(set(names)) == len(names)
    for name in names:
        for other in re.findall(r'from "(\.[^"]*)"', (FOLDER / name).read_text(encoding="utf-8")):
            if "@import" not in other:
                assert (FOLDER / name).parent.joinpath(other).is_file()
    assert {f"{page}/picture.html", f"{page}/picture.css", "kit/theme.css"} <= set(look_of(page))


def test_a_page_without_a_picture_sends_nothing_ahead():
    assert asked_ahead("models") == "" and asked_ahead("") == ""
    assert set(PAGES) == set(PictureName.__args__)
