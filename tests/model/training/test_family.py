"""The family: every member is the baseline with its one change, and what is stated of it is measured again here."""

import json
import statistics
from dataclasses import asdict, replace

import pytest

from mistral_core.analysis.evaluation import evaluate
from mistral_core.checkpoint.load import load_model
from mistral_core.checkpoint.registry import bundled_root
from mistral_core.cli.main import main
from mistral_core.training import family
from mistral_core.training.family import (
    BASE,
    MEMBERS,
    PIECE_TOKENS,
    TWIN,
    Member,
    collect,
    plan,
    train_member,
    write_results,
)
from mistral_core.training.family_results import RESULTS_FILE, Result, table
from mistral_core.training.measure import pieces_of
from mistral_core.training.relay import relay_settings, write_relay_texts

from .conftest import FIXED, SMALL

RECORDED = bundled_root() / RESULTS_FILE

TWINS = {member.name: member for member in MEMBERS if member.group == "twins"}
BASE_OF_TESTS = replace(SMALL, tokens=512, validations=1, phases=((0, ()),))


def result(name, seed, bits, **changes):
    return Result(
        name=name,
        group="twins",
        seed=seed,
        changes=changes,
        parameters=1000,
        cache_bytes=2000,
        tokens=4096,
        seconds=1.0,
        bits_per_byte=bits,
        short_bits_per_byte=bits + 1,
    )


def test_a_twin_differs_from_the_baseline_in_one_setting():
    for member in MEMBERS:
        base = asdict(TWIN if member.group == "twins" else BASE)
        differs = {key for key, value in asdict(member.settings(seed=0)).items() if value != base[key]}
        allowed = {"optimiser", "adamw_rate"} if member.group == "optimiser" else set(member.changes)
        assert differs <= allowed and len(member.changes) <= 2
        assert (len(differs) == 0) == (member.name in ("baseline", "dim-64"))
    assert TWIN.context >= 2 * PIECE_TOKENS, "full attention is judged within the length that it was trained on"
    assert TWIN.step_tokens == BASE.step_tokens and TWIN.tokens == 4 * BASE.tokens
    assert TWINS["full-attention"].settings(0).window is None
    assert TWINS["narrow-window"].settings(0).window == 4
    assert [TWINS[name].settings(0).n_kv_heads for name in ("mqa", "baseline", "mha")] == [1, 2, 8]


def test_the_first_seed_of_all_comes_before_the_second_of_any():
    order = plan(["twins", "ladder"], seeds=2)
    assert [seed for _, seed in order] == sorted(seed for _, seed in order)
    assert [member.name for member, seed in order if seed == 1] == list(TWINS)
    with pytest.raises(ValueError, match=r"no group cousins; known are twins, ladder, optimiser"):
        plan(["cousins"], 1)
    with pytest.raises(ValueError, match="seeds is 0"):
        plan(["twins"], 0)


def test_a_member_is_trained_once_and_measured_on_its_file(corpus, tmp_path, monkeypatch):
    monkeypatch.setattr("mistral_core.training.export.SAMPLE_TOKENS", 4)
    member = Member("wide-open", "twins", {"window": None})
    made = train_member(member, 1, corpus, tmp_path, base=BASE_OF_TESTS, habits=FIXED)
    loaded = load_model(tmp_path / "wide-open" / "seed-1" / "wide-open")
    assert loaded.config.windows == (None,) * SMALL.n_layers
    again = evaluate(loaded.model, loaded.tokenizer, corpus.valid)
    assert made.bits_per_byte == pytest.approx(again.bits_per_byte, rel=1e-5)
    assert made.parameters == sum(parameter.numel() for parameter in loaded.model.parameters())
    # 2 layers, keys and values of 2 KV heads of 4 numbers, 4 bytes each, for all of 32 tokens
    assert made.cache_bytes == 2 * 2 * 2 * 4 * 4 * 32
    assert made.tokens == 512 and made.seed == 1

    monkeypatch.setattr(family, "Trainer", None)  # would fail if it were trained again
    assert train_member(member, 1, corpus, tmp_path, base=BASE_OF_TESTS, habits=FIXED) == made
    assert collect(tmp_path) == [made]
    content = json.loads(write_results(tmp_path, BASE_OF_TESTS).read_text())
    assert Result(**content["results"][0]) == made and content["base"]["dim"] == SMALL.dim


def test_a_damaged_result_is_named(tmp_path):
    (tmp_path / "mha" / "seed-0").mkdir(parents=True)
    (tmp_path / "mha" / "seed-0" / family.RESULT_FILE).write_text("{")
    with pytest.raises(ValueError, match="is damaged"):
        collect(tmp_path)


def test_the_table_has_the_mean_of_the_seeds_and_how_far_they_lie_apart():
    lines = table([result("baseline", 0, 1.5), result("baseline", 1, 1.7), result("mha", 0, 1.25, n_kv_heads=8)])
    head, _, first, second = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines.splitlines()]
    assert dict(zip(head, first, strict=True))["bits per byte"] == "1.6000"
    assert dict(zip(head, first, strict=True))["spread"] == "0.2000"
    assert dict(zip(head, first, strict=True))["short"] == "2.6000"
    assert second[1] == "n_kv_heads 8" and dict(zip(head, second, strict=True))["spread"] == ""


def test_pieces_are_the_whole_text_in_parts_that_fit():
    documents = ["The queen saw the fox. " * 40, "short", "x" * 70 + " end", "ä" * 50]
    pieces = pieces_of(documents, 64)
    assert max(len(piece.text.encode()) for piece in pieces) <= 64
    joined = "".join(piece.text for piece in pieces).replace(" ", "")
    assert joined == "".join(documents).replace(" ", "")
    assert sum(piece.whole for piece in pieces) == len(documents)
    with pytest.raises(ValueError, match="size is 0"):
        pieces_of(documents, 0)


def test_the_command_needs_tokens_and_prints_what_was_recorded(capsys, tmp_path):
    assert main(["family", "--out", str(tmp_path)]) == 2
    assert "name the tokens with --corpus" in capsys.readouterr().err
    assert main(["family", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(RECORDED.read_text())["results"]


def test_the_shipped_twins_are_those_that_were_measured():
    rows = [Result(**row) for row in json.loads(RECORDED.read_text())["results"]]
    for name, member in TWINS.items():
        own = [row for row in rows if row.name == name]
        assert len(own) >= 1 and statistics.mean(row.bits_per_byte for row in own) < 2.5
        loaded = load_model(bundled_root() / name)
        settings = member.settings(0)
        assert loaded.config == settings.network(loaded.config.vocab_size)
        record = json.loads((bundled_root() / name / "training.json").read_text())
        assert record["run"]["settings"]["seed"] == own[0].seed == 0
        assert record["evaluation"]["bits_per_byte"] == own[0].bits_per_byte
        assert own[0].parameters == sum(parameter.numel() for parameter in loaded.model.parameters())


def test_the_relays_texts_grow_hop_by_hop(tmp_path, monkeypatch):
    monkeypatch.setattr("mistral_core.training.relay.SYMBOLS_PER_LEVEL", 3000)
    settings = relay_settings(tokens=100_000)
    write_relay_texts(tmp_path, settings)
    for level in range(1, 9):
        sequences = (tmp_path / f"hop{level}.train.txt").read_text().split("\n\n")
        distances = [text.strip().index("?") for text in sequences]
        assert min(distances) >= max(1, 15 * level - 22) and max(distances) <= 15 * level
        assert max(distances) > 15 * (level - 1), "the newest hop is in it"
        assert all(text.strip()[0] == text.strip()[-1] for text in sequences)
    starts = [start for start, _ in settings.phases]
    assert starts[0] == 0 and starts == sorted(starts) and starts[-1] < 70_000
    with pytest.raises(ValueError, match="needs a window in every layer"):
        write_relay_texts(tmp_path, replace(settings, window=None))
