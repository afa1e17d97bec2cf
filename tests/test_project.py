"""Rules of the house that a reader relies on, checked on the files themselves."""

from __future__ import annotations

import ast
import importlib.metadata
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FORBIDDEN = {
    "mistral_core": {"streamlit", "plotly", "app", "pages"},
    "app": {"pages"},
    "pages": {"torch", "plotly", "numpy"},
}
PURE = re.compile(
    r"app/(?:wire|wire_types|theme|next_word/stages|\w+/(?:\w+_)?(?:payload|messages|figure|example))\.py"
)
"""Arrays in, packed bytes or a figure out: they know neither torch nor Streamlit."""
ALGORITHM = (
    "norm",
    "rope",
    "mask",
    "kv_cache",
    "attention",
    "feed_forward",
    "block",
    "model",
    "sampling",
    "generation",
)


def files(*folders: str, kinds: tuple[str, ...] = (".py",)) -> Iterator[Path]:
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in kinds and "__pycache__" not in path.parts:
                yield path


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imported(module: ast.Module) -> set[str]:
    """Top-level names of everything a module imports, also inside functions and by name."""
    names: list[str] = []
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names.append(node.module or "")
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in ("__import__", "importlib.import_module"):
            names += [str(arg.value) for arg in node.args[:1] if isinstance(arg, ast.Constant)]
    return {name.split(".")[0] for name in names}


def wrong_imports(path: str, module: ast.Module) -> set[str]:
    found = imported(module)
    wrong = {name for folder, names in FORBIDDEN.items() if path.startswith(folder + "/") for name in names & found}
    return wrong | (found & {"streamlit", "torch"} if PURE.fullmatch(path) else set())


def test_imports_go_one_way():
    wrong = {named(path): wrong_imports(named(path), tree(path)) for path in files(*FORBIDDEN)}
    assert {path: names for path, names in wrong.items() if names} == {}


def test_the_import_rule_can_fail():
    late = ast.parse("def f():\n    import torch.nn\n    from app.session.state import x\n    __import__('streamlit')")
    assert wrong_imports("app/ring/payload.py", late) == {"torch", "streamlit"}
    assert wrong_imports("mistral_core/x.py", late) == {"app", "streamlit"}
    assert wrong_imports("pages/x.py", late) == {"torch"}
    assert wrong_imports("app/x.py", late) == set()


def test_figures_need_neither_torch_nor_streamlit():
    """Not even through what they import."""
    modules = [named(path)[:-3].replace("/", ".") for path in files("app") if PURE.fullmatch(named(path))]
    assert len(modules) > 5
    code = f"""
import sys, importlib
for name in {modules!r}:
    importlib.import_module(name)
found = {{"torch", "streamlit"}} & set(sys.modules)
assert not found, found
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_no_file_is_longer_than_400_lines():
    kinds = (".py", ".js", ".css")
    lengths = {
        named(path): len(path.read_text(encoding="utf-8").splitlines())
        for path in files("mistral_core", "app", "pages", "assets", "tests", kinds=kinds)
    }
    assert lengths
    assert {path: length for path, length in lengths.items() if length > 400} == {}


def test_no_line_of_the_browser_code_is_longer_than_120_characters():
    """Ruff checks Python; no tool checks the strings and comments of JavaScript. `types.js` is rendered."""
    long = [
        f"{named(path)}:{number}"
        for path in files("app", "tests", kinds=(".js",))
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if len(line) > 120 and path.name != "types.js"
    ]
    assert long == []


def body_length(node: ast.FunctionDef) -> int:
    """Lines of a function without its docstring."""
    length = (node.end_lineno or node.lineno) - node.lineno + 1
    first = node.body[0]
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
        length -= (first.end_lineno or first.lineno) - first.lineno + 1
    return length


def test_functions_of_the_algorithm_fit_on_a_screen():
    long = {}
    for name in ALGORITHM:
        for node in ast.walk(tree(ROOT / "mistral_core" / f"{name}.py")):
            if isinstance(node, ast.FunctionDef) and body_length(node) > 45:
                long[f"{name}.{node.name}"] = body_length(node)
    assert long == {}


def test_modules_of_app_hide_no_other_module():
    """`streamlit run app/server.py` puts app/ first on the path, where app/code.py would hide the library's `code`."""
    taken = set(sys.stdlib_module_names) | set(importlib.metadata.packages_distributions()) | {"mistral_core", "pages"}
    own = {path.stem if path.is_file() else path.name for path in (ROOT / "app").iterdir()} - {
        "__init__",
        "__pycache__",
    }
    assert own
    assert own & taken == set()
    assert not (ROOT / "app.py").exists()
    assert not (ROOT / "app" / "pages").exists()


def test_no_style_of_a_picture_asks_what_an_element_has():
    """A rule with `:has()` made the browser's part of a step cost twice as much: 5.2 ms became 9.0 on attention."""
    styles = sorted((ROOT / "app").glob("*/*.css"))
    assert len(styles) > 8
    assert [path.name for path in styles if ":has(" in re.sub(r"/\*.*?\*/", "", path.read_text(), flags=re.S)] == []


def test_every_page_is_registered_and_every_registered_page_exists():
    """A page is registered where the router says so: in app/main.py or in the table it takes from app/navigation.py."""
    entries, constants = set(), set()
    for path in (ROOT / "app" / "main.py", ROOT / "app" / "navigation.py"):
        if not path.exists():
            continue
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                constants.add(node.value.removesuffix(".py"))
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "Entry":
                entries.add(node.args[0].value)
    pages = {path.stem for path in files("pages")}
    assert pages
    assert pages - constants == set()
    assert entries - pages == set()


def without_comments(text: str, kind: str) -> str:
    if kind == ".html":
        return re.sub(r"<!--.*?-->", "", text, flags=re.S)
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
    return re.sub(r"(?m)(^|\s)//.*$", r"\1", text) if kind == ".js" else text


RANDOM = re.compile(r"\bnp\.random|\bnumpy\.random|(?<![.\w])random\.|\bimport random\b|\btorch\.rand|Math\.random")
FOREIGN = re.compile(r"(?:https?:)?//(?!www\.w3\.org/)[\w-]+(?:\.[\w-]+)+|@import\b|\bimportScripts\b")
MACHINE = re.compile(r"(?<![\w.$}/])/(?:work|root|home|Users|tmp|opt|mnt)/\w|[A-Z]:\\\\")


@pytest.mark.parametrize(
    ("rule", "bad", "fine"),
    [
        (
            RANDOM,
            ["x = np.random.rand(3)", "random.choice(y)", "Math.random()", "torch.randn(2)"],
            ["the randomness.", "run.random_seed", "operand.x"],
        ),
        (
            FOREIGN,
            ["url(https://fonts.example.com/a)", 'src="//cdn.example.com/x.js"', "@import 'a.css'"],
            ["http://www.w3.org/2000/svg", "a / b // c"],
        ),
        (MACHINE, ["open('/root/x')", "/home/someone/a", "C:\\\\Users"], ["a/work/b", "f'{x}/tmp/y'", "./home/x"]),
    ],
)
def test_the_rules_on_text_can_fail(rule, bad, fine):
    assert all(rule.search(text) for text in bad)
    assert not any(rule.search(text) for text in fine)


def test_nothing_on_screen_is_random():
    kinds = (".py", ".js", ".html")
    found = {named(p): RANDOM.findall(p.read_text(encoding="utf-8")) for p in files("app", "pages", kinds=kinds)}
    assert {path: hits for path, hits in found.items() if hits} == {}


def test_the_browser_is_sent_nowhere_else():
    kinds = (".js", ".css", ".html", ".svg")
    found = {}
    for path in files("app", "assets", kinds=kinds):
        found[named(path)] = FOREIGN.findall(without_comments(path.read_text(encoding="utf-8"), path.suffix))
    assert found
    assert {path: hits for path, hits in found.items() if hits} == {}


def test_no_path_of_somebodys_machine():
    kinds = (".py", ".js", ".css", ".html", ".toml", ".md", ".json")
    found = {}
    for path in files("app", "pages", "mistral_core", "assets", kinds=kinds):
        found[named(path)] = MACHINE.findall(path.read_text(encoding="utf-8"))
    assert {path: hits for path, hits in found.items() if hits} == {}


def test_errors_are_raised_and_never_asserted():
    """`python -O` removes assertions; a refusal must be a sentence with a remedy."""
    found = [
        f"{named(path)}:{node.lineno}"
        for path in files("mistral_core", "app", "pages")
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Assert)
    ]
    assert found == []


def test_the_word_cache_is_never_a_bare_name():
    """Trace = activations, KVCache = keys and values; "cache" could be either."""
    found = []
    for path in files("mistral_core", "app", "pages"):
        for node in ast.walk(tree(path)):
            name = {ast.Name: "id", ast.arg: "arg", ast.FunctionDef: "name"}.get(type(node))
            if name and getattr(node, name) == "cache":
                found.append(f"{named(path)}:{node.lineno}")
    assert found == []


def test_nothing_is_left_for_later():
    later = re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME|XX" + r"X|NotImplemented" + r"Error)\b")
    kinds = (".py", ".js", ".css", ".html")
    found = {
        named(p): later.findall(p.read_text(encoding="utf-8"))
        for p in files("mistral_core", "app", "pages", "tests", kinds=kinds)
    }
    assert {path: hits for path, hits in found.items() if hits} == {}
