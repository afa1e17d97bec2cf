"""What a session remembers lies in one place: keys in one file, each page's memory in its own class."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from app.next_word.state import NextWordState
from app.reach.question import Choice
from app.reach.state import ReachState, RunQuestions
from app.ring.state import RingState
from app.session import state
from app.session.desk import MAX_RECORDS, Desk, PageState
from app.session.runs import Record

ROOT = Path(__file__).resolve().parents[3]
SPELLED = re.compile(r"session_state\s*[\[.]|\bkey\s*=\s*f?[\"']")
"""A key of `st.session_state` outside the file that has them all; a dataclass's own `key` has no widget."""
FREE = {"app/session/state.py", "app/shared/picture.py", "app/next_word/stages.py"}


def code(path: Path) -> str:
    """A file without its docstrings and comments."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            node.value.value = ""
    return ast.unparse(tree)


def files() -> list[Path]:
    return [path for folder in ("app", "pages") for path in sorted((ROOT / folder).rglob("*.py"))]


def test_no_other_file_spells_a_key_of_the_session():
    spelled = {path.relative_to(ROOT).as_posix(): SPELLED.findall(code(path)) for path in files()}
    assert {path for path, places in spelled.items() if places} - FREE == set()
    assert spelled["app/session/state.py"], "the rule can fail"


@pytest.mark.parametrize(
    "line", ['st.session_state["x"] = 1', "st.session_state.x", 'st.button("a", key="b")', "f(key=f'x {i}')"]
)
def test_the_rule_on_keys_can_fail(line):
    assert SPELLED.search(line)


def test_no_two_widgets_have_one_key():
    names = [name for name in vars(state) if name.isupper()]
    assert len({getattr(state, name) for name in names}) == len(names) > 20


NAMES = {"found", "shown", "meant", "heard", "told", "kept", "here"}


def test_names_say_what_they_are_and_no_module_is_renamed_to_be_read():
    places = []
    for path in files():
        if path.name == "picture.py":  # the mount of a picture is written anew elsewhere
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            field = {ast.Name: "id", ast.arg: "arg", ast.FunctionDef: "name", ast.keyword: "arg"}.get(type(node))
            if field and (getattr(node, field) or "").strip("_") in NAMES:
                places.append(f"{path.name}:{node.lineno} {getattr(node, field)}")
            if isinstance(node, ast.Import | ast.ImportFrom):
                renamed = [a for a in node.names if a.asname and a.asname not in ("st", "np", "go")]
                places += [f"{path.name}:{node.lineno} as {alias.asname}" for alias in renamed]
    assert places == []


def test_a_page_state_is_made_once_and_forgets_with_the_desk():
    desk = Desk()
    reach, ring = desk.page_state(ReachState), desk.page_state(RingState)
    assert desk.page_state(ReachState) is reach
    desk.add(Record(name="r", label="r"))
    reach.runs["r"] = RunQuestions(choice=Choice())
    ring.slots["r"] = (1, 2)
    desk.at["r"] = {"t": 1, "layer": 0, "head": -1}
    desk.forget("r")
    assert not reach.runs and not ring.slots and not desk.at and desk.record is None


def test_the_oldest_run_makes_room_on_every_page():
    desk = Desk()
    for number in range(MAX_RECORDS + 1):
        desk.add(Record(name=f"r{number}", label=""))
        desk.page_state(RingState).slots[f"r{number}"] = (0, 0)
    assert "r0" not in desk.records and "r0" not in desk.page_state(RingState).slots
    assert len(desk.page_state(RingState).slots) == MAX_RECORDS


def test_a_page_is_remembered_by_one_class():
    assert PageState.kinds["next_word"] is NextWordState
    with pytest.raises(ValueError, match="NextWordState remembers the page next_word already"):
        type("Another", (PageState,), {}, page="next_word")
