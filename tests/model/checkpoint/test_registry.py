"""Which models are offered, and that a browser reaches nothing outside the two folders."""

import shutil
from pathlib import Path

import pytest

from mistral_core.checkpoint import registry

BUNDLED = Path(__file__).parents[3] / "assets/models"


def make(folder, file="params.json"):
    folder.mkdir(parents=True)
    (folder / file).write_text("{}")
    return folder


@pytest.fixture
def user_root(tmp_path, monkeypatch):
    root = tmp_path / "mine"
    make(root / "small")
    make(root / "from_hub", "config.json")
    make(root / registry.DEFAULT_MODEL)
    make(root / "group" / "nested")
    (root / "no_model").mkdir()
    (root / "params.json").write_text("{}")
    make(tmp_path / "elsewhere")
    monkeypatch.setenv(registry.MODELS_VARIABLE, str(root))
    return root


def test_the_bundled_model_is_offered(monkeypatch):
    monkeypatch.delenv(registry.MODELS_VARIABLE, raising=False)
    assert registry.bundled_root() == BUNDLED
    assert registry.available_models()[registry.DEFAULT_MODEL] == BUNDLED / registry.DEFAULT_MODEL
    assert registry.resolve_browser(registry.DEFAULT_MODEL) == BUNDLED / registry.DEFAULT_MODEL
    assert registry.listing().notices == ()


def test_direct_subfolders_of_both_roots_bundled_first(user_root):
    models = registry.available_models()
    assert list(models)[-2:] == ["from_hub", "small"]
    assert models["small"] == user_root / "small"
    assert {"nested", "group", "no_model", "mine"}.isdisjoint(models)


def test_of_two_equal_names_the_bundled_wins_and_a_notice_says_so(user_root):
    assert registry.available_models()[registry.DEFAULT_MODEL] == BUNDLED / registry.DEFAULT_MODEL
    (notice,) = registry.listing().notices
    assert str(user_root / registry.DEFAULT_MODEL) in notice
    assert "same name" in notice


def test_what_has_not_changed_is_not_looked_through_again_and_what_has_is_seen_at_once(
    user_root, tmp_path, monkeypatch
):
    looked, outside = [], registry._outside
    monkeypatch.setattr(registry, "_outside", lambda folder: looked.append(folder) or outside(folder))
    first = registry.browser_models()
    first.clear()  # what was given out is the caller's own
    looked.clear()
    assert "small" in registry.browser_models() and looked == []
    make(user_root / "new")
    assert "new" in registry.browser_models()
    (user_root / "new" / "weights").symlink_to(tmp_path / "elsewhere")
    assert "new" not in registry.browser_models() and "new" in registry.available_models()
    (user_root / "new" / "weights").unlink()
    (user_root / "small" / "params.json").unlink()
    assert "new" in registry.browser_models() and "small" not in registry.available_models()
    shutil.rmtree(user_root)
    assert "mine" in registry.listing().notices[0]


def test_a_folder_that_is_not_there_is_a_notice(monkeypatch, tmp_path):
    monkeypatch.setenv(registry.MODELS_VARIABLE, str(tmp_path / "absent"))
    assert "absent" in registry.listing().notices[0]
    assert registry.DEFAULT_MODEL in registry.available_models()


@pytest.mark.parametrize(
    "name",
    ["../elsewhere", "..", ".", "", "/etc", "small/../../elsewhere", "group/nested", "no_model", "small/", "small\0"],
)
def test_a_browser_cannot_name_a_path(user_root, name):
    with pytest.raises(ValueError, match=r"there is no model .*available are storyteller.*small"):
        registry.resolve_browser(name)


def test_a_name_may_impose_a_window_and_a_folder_of_that_name_comes_first(user_root):
    assert registry.imposed("small", 8) == "small@8" and registry.imposed("small", None) == "small"
    assert registry.imposed("small", 8, 2) == "small@8,2" and registry.imposed("small", None, 2) == "small"
    assert registry.parts_of("small@8") == ("small", 8, 0, ()) and registry.offered("small@4096")
    assert registry.parts_of("small@8,2") == ("small", 8, 2, ()) and registry.offered("small@1,4")
    assert registry.resolve_browser("small@8") == registry.resolve_browser("small")
    for name in (
        "small@0",
        "small@08",
        "small@4097",
        "small@-1",
        "small@8 ",
        "small@",
        "@8",
        "small@8@8",
        "small@8,",
        "small@8,0",
        "small@8,5",
        "small@,1",
    ):
        assert not registry.offered(name), name
        with pytest.raises(ValueError, match="there is no model"):
            registry.resolve_browser(name)
    (user_root / "small@8").mkdir()
    (user_root / "small@8" / "params.json").write_text("{}")
    assert registry.parts_of("small@8") == ("small@8", None, 0, ())
    assert registry.resolve_browser("small@8") == user_root / "small@8"


def test_a_name_may_say_what_is_broken(user_root):
    name = registry.imposed("small", 8, 2, ["head:1:2", "near:4"])
    assert name == "small@8,2~head:1:2,near:4" and registry.unchanged(name) == "small@8,2"
    assert registry.parts_of(name) == ("small", 8, 2, ("head:1:2", "near:4")) and registry.offered(name)
    assert registry.parts_of("small~mlp:3") == ("small", None, 0, ("mlp:3",))
    assert registry.resolve_browser(name) == registry.resolve_browser("small")
    many = ",".join(["mlp:1"] * 17)
    for bad in ("small~", "small~head:1", "small~head:0:1", "small~x:1", "small~mlp:1,", f"small~{many}", "~mlp:1"):
        assert not registry.offered(bad), bad
        with pytest.raises(ValueError, match="there is no model"):
            registry.resolve_browser(bad)
    make(user_root / "small~mlp:1")
    assert registry.parts_of("small~mlp:1") == ("small~mlp:1", None, 0, ())


def test_an_absolute_path_of_a_listed_model_is_not_a_name(user_root):
    with pytest.raises(ValueError, match="there is no model"):
        registry.resolve_browser(str(user_root / "small"))


def test_links_out_of_the_folders_are_for_the_command_line_alone(user_root, tmp_path):
    (user_root / "link").symlink_to(tmp_path / "elsewhere")
    shutil.copytree(user_root / "small", user_root / "linked_file")
    (user_root / "linked_file" / "model.safetensors").symlink_to(tmp_path / "secret.safetensors")
    for name in ("link", "linked_file"):
        with pytest.raises(ValueError, match="leads out of the models' folders"):
            registry.resolve_browser(name)
        assert name not in registry.browser_models()
        assert registry.resolve_command_line(name) == user_root / name


def test_links_within_the_folders_are_followed(user_root):
    (user_root / "second_name").symlink_to(user_root / "small")
    assert registry.resolve_browser("second_name") == user_root / "second_name"
    assert "second_name" in registry.browser_models()


def test_the_root_itself_is_no_model(user_root):
    (user_root / "self").symlink_to(user_root)
    with pytest.raises(ValueError, match="leads out"):
        registry.resolve_browser("self")


def test_the_command_line_names_any_path(user_root, tmp_path):
    assert registry.resolve_command_line("small") == user_root / "small"
    assert registry.resolve_command_line(str(tmp_path / "elsewhere")) == tmp_path / "elsewhere"
    for bad in (str(tmp_path / "absent"), ""):
        with pytest.raises(ValueError, match=r"neither a model nor a folder.*storyteller"):
            registry.resolve_command_line(bad)
