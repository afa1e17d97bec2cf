"""Which models are offered, and what a name may reach.

Three folders are searched: the bundled models of this repository, `models/` beside them for those that were fetched
(`make smollm2`), and the one that the environment variable MISTRAL_MODELS_DIR names. Whoever uses the command line may
also name any path. A browser may not: it is offered names, and a name reaches nothing outside these folders, not even
through a symbolic link.
"""

from __future__ import annotations

import os
import re
from collections.abc import Container, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from mistral_core.analysis.spelled_changes import interventions_of

DEFAULT_MODEL = "storyteller"
MODELS_VARIABLE = "MISTRAL_MODELS_DIR"
WIDEST_IMPOSED = 4096
"""The widest window that can be imposed on a model by its name."""
MOST_SINKS = 4
"""How many first positions a name can keep beside that window."""
_CHANGED = re.compile(r"(?P<model>.+)~(?P<changes>[a-z0-9:,]{1,400})", re.DOTALL)
_IMPOSED = re.compile(r"(?P<model>.+)@(?P<window>[1-9][0-9]{0,3})(,(?P<sinks>[1-9]))?", re.DOTALL)


@dataclass(frozen=True)
class Listing:
    """What the search found.

    Attributes:
        models: folder of each name, bundled ones first.
        notices: sentences on what could not be offered.
    """

    models: dict[str, Path]
    notices: tuple[str, ...]


@lru_cache(maxsize=1)
def bundled_root() -> Path:
    """The folder of the models that come with the repository."""
    return Path(__file__).resolve().parents[2] / "assets" / "models"


@lru_cache(maxsize=1)
def fetched_root() -> Path:
    """The folder of the models that a command has fetched; not part of the repository, and often not there."""
    return Path(__file__).resolve().parents[2] / "models"


def user_root() -> Path | None:
    """The folder that MISTRAL_MODELS_DIR names; `None` where it is not set."""
    value = os.environ.get(MODELS_VARIABLE, "")
    return Path(value).expanduser() if value else None


State = tuple[tuple[Path, tuple[tuple[str, int, tuple[str, ...]], ...] | None], ...]
"""Each root with its folders: their names, when something was added, and what lies in them; `None` = no root."""


def listing() -> Listing:
    """What the folders hold, the default model first: sub-folders with a params.json, a config.json or a .gguf file."""
    found = _found(_state())
    return Listing(dict(found.models), found.notices)


def _state() -> State:
    """What decides about a search. A page asks a dozen times while it is drawn, and nothing has changed meanwhile."""
    return tuple((root, _folders_in(root) if root.is_dir() else None) for root in _roots())


def _folders_in(root: Path) -> tuple[tuple[str, int, tuple[str, ...]], ...]:
    return tuple(
        (entry.name, entry.stat().st_mtime_ns, tuple(sorted(os.listdir(entry.path))))
        for entry in sorted(os.scandir(root), key=lambda entry: entry.name)
        if entry.is_dir()
    )


@lru_cache(maxsize=4)
def _found(state: State) -> Listing:
    """The search itself."""
    models: dict[str, Path] = {}
    notices = []
    for root, folders in state:
        if folders is None:
            notices.append(f"{root}, where models are looked for, is not a folder (see {MODELS_VARIABLE})")
            continue
        for folder in _model_folders(root):
            if folder.name in models:
                notices.append(f"{folder} is not offered: {models[folder.name]} has the same name and comes first")
            else:
                models[folder.name] = folder
    return Listing(models, tuple(notices))


def available_models() -> dict[str, Path]:
    """Name and folder of every model found, bundled ones first; for the command line."""
    return listing().models


def browser_models() -> dict[str, Path]:
    """The models that a browser may choose: those whose files all lie inside these folders.

    Where they lie is looked up again when one is opened (`resolve_browser`), not with each offer.
    """
    return dict(_inside(_state()))


@lru_cache(maxsize=4)
def _inside(state: State) -> dict[str, Path]:
    return {name: folder for name, folder in _found(state).models.items() if _outside(folder) is None}


class Named(NamedTuple):
    """What a name means.

    Attributes:
        model: whose weights. window: imposed on all its layers; `None` = as it was trained.
        sinks: first positions that are kept beside that window.
        changes: what is broken in it, as `analysis.spelled_changes` spells it.
    """

    model: str
    window: int | None = None
    sinks: int = 0
    changes: tuple[str, ...] = ()


def imposed(name: str, window: int | None, sinks: int = 0, changes: Sequence[str] = ()) -> str:
    """The name of a model in all of whose layers this window is imposed (`None` = as it was trained), and that is
    changed so.

    >>> imposed("storyteller", 64), imposed("storyteller", 63, 1), imposed("storyteller", None, 1)
    ('storyteller@64', 'storyteller@63,1', 'storyteller')
    >>> imposed("storyteller", 64, 0, ["head:5:3", "mlp:2"])
    'storyteller@64~head:5:3,mlp:2'
    """
    broken = f"~{','.join(changes)}" if changes else ""
    if window is None:
        return name + broken
    return f"{name}@{window}{f',{sinks}' if sinks else ''}{broken}"


def parts_of(name: str) -> Named:
    """What a name means. A folder whose own name looks like an imposed window or a change is the model that it is.

    >>> tuple(parts_of("storyteller@64")), tuple(parts_of("storyteller@9999"))
    (('storyteller', 64, 0, ()), ('storyteller@9999', None, 0, ()))
    >>> tuple(parts_of("storyteller@63,1~mlp:2"))
    ('storyteller', 63, 1, ('mlp:2',))
    """
    models = available_models()
    if name in models:
        return Named(name)
    broken = _CHANGED.fullmatch(name)
    if broken is None:
        return _windowed(name, models)
    changes = tuple(broken["changes"].split(","))
    try:
        interventions_of(changes)
    except ValueError:
        return Named(name)
    return _windowed(broken["model"], models)._replace(changes=changes)


def _windowed(name: str, models: Container[str]) -> Named:
    """What a name without changes means."""
    said = _IMPOSED.fullmatch(name)
    if said is None or name in models:
        return Named(name)
    window, sinks = int(said["window"]), int(said["sinks"] or 0)
    return Named(name) if window > WIDEST_IMPOSED or sinks > MOST_SINKS else Named(said["model"], window, sinks)


def unchanged(name: str) -> str:
    """The name of the same model with nothing broken in it.

    >>> unchanged("storyteller@64~mlp:2")
    'storyteller@64'
    """
    model, window, sinks, _ = parts_of(name)
    return imposed(model, window, sinks)


def offered(name: str) -> bool:
    """Whether a browser may choose the model of this name, with a window imposed or without, changed or not."""
    return parts_of(name).model in browser_models()


def resolve_browser(name: str) -> Path:
    """The folder of a name that came from a browser, whatever window it imposes and whatever is changed.

    Raises:
        ValueError: not a listed name, or one whose files lie elsewhere.
    """
    models = available_models()
    name = parts_of(name).model
    if name not in models:
        raise ValueError(f"there is no model {name!r}; available are {_names(browser_models())}")
    if (outside := _outside(models[name])) is not None:
        raise ValueError(
            f"model {name!r} may not be opened from a browser: {outside} leads out of the models' folders; "
            f"available are {_names(browser_models())}"
        )
    return models[name]


def resolve_command_line(name_or_path: str) -> Path:
    """The folder that a user of the command line means: a listed name first, else any path.

    Raises:
        ValueError: neither a listed name nor an existing path.
    """
    models = available_models()
    if name_or_path in models:
        return models[name_or_path]
    path = Path(name_or_path).expanduser()
    if name_or_path and path.exists():
        return path
    raise ValueError(f"{name_or_path!r} is neither a model nor a folder; available models are {_names(models)}")


def is_bundled(folder: Path) -> bool:
    """Whether a model's folder lies among those that come with the repository: their texts leave words unsaid."""
    return folder.resolve().parent == bundled_root()


def _roots() -> list[Path]:
    fetched, user = fetched_root(), user_root()
    roots = [bundled_root()]
    if fetched.is_dir():
        roots.append(fetched)
    if user is not None and user.resolve() not in roots:
        roots.append(user)
    return roots


def _model_folders(root: Path) -> list[Path]:
    """Sorted by name, the default one first."""
    entries = sorted(root.iterdir(), key=lambda path: (path.name != DEFAULT_MODEL, path.name))
    folders = (path for path in entries if path.is_dir())
    return [path for path in folders if _is_model(path)]


def _is_model(folder: Path) -> bool:
    """Whether a folder has the configuration of a model, in one of the three layouts."""
    named = any((folder / name).is_file() for name in ("params.json", "config.json"))
    return named or any(path.is_file() for path in folder.glob("*.gguf"))


def _outside(folder: Path) -> str | None:
    """Name of the first part of a model that lies outside all roots once links are followed."""
    roots = [root.resolve() for root in _roots()]
    for path in (folder, *sorted(folder.iterdir())):
        real = path.resolve()
        if not any(real.is_relative_to(root) and real != root for root in roots):
            return path.name
    return None


def _names(models: dict[str, Path]) -> str:
    return ", ".join(models) or f"none (put one into {bundled_root().name} or set {MODELS_VARIABLE})"
