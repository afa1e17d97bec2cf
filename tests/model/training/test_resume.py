"""A run that was interrupted is the run that was not: after a pause, a kill -9, damage and a full disk."""

import json
import resource
import signal
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from mistral_core.analysis.evaluation import Evaluation
from mistral_core.training import trainer as trainer_module
from mistral_core.training.checkpointing import checkpoints, read_newest, read_tensors, write_tensors
from mistral_core.training.corpus import HEADER, open_corpus
from mistral_core.training.family import RESULT_FILE as RESULT_OF_MEMBER
from mistral_core.training.family import collect
from mistral_core.training.record import RECORD_FILE, read_record
from mistral_core.training.run_file import RESULT_FILE, RUN_FILE, keep_result, read_run
from mistral_core.training.run_log import LOG_FILE, RunLog, read_log

from .conftest import SMALL

ROOT = Path(__file__).parents[3]


def everything(trainer):
    """All numbers that a run must agree on: weights, the optimisers' state, counters without times."""
    counters = asdict(trainer.progress)
    for timed in ("seconds", "choice"):
        counters.pop(timed)
    return trainer.model.state_dict(), trainer.optimisers.tensors(), counters


def assert_same(a, b):
    for left, right in zip(everything(a)[:2], everything(b)[:2], strict=True):
        assert left.keys() == right.keys()
        assert [name for name in left if not torch.equal(left[name], right[name])] == []
    assert everything(a)[2] == everything(b)[2]


@pytest.fixture(scope="module")
def uninterrupted(corpus, tmp_path_factory):
    from mistral_core.training.trainer import Trainer

    from .conftest import FIXED

    trainer = Trainer(SMALL, corpus, tmp_path_factory.mktemp("whole"), habits=FIXED)
    assert trainer.train() == "finished"
    return trainer


@pytest.mark.parametrize("pauses", [(7,), (1, 2, 13, 19)])
def test_a_run_with_pauses_is_bitwise_the_run_without(start, uninterrupted, tmp_path, pauses):
    for step in pauses:
        paused = start(tmp_path / "run", until_step=step)
        assert paused.train() == "interrupted"
        assert paused.progress.step == step
    trainer = start(tmp_path / "run")
    assert trainer.train() == "finished"
    assert_same(trainer, uninterrupted)
    pick = ("event", "step", "loss", "rate", "gradient_norm", "bits_per_byte", "text")
    lines = [
        [{key: event.get(key) for key in pick} for event in read_log(t.folder) if event["event"] != "start"]
        for t in (trainer, uninterrupted)
    ]
    assert lines[0] == lines[1]


def test_the_comparison_can_fail(start, uninterrupted, tmp_path):
    """With other dropout masks, another order of the text, or a forgotten optimiser the run is another one."""
    other = start(tmp_path / "seed", settings=replace(SMALL, seed=4))
    other.train()
    with pytest.raises(AssertionError):
        assert_same(other, uninterrupted)
    paused = start(tmp_path / "run", until_step=7)
    paused.train()
    forgetful = start(tmp_path / "run")
    forgetful.optimisers.load({})
    forgetful.train()
    with pytest.raises(AssertionError):
        assert_same(forgetful, uninterrupted)


def test_adamw_and_accumulation_go_on_exactly_too(start, tmp_path):
    settings = replace(SMALL, optimiser="adamw", accumulation=2, tokens=8 * 256)
    whole = start(tmp_path / "whole", settings=settings)
    whole.train()
    start(tmp_path / "run", settings=settings, until_step=3).train()
    resumed = start(tmp_path / "run", settings=settings)
    resumed.train()
    assert_same(resumed, whole)


def test_accumulated_batches_make_the_gradient_of_one_large_batch(start, tmp_path):
    big = replace(SMALL, dropout=0.0, batch=4, tokens=128)
    small = replace(big, batch=2, accumulation=2)
    a, b = start(tmp_path / "a", settings=big), start(tmp_path / "b", settings=small)
    a.train(), b.train()
    for (name, p), q in zip(a.model.state_dict().items(), b.model.state_dict().values(), strict=True):
        assert torch.allclose(p, q, atol=1e-4), name
    norms = [[e["gradient_norm"] for e in read_log(t.folder) if e["event"] == "step"] for t in (a, b)]
    assert len(norms[0]) == 1 and norms[1] == pytest.approx(norms[0], rel=1e-4)  # Muon's step hides a scale


def test_kill_9_in_the_middle_loses_only_what_came_after_the_last_checkpoint(start, corpus, uninterrupted, tmp_path):
    folder = tmp_path / "run"
    code = f"""
import sys, time, torch
sys.path.insert(0, {str(ROOT)!r})
torch.set_num_threads(1)
from mistral_core.training.corpus import open_corpus
from mistral_core.training.settings import Settings
from mistral_core.training.trainer import Habits, Trainer
settings = Settings.from_json({SMALL.to_json()!r})
habits = Habits(precision="float32", compile_mode="off", checkpoint_seconds=0.0, sample_tokens=5)
slow = lambda event: time.sleep(0.02)
Trainer(settings, open_corpus({str(corpus.folder)!r}), {str(folder)!r}, habits=habits, watch=slow).train()
"""
    child = subprocess.Popen([sys.executable, "-c", code])
    try:
        deadline = time.monotonic() + 60
        while not (folder.is_dir() and len(checkpoints(folder)) >= 2 and read_newest(folder).counters["step"] >= 4):
            assert child.poll() is None and time.monotonic() < deadline
            time.sleep(0.01)
        with pytest.raises(ValueError, match=r"a training is going on in .*name another folder with --out"):
            start(folder)
    finally:
        child.send_signal(signal.SIGKILL)
        assert child.wait() == -signal.SIGKILL
    reached = read_newest(folder).counters["step"]
    assert 4 <= reached < SMALL.steps
    trainer = start(folder)
    assert trainer.progress.step == reached
    assert trainer.train() == "finished"
    assert_same(trainer, uninterrupted)


@pytest.mark.parametrize("damage", ["cut", "a flipped bit", "a flipped counter", "empty"])
def test_a_damaged_checkpoint_falls_back_to_the_one_before(start, uninterrupted, tmp_path, damage):
    folder = tmp_path / "run"
    start(folder, until_step=6).train()
    start(folder, until_step=9).train()
    _, newest = checkpoints(folder)
    content = bytearray(newest.read_bytes())
    if damage == "a flipped bit":
        content[-100] ^= 1
    if damage == "a flipped counter":
        place = content.index(b'\\"best_step\\": ') + 15
        content[place] ^= 1
    newest.write_bytes(content[: len(content) // 2] if damage == "cut" else b"" if damage == "empty" else content)
    told = []
    trainer = start(folder, watch=told.append)
    assert trainer.progress.step == 6
    trainer.habits = replace(trainer.habits, until_step=7)
    trainer.train()
    assert [read_tensors(path)[1]["step"] for path in checkpoints(folder)] == [6, 7]
    trainer = start(folder)
    assert any(e["event"] == "note" and newest.name in e["text"] and "before it" in e["text"] for e in told)
    assert trainer.train() == "finished"
    assert_same(trainer, uninterrupted)
    for path in checkpoints(folder):
        path.write_bytes(b"nothing")
    with pytest.raises(ValueError, match=r"every checkpoint .* is damaged"):
        start(folder)


NESTED = 100_000 * "["


def test_files_nested_without_end_are_damaged_files(tmp_path):
    """Each reader of a JSON file names it as damaged, or passes over it, as with any other damage."""
    for name in (RUN_FILE, RESULT_FILE, LOG_FILE, RECORD_FILE, HEADER):
        (tmp_path / name).write_text(NESTED)
    assert read_log(tmp_path) == []
    assert read_record(tmp_path) is None
    readers = (read_run, lambda folder: keep_result(folder, name=None, licence="", prompts=[]), open_corpus)
    for read in readers:
        with pytest.raises(ValueError, match=r"is damaged|is not a complete corpus"):
            read(tmp_path)
    save_file({"x": torch.zeros(1)}, tmp_path / "c.safetensors", metadata={"training": NESTED})
    with pytest.raises(ValueError, match=r"c.safetensors is damaged"):
        read_tensors(tmp_path / "c.safetensors")
    (tmp_path / "mha" / "seed-0").mkdir(parents=True)
    (tmp_path / "mha" / "seed-0" / RESULT_OF_MEMBER).write_text(NESTED)
    with pytest.raises(ValueError, match="is damaged"):
        collect(tmp_path)


def test_two_checkpoints_stay_and_no_unfinished_file(start, tmp_path):
    start(tmp_path / "run", checkpoint_seconds=0.0, until_step=8).train()
    assert [path.name for path in checkpoints(tmp_path / "run")] == [
        "checkpoint-000000007.safetensors",
        "checkpoint-000000008.safetensors",
    ]
    assert not list((tmp_path / "run").glob("*.part"))


@pytest.fixture
def full_disk():
    """Files of more than so many bytes cannot be written: the kernel's own refusal."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda n_bytes: resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, hard))
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_stops_no_run_and_loses_no_checkpoint(start, uninterrupted, tmp_path, full_disk):
    folder = tmp_path / "run"
    start(folder, until_step=5).train()
    (kept,) = checkpoints(folder)
    before = kept.read_bytes()
    told = []
    trainer = start(folder, checkpoint_seconds=0.0, until_step=9, watch=told.append)
    full_disk(2000)
    with pytest.raises(ValueError, match=r"step 9 cannot be written .* goes on from step 5"):
        trainer.train()
    assert trainer.progress.step == 9
    assert sum("cannot be saved now" in event.get("text", "") for event in told) >= 4
    full_disk(resource.getrlimit(resource.RLIMIT_FSIZE)[1])
    assert checkpoints(folder) == [kept] and kept.read_bytes() == before
    assert not list(folder.glob("*.part"))
    resumed = start(folder)
    assert resumed.progress.step == 5
    resumed.train()
    assert_same(resumed, uninterrupted)


def test_the_diary_waits_for_room_and_loses_no_line(tmp_path, full_disk):
    """The kernel takes the first half of a line and refuses the rest; then it takes nothing at all."""
    log = RunLog(tmp_path)
    log.write({"event": "step", "step": 1})
    size = (tmp_path / LOG_FILE).stat().st_size
    for step, room in ((2, size + 10), (3, size)):
        full_disk(room)
        log.write({"event": "step", "step": step})
        full_disk(resource.getrlimit(resource.RLIMIT_FSIZE)[1])
        assert (tmp_path / LOG_FILE).stat().st_size == size
    log.write({"event": "step", "step": 4})
    assert [event["step"] for event in read_log(tmp_path)] == [1, 2, 3, 4]
    assert len((tmp_path / LOG_FILE).read_text(encoding="utf-8").splitlines()) == 4


def test_the_diary_drops_half_a_line_and_what_will_be_repeated(tmp_path):
    lines = [json.dumps({"event": "step", "step": step}) for step in (10, 20, 30)]
    (tmp_path / LOG_FILE).write_text("\n".join([*lines, '{"event": "st'])[:-1], encoding="utf-8")
    RunLog(tmp_path, last_step=20)
    assert [event["step"] for event in read_log(tmp_path)] == [10, 20]


def test_other_settings_in_the_same_folder_are_refused(start, tmp_path):
    start(tmp_path / "run", until_step=1).train()
    with pytest.raises(ValueError, match=r"dropout was 0.2 and is now 0.1.*--out"):
        start(tmp_path / "run", settings=replace(SMALL, dropout=0.1))


def test_compiling_can_be_switched_off_when_a_run_goes_on(start, tmp_path, monkeypatch):
    start(tmp_path / "run", until_step=1).train()
    asked = []
    real = trainer_module.choose

    def choose(*given, compile_mode, **rest):
        asked.append(compile_mode)
        return replace(real(*given, compile_mode="off", **rest), compiled=compile_mode == "on")

    monkeypatch.setattr(trainer_module, "choose", choose)
    monkeypatch.setattr(trainer_module, "compile_network", lambda network: network)
    for mode, compiled in (("auto", False), ("off", False), ("on", True), ("auto", True), ("off", False)):
        trainer = start(tmp_path / "run", compile_mode=mode, until_step=trainer_step(tmp_path / "run") + 1)
        assert trainer.choice.compiled is compiled
        trainer.train()
    assert asked == ["on", "off"]


def trainer_step(folder):
    return read_newest(folder).counters["step"]


def test_what_a_killed_run_left_half_written_is_removed_and_nothing_else(start, tmp_path):
    start(tmp_path / "run", until_step=1).train()
    (tmp_path / "run" / "checkpoint-000000002.safetensors.part").write_bytes(b"half")
    (tmp_path / "run" / "mine.part").write_bytes(b"dear")
    start(tmp_path / "run")
    assert [path.name for path in (tmp_path / "run").glob("*.part")] == ["mine.part"]


def test_a_run_that_was_written_down_before_a_setting_was_there_goes_on(start, tmp_path):
    start(tmp_path / "run", until_step=1).train()
    path = tmp_path / "run" / "run.json"
    record = json.loads(path.read_text(encoding="utf-8"))
    assert record["settings"].pop("patience") == SMALL.patience == type(SMALL)().patience
    path.write_text(json.dumps(record), encoding="utf-8")
    assert start(tmp_path / "run").progress.step == 1
    with pytest.raises(ValueError, match="patience was 10 and is now 3"):
        start(tmp_path / "run", settings=replace(SMALL, patience=3))


def test_a_pause_ends_the_step_and_saves(start, tmp_path):
    trainer = start(tmp_path / "run", watch=lambda event: event["step"] == 5 and trainer.stop())
    assert trainer.train() == "interrupted"
    assert read_newest(tmp_path / "run").counters["step"] == 5


def test_a_divergence_is_said_and_the_checkpoint_before_it_stays(start, tmp_path):
    start(tmp_path / "run", until_step=4).train()
    trainer = start(tmp_path / "run")
    with torch.no_grad():
        trainer.model.norm.weight.fill_(float("inf"))
    with pytest.raises(ValueError, match="diverged"):
        trainer.train()
    assert read_newest(tmp_path / "run").counters["step"] == 4


def test_the_best_weights_are_kept_and_patience_ends_a_run(start, tmp_path, monkeypatch):
    measured = iter([5.0, 3.0, 4.0, 3.5, 3.1, 1.0])

    def pretend(model, tokenizer, excerpts):
        return Evaluation(bits_per_byte=next(measured), loss=1.0, tokens=1, bytes=1, documents=1)

    monkeypatch.setattr("mistral_core.training.trainer.validate_excerpts", pretend)
    settings = replace(SMALL, validations=20, patience=3)
    trainer = start(tmp_path / "run", settings=settings)
    assert trainer.train() == "stopped early"
    assert (trainer.progress.step, trainer.progress.best_step, trainer.progress.best_bits) == (5, 2, 3.0)
    weights, counters = read_tensors(tmp_path / "run" / "best.safetensors")
    assert counters["step"] == 2
    assert not torch.equal(trainer.model.state_dict()["output.weight"], weights["output.weight"])
    assert torch.equal(trainer.best_model().state_dict()["output.weight"], weights["output.weight"])
    assert start(tmp_path / "run", settings=settings).train() == "stopped early"


def test_best_weights_that_cannot_be_written_are_not_the_ones_to_beat(start, tmp_path, monkeypatch):
    """3.0 is lost on a full disk; 3.5 is worse, but the best that is kept."""
    measured, full = iter([5.0, 3.0, 3.5, 4.0]), []
    told = []

    def pretend(model, tokenizer, excerpts):
        bits = next(measured)
        full[:] = [bits] if bits == 3.0 else []
        return Evaluation(bits_per_byte=bits, loss=1.0, tokens=1, bytes=1, documents=1)

    def write(path, tensors, counters):
        if full:
            raise OSError(28, "No space left on device")
        write_tensors(path, tensors, counters)

    monkeypatch.setattr("mistral_core.training.trainer.validate_excerpts", pretend)
    monkeypatch.setattr("mistral_core.training.trainer.write_tensors", write)
    trainer = start(tmp_path / "run", watch=told.append)
    assert trainer.train() == "finished"
    assert any("cannot be saved now" in event.get("text", "") for event in told)
    assert (trainer.progress.best_step, trainer.progress.best_bits) == (15, 3.5)
    trainer.best_model()
    assert trainer.weights_step == 15 == read_tensors(tmp_path / "run" / "best.safetensors")[1]["step"]
