"""`info` of published files: from a path, from a pipe, as a table and as JSON; and `evaluate` after a token."""

import io
import json

import pytest

from mistral_core.checkpoint.save import save_mistral
from mistral_core.cli import run as run_module
from mistral_core.config import MistralConfig
from mistral_core.model import random_model
from tests.model.checkpoint.folders import TOKENIZER
from tests.model.checkpoint.published_files import CONFIG_JSON, PARAMS_JSON, REFUSED

KIB, MIB, GIB = 2**10, 2**20, 2**30
MISTRAL = CONFIG_JSON["Mistral 7B v0.1"]


def test_a_file_a_pipe_and_an_option_say_the_same(cli, tmp_path):
    text = json.dumps(MISTRAL.content).encode()
    (tmp_path / "any name.json").write_bytes(text)
    runs = [cli("info", tmp_path / "any name.json", "--json"), cli("info", "-", "--json", pipe=text)]
    runs += [cli("info", "--model", tmp_path / "any name.json", "--json")]
    runs += [cli("info", "--model", "-", "--json", pipe=b"\xef\xbb\xbf" + text)]
    assert all((code, err) == (0, "") for code, _, err in runs)
    contents = [json.loads(out) for _, out, _ in runs]
    names = [content.pop("model") for content in contents]
    assert names == [str(tmp_path / "any name.json"), "standard input"] * 2
    assert all(content == contents[0] for content in contents)


def test_the_numbers_of_mistral_7b(cli):
    content = json.loads(cli("info", "-", "--json", pipe=json.dumps(MISTRAL.content).encode())[1])
    assert content["parameters"]["total"] == 7_241_732_096
    assert content["windows"] == [4096] * 32
    assert (content["exact_reach"], content["trained_context"]) == (32 * 4095, 32768)
    assert content["kv_bytes_per_token"] == 128 * KIB and content["kv_bytes_per_token_without_gqa"] == 512 * KIB
    rows = {row.pop("context"): list(row.values()) for row in content["kv_bytes_by_context"]}
    assert rows == {
        1024: [128 * MIB, 128 * MIB, 512 * MIB],
        4096: [512 * MIB, 512 * MIB, 2 * GIB],
        8192: [512 * MIB, GIB, 4 * GIB],
        32768: [512 * MIB, 4 * GIB, 16 * GIB],
        131072: [512 * MIB, 16 * GIB, 64 * GIB],
    }
    assert {*content["keys_read"], *content["keys_ignored"]} == set(MISTRAL.content)
    assert {"use_cache", "torch_dtype", "max_position_embeddings"} <= set(content["keys_ignored"])


def test_the_table_for_people(cli):
    code, out, err = cli("info", "-", pipe=json.dumps(MISTRAL.content).encode())
    assert (code, err) == (0, "")
    lines = {line.split("  ")[1].strip(): line.split() for line in out.splitlines() if line.startswith("  ")}
    assert lines["32,768"] == ["32,768", "512", "MiB", "4", "GiB", "16", "GiB"]
    assert lines["each token"] == ["each", "token", "128", "KiB", "128", "KiB", "512", "KiB"]
    assert "7,241,732,096 parameters" in out and "4,096 in each of 32 layers" in out
    assert "131,040 tokens back" in out and "of up to 32,768 tokens" in out
    assert "Made the network: architectures, hidden_act, hidden_size" in out
    assert "Change nothing in it: bos_token_id, eos_token_id, initializer_range" in out


def test_what_a_file_leaves_open_is_said_beside_the_table(cli):
    code, out, err = cli("info", "-", pipe=json.dumps(PARAMS_JSON["Mistral 7B v0.1"].content).encode())
    assert code == 0 and "note: params.json names no rope_theta; taking 10000" in err
    assert "of unknown length" in out and "Change nothing" not in out


@pytest.mark.parametrize("name", REFUSED)
def test_another_network_is_one_sentence_with_the_names_of_its_keys(cli, name):
    content, keys = REFUSED[name]
    code, out, err = cli("info", "-", "--json", pipe=json.dumps(content).encode())
    assert (code, out) == (2, "")
    assert err.startswith("error: ") and err.count("\n") == 1 and all(key in err for key in keys)


@pytest.mark.parametrize(
    ("pipe", "said"),
    [
        (b"", "standard input is not readable as JSON"),
        (b"\xff\xfe", "standard input is not text in UTF-8"),
        (b"[]", "standard input holds a JSON list"),
        (b"{}", "neither the keys of a config.json"),
        (b"[" * 100_000, "standard input is not readable as JSON"),
        (b" " * (2**20 + 1), "more than 1,048,576 characters"),
        (
            b'{"model_type": "\\ud800", "\\ud801\\u001b[31m": 1, "\\u202e": 2}',
            r"unknown keys '\u202e', '\ud801\x1b[31m'",
        ),
    ],
)
def test_nonsense_in_a_pipe_is_one_sentence(cli, pipe, said):
    code, out, err = cli("info", "-", pipe=pipe)
    assert (code, out) == (2, "")
    assert said in err and err.count("\n") == 1 and len(err) < 620


def test_a_file_and_a_model_together_or_a_file_that_runs_are_refused(cli, tmp_path):
    assert cli("info", "-", "--model", "relay")[2].startswith("error: both the file - and --model relay are given")
    (tmp_path / "weights.bin").write_bytes(b"cos\nsystem\n")
    assert "can run any program when opened" in cli("info", tmp_path / "weights.bin")[2]
    assert "'nowhere.json' is neither a model nor a folder" in cli("info", "nowhere.json")[2]


def test_no_more_of_a_pipe_is_read_than_a_configuration_has(monkeypatch, cli):
    class Endless(io.RawIOBase):
        taken = 0

        def readable(self):
            return True

        def readinto(self, buffer):
            self.taken += len(buffer)
            buffer[:] = b" " * len(buffer)
            return len(buffer)

    source = Endless()
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BufferedReader(source)))
    code, _, err = cli("info", "-")
    assert code == 2 and "more than" in err
    assert source.taken < 2 * run_module.MOST_CONFIGURATION


def test_evaluate_says_what_rounding_the_weights_changes_and_generate_writes_with_them(cli, tmp_path):
    (tmp_path / "t.txt").write_text("Once upon a time there was a girl who lived in a little house in the wood.\n")
    flags = ["evaluate", "--text", tmp_path / "t.txt", "--weights", "int8"]
    _, said, _ = cli(*flags, "--against", "float32")
    assert "int8 against float32: KL of the next token's distribution" in said
    apart = json.loads(cli(*flags, "--against", "float32", "--json")[1])["rounding"]
    assert 0 < apart["mean_kl"] < 0.02 and apart["mean_kl"] <= apart["max_kl"] and apart["same_first"] > 0.8
    assert "compares the model with itself" in cli(*flags, "--against", "int8")[2]
    code, out, err = cli("generate", "--prompt", "Once upon a time", "--max-new-tokens", "3", "--weights", "int8")
    assert code == 0 and out.startswith("Once upon a time") and "weights rounded to int8" in err


def test_evaluate_says_the_loss_after_a_token(cli, tmp_path):
    shape = MistralConfig(
        dim=16, n_layers=1, n_heads=2, n_kv_heads=2, head_dim=8, hidden_dim=16, vocab_size=4096, norm_eps=1e-5,
        rope_theta=100.0, sliding_window=4,
    )  # fmt: skip
    save_mistral(random_model(shape, seed=5, std=0.3), tmp_path / "m", TOKENIZER)
    (tmp_path / "t.txt").write_text("A fox came to a well and looked down.\n\nNo.\n", encoding="utf-8")
    flags = ["evaluate", "--text", tmp_path / "t.txt", "--model", tmp_path / "m"]
    whole, later = (json.loads(cli(*flags, "--json", *more)[1]) for more in ((), ("--after", 6)))
    assert (whole["after"], whole["loss_after"]) == (0, whole["loss"])
    assert later["after"] == 6 and later["tokens_after"] < later["tokens"] == whole["tokens"]
    assert later["loss"] == whole["loss"] != later["loss_after"]
    said = f"mean loss after token 6 of {later['longest']}: {later['loss_after']:.4f} nats per token"
    assert said in cli(*flags, "--after", 6)[1]
    assert "mean loss after" not in cli(*flags)[1]
    code, _, err = cli(*flags, "--after", 500)
    assert code == 2 and "after is 500, and the longest document has" in err
