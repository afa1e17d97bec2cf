"""The command line: what it prints agrees with the core, and whatever is wrong is one sentence and exit code 2."""

import json
import lzma
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from mistral_core.checkpoint.load import load_model
from mistral_core.checkpoint.save import save_mistral
from mistral_core.config import MistralConfig
from mistral_core.generation import Run
from mistral_core.model import random_model
from mistral_core.request import GenerationRequest
from mistral_core.sampling import SamplingSettings, sampling_stages
from mistral_core.trace.trace import RecordingPlan, Trace
from mistral_core.unsaid import holds_unsaid
from mistral_core.verification import verify as verify_module

ROOT = Path(__file__).parents[3]
BUNDLED = ROOT / "assets/models/storyteller"
SHAPE = MistralConfig(
    dim=16,
    n_layers=2,
    n_heads=4,
    n_kv_heads=2,
    head_dim=4,
    hidden_dim=24,
    vocab_size=4096,
    norm_eps=1e-5,
    rope_theta=100.0,
    sliding_window=4,
)
PROMPT = ["--prompt", "Once upon a time"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiny-model")
    save_mistral(random_model(SHAPE, seed=5, std=0.3), folder, BUNDLED / "tokenizer.model")
    return folder


@pytest.fixture
def fine(cli):
    """Runs a command that must succeed and returns its stdout."""

    def run(*arguments):
        code, out, err = cli(*arguments)
        assert (code, err) == (0, "")
        return out

    return run


def core_run(folder, prompt, n, plan=None, **settings):
    loaded = load_model(folder)
    request = GenerationRequest(
        prompt_ids=tuple(loaded.tokenizer.encode(prompt)),
        max_new_tokens=n,
        seed=settings.pop("seed", 0),
        sampling=SamplingSettings(**settings),
    )
    run = Run(loaded.model, loaded.tokenizer, request, plan=plan or RecordingPlan())
    for _ in run.prefill():
        pass
    while not run.finish_reason:
        run.step()
    return run


def test_generate_json_is_what_the_core_computes(fine, folder):
    flags = ["--max-new-tokens", 12, "--seed", 3, "--temperature", 1.5, "--top-k", 50, "--top-p", 0.9, "--min-p", 0.01]
    content = json.loads(
        fine("generate", *PROMPT, "--model", folder, *flags, "--repetition-penalty", 1.2, "--chunk-size", 2, "--json")
    )
    trace = core_run(
        folder, "Once upon a time", 12, seed=3, temperature=1.5, top_k=50, top_p=0.9, min_p=0.01, repetition_penalty=1.2
    ).trace()
    assert [token["id"] for token in content["tokens"]] == trace.token_ids.tolist()
    assert content["text"] == trace.text == "".join(token["text"] for token in content["tokens"])
    assert content["text"].startswith("Once upon a time")
    assert content["n_prompt"] == 5
    first, *others = content["tokens"]
    assert (first["probability"], first["rank"]) == (None, None)
    assert [token["rank"] for token in others] == trace.rank[1:].tolist()
    assert [token["probability"] for token in others] == pytest.approx(trace.probability[1:].tolist(), rel=1e-4)
    assert content["timings"]["decode_tokens"] == 12
    assert content["timings"]["prefill_tokens"] == 5
    assert content["finish_reason"] == "length"
    assert content["settings"]["seed"] == 3


def test_a_bundled_model_leaves_words_unsaid_and_any_other_only_when_asked(fine, folder):
    """The prompt after which the bundled one wrote a word of the list; a run that is asked for it says so."""
    flags = ["--prompt", "Mein Name ist", "--max-new-tokens", 60]
    usual, asked, free = (fine("generate", *flags, *more) for more in ([], ["--unsaid"], ["--no-unsaid"]))
    assert usual == asked != free
    assert (holds_unsaid(usual), holds_unsaid(free)) == (False, True)
    for model, more, on in ((folder, [], False), (folder, ["--unsaid"], True), ("storyteller", [], True)):
        content = json.loads(fine("generate", *PROMPT, "--model", model, "--max-new-tokens", 1, *more, "--json"))
        assert content["settings"]["unsaid"] is on


def test_generate_prints_the_same_whole_or_as_it_comes(fine, folder):
    flags = [*PROMPT, "--model", folder, "--max-new-tokens", 8]
    whole = fine("generate", *flags)
    assert whole.startswith("Once upon a time")
    assert fine("generate", *flags, "--stream") == whole
    assert fine("generate", *flags, "--seed", 1) != whole


def test_generate_stops_at_a_string(fine, folder):
    whole = json.loads(fine("generate", *PROMPT, "--model", folder, "--max-new-tokens", 20, "--json"))
    wanted = next(token["text"] for token in whole["tokens"][8:] if token["text"].strip())
    stopped = json.loads(
        fine("generate", *PROMPT, "--model", folder, "--max-new-tokens", 20, "--stop", "\0", "--stop", wanted, "--json")
    )
    assert stopped["finish_reason"] == "stop_string"
    assert stopped["text"].endswith(wanted)
    assert len(stopped["tokens"]) < len(whole["tokens"])


def test_prompt_from_a_file(fine, folder, tmp_path):
    (tmp_path / "prompt.txt").write_text("Once upon a time", encoding="utf-8")
    flags = ["--model", folder, "--max-new-tokens", 4]
    assert fine("generate", "--prompt-file", tmp_path / "prompt.txt", *flags) == fine("generate", *PROMPT, *flags)


@pytest.mark.parametrize("dtype", ["float64", "bfloat16"])
def test_other_dtypes_run(fine, folder, dtype):
    out = fine("generate", *PROMPT, "--model", folder, "--max-new-tokens", 3, "--dtype", dtype, "--json")
    assert len(json.loads(out)["tokens"]) == 8


def test_trace_holds_what_the_core_recorded(fine, folder, tmp_path):
    path = tmp_path / "run.trace"
    flags = [*PROMPT, "--model", folder, "--max-new-tokens", 6, "--temperature", 1, "--top-p", 1]
    report = json.loads(fine("trace", *flags, "--out", path, "--json"))
    found, expected = Trace.load(path), core_run(folder, "Once upon a time", 6).trace()
    assert report["bytes"] == path.stat().st_size
    assert found.text == expected.text
    assert found.model_hash == load_model(folder).model_hash
    assert "python -m mistral_core trace --prompt 'Once upon a time'" in found.settings["command"]
    for name in ("hook_logits", "layers.1.attention.hook_pattern", "layers.0.attention.hook_rot_k"):
        assert np.allclose(found[name], expected[name], atol=1e-5)
    fine("trace", *flags, "--out", path, "--hook", "hook_resid_post", "--hook", "hook_logits", "--layer", 1)
    assert set(Trace.load(path).arrays) == {"layers.1.hook_resid_post", "hook_logits"}
    fine("trace", *flags, "--out", path, "--no-logits")
    assert "hook_logits" not in Trace.load(path).arrays


def test_trace_names_what_does_not_fit(cli, folder, tmp_path):
    flags = ["--model", folder, "--max-new-tokens", 100, "--budget-mib", 1]
    code, _, err = cli("trace", *PROMPT, *flags, "--out", tmp_path / "a")
    assert code == 0
    assert "left out: hook_logits:" in err
    code, _, err = cli("trace", *PROMPT, *flags, "--out", tmp_path / "b", "--compact")
    assert (code, (tmp_path / "b").exists()) == (2, False)
    assert "hook_logits" in err


def test_compact_trace(fine, folder, tmp_path):
    flags = [*PROMPT, "--model", folder, "--max-new-tokens", 30, "--temperature", 0.9, "--top-k", 12, "--seed", 2]
    fine("trace", *flags, "--out", tmp_path / "small", "--compact")
    fine("trace", *flags, "--out", tmp_path / "full")
    small, full = Trace.load(tmp_path / "small"), Trace.load(tmp_path / "full")
    assert small.text == full.text
    assert (tmp_path / "small").stat().st_size < (tmp_path / "full").stat().st_size / 5
    assert np.abs(small.pattern(1).astype(np.float64) - full.pattern(1)).max() <= 2**-12
    settings = SamplingSettings(temperature=0.9, top_k=12, top_p=0.95)
    tokenizer = load_model(folder).tokenizer
    for step in (0, 4, 20):
        logits = full.logits[step].astype(np.float64)
        order = sorted(range(len(logits)), key=lambda token: (-logits[token], token))[:20]
        assert small["top/ids"][step].tolist() == order
        stages = sampling_stages(logits, settings)
        assert small.settings["top_stages"] == [stage.name for stage in stages]
        for index, stage in enumerate(stages):
            assert np.allclose(small["top/stage_probs"][step, index], stage.probs[order], rtol=1e-6)
            assert small["top/kept"][step, index] == np.count_nonzero(stage.probs)
        assert small["top/kept"][step].tolist()[2] == 12
        probs = torch.tensor(logits).softmax(0)
        assert small["top/entropy"][step] == pytest.approx(float(-(probs * probs.log2()).sum()), rel=1e-6)
        assert small.settings["top_labels"][str(order[0])] == tokenizer.label(order[0])
    assert any(line.startswith("hook_logits: ") for line in small.omitted)
    fine("trace", *flags, "--unsaid", "--out", tmp_path / "small", "--compact")
    assert Trace.load(tmp_path / "small").settings["top_stages"] == [*small.settings["top_stages"], "unsaid"]


def test_info_needs_no_weights(fine, tmp_path):
    (tmp_path / "params.json").write_text(json.dumps(SHAPE.to_params()))
    content = json.loads(fine("info", "--model", tmp_path, "--context", 100, "--dtype", "float32", "--json"))
    assert content["config"] == SHAPE.to_params()
    assert content["exact_reach"] == 6
    assert content["parameters"]["total"] == sum(p.numel() for p in random_model(SHAPE).parameters())
    own, without_gqa, without_window, neither = (row["kv_cache_bytes"] for row in content["ledger"])
    assert own == 2 * 2 * 2 * 4 * 4 * 4  # layers, keys and values, heads, head_dim, slots, bytes
    assert (without_gqa, without_window, neither) == (own * 2, own * 25, own * 50)


def test_info_of_the_preset_for_people(fine):
    out = fine("info", "--model", "mistral-7b", "--context", 32768)
    assert "7,241,732,096 parameters" in out
    assert "512 MiB" in out
    assert "16 GiB" in out


def test_evaluate(fine, folder, tmp_path):
    text = "A fox came.\n\nIt went — away.\n"
    (tmp_path / "t.txt").write_text(text, encoding="utf-8")
    (tmp_path / "t.xz").write_bytes(lzma.compress(text.encode()))
    plain, packed, wide = (
        json.loads(fine("evaluate", "--text", tmp_path / name, "--model", folder, "--json", *more))
        for name, more in (("t.txt", ()), ("t.xz", ()), ("t.txt", ("--window", "none")))
    )
    assert plain == packed
    assert (plain["bytes"], plain["documents"]) == (len(text.encode()) - 3, 2)
    nats_per_byte = plain["loss"] * plain["tokens"] / plain["bytes"]
    assert plain["bits_per_byte"] == pytest.approx(nats_per_byte / np.log(2))
    assert wide["loss"] != plain["loss"]
    assert f"{plain['bits_per_byte']:.4f} bits per byte" in fine(
        "evaluate", "--text", tmp_path / "t.txt", "--model", folder
    )


def test_verify_prints_a_table_or_json_and_the_exit_code_says_whether_all_is_well(cli, folder, tmp_path, monkeypatch):
    monkeypatch.setattr(verify_module, "CHECKS", {"golden logits": verify_module.CHECKS["golden logits"]})
    code, out, _ = cli("verify", "--model", folder)
    assert code == 0
    assert "does not apply" in out
    for name in ("params.json", "consolidated.safetensors", "tokenizer.model"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    code, out, _ = cli("golden", "--model", tmp_path)
    assert code == 0
    code, out, _ = cli("verify", "--model", tmp_path, "--json")
    (line,) = json.loads(out)
    assert code == 0
    assert {"check", "compared", "max_abs_error", "bound", "ok"} <= set(line)
    assert line["ok"] is True
    assert 0 < line["max_abs_error"] < line["bound"]
    save_mistral(random_model(SHAPE, seed=6, std=0.3), tmp_path, BUNDLED / "tokenizer.model")
    code, out, _ = cli("verify", "--model", tmp_path, "--json")
    assert code == 1
    assert json.loads(out)[0]["ok"] is False


BAD = [
    (["bogus"], "No such command 'bogus'"),
    (["generate"], "no prompt is given"),
    (["generate", *PROMPT, "--prompt-file", "x"], "two prompts"),
    (["generate", "--prompt", ""], "the prompt is empty"),
    (["generate", "--prompt-file", "/nowhere/at/all"], "/nowhere/at/all"),
    (["generate", "--prompt-file", str(BUNDLED / "tokenizer.model")], "not text in UTF-8"),
    (["generate", *PROMPT, "--model", "nope"], "'nope' is neither a model nor a folder"),
    (["generate", *PROMPT, "--model", str(ROOT / "tests")], "neither params.json"),
    (["generate", *PROMPT, "--top-k", "many"], "--top-k"),
    (["generate", *PROMPT, "--top-k", "-1"], "top_k is -1"),
    (["generate", *PROMPT, "--top-p", "1.5"], "top_p is 1.5"),
    (["generate", *PROMPT, "--temperature", "nan"], "temperature is nan"),
    (["generate", *PROMPT, "--min-p", "-0.1"], "min_p is -0.1"),
    (["generate", *PROMPT, "--repetition-penalty", "0"], "repetition_penalty is 0"),
    (["generate", *PROMPT, "--seed", "-1"], "seed is -1"),
    (["generate", *PROMPT, "--max-new-tokens", "-1"], "max_new_tokens is -1"),
    (["generate", *PROMPT, "--chunk-size", "0"], "chunk_size is 0"),
    (["generate", *PROMPT, "--stop", ""], "stop string is empty"),
    (["generate", *PROMPT, "--dtype", "int8"], "'int8'"),
    (["generate", *PROMPT, "--device", "toaster"], "'toaster' is not a device"),
    (["generate", *PROMPT, "--device", "cuda:77"], "'cuda:77'"),
    (["generate", *PROMPT, "--stream", "--json"], "leave one out"),
    (["generate", *PROMPT, "--colour"], "--colour"),
    (["trace", *PROMPT], "--out"),
    (["trace", *PROMPT, "--out", "/nowhere/at/all"], "/nowhere/at does not exist"),
    (["trace", *PROMPT, "--out", "x", "--hook", "hook_nothing", "--max-new-tokens", "1"], "'hook_nothing'"),
    (["trace", *PROMPT, "--out", "x", "--layer", "99", "--max-new-tokens", "1"], "99"),
    (["trace", *PROMPT, "--out", "x", "--compact", "--no-logits"], "--compact"),
    (["trace", *PROMPT, "--out", "x", "--budget-mib", "-1"], "--budget-mib is -1"),
    (["info", "--context", "0"], "context is 0"),
    (["info", "--model", "mistral-8b"], "'mistral-8b'"),
    (["evaluate"], "--text"),
    (["evaluate", "--text", "/nowhere/at/all"], "/nowhere/at/all cannot be read"),
    (["evaluate", "--text", str(BUNDLED)], "cannot be read"),
    (["evaluate", "--text", "x", "--window", "wide"], "--window is 'wide'"),
    (["evaluate", "--text", "x", "--window", "0"], "--window is '0'"),
    (["verify", "--model", "/nowhere"], "'/nowhere'"),
    (["golden", "--model", "/nowhere"], "'/nowhere'"),
]


@pytest.mark.parametrize(("arguments", "reason"), BAD, ids=[" ".join(a)[-60:] for a, _ in BAD])
def test_what_is_wrong_is_one_sentence_and_exit_code_2(cli, tmp_path, monkeypatch, arguments, reason):
    monkeypatch.chdir(tmp_path)  # nothing may be left behind
    code, out, err = cli(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert reason in err
    assert list(tmp_path.iterdir()) == []


def test_help_is_quick_and_needs_no_torch():
    code = (
        "import sys, mistral_core.cli.main as c; r = c.main(['--help']); assert 'torch' not in sys.modules; sys.exit(r)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    for word in ("generate", "trace", "info", "evaluate", "verify", "golden", "Examples"):
        assert word in done.stdout


@pytest.mark.slow
def test_the_bundled_model_from_outside(tmp_path, fine):
    """As a user types it: a process of its own, the default model, past twenty windows."""
    length = ("--max-new-tokens", 330)
    written = (json.loads(fine("generate", *PROMPT, *length, "--seed", seed, "--json")) for seed in range(40))
    seed = next(content["settings"]["seed"] for content in written if content["finish_reason"] == "length")
    command = [sys.executable, "-m", "mistral_core"]
    env = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    flags = ["generate", *PROMPT, *map(str, length), "--seed", str(seed)]
    first, second = (
        subprocess.run([*command, *flags], capture_output=True, text=True, cwd=tmp_path, env=env, check=True).stdout
        for _ in range(2)
    )
    assert first == second
    assert first.startswith("Once upon a time")
    assert len(first.split()) > 150
    missing = subprocess.run([*command, "generate"], capture_output=True, text=True, cwd=tmp_path, env=env, check=False)
    assert (missing.returncode, missing.stdout) == (2, "")
    assert missing.stderr.count("\n") == 1


def test_models_of_the_users_folder_are_found_by_name(fine, folder, monkeypatch):
    monkeypatch.setenv("MISTRAL_MODELS_DIR", str(folder.parent))
    content = json.loads(fine("generate", *PROMPT, "--model", folder.name, "--max-new-tokens", 1, "--json"))
    assert content["model"] == folder.name
    assert replace(SHAPE) == load_model(folder).config
