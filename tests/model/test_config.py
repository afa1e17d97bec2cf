"""The configuration: what it refuses and how it says so, and its way through `params.json`."""

import json
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from mistral_core.config import MISTRAL_7B, ConfigNotice, MistralConfig

GOOD = {
    "dim": 16,
    "n_layers": 5,
    "n_heads": 4,
    "n_kv_heads": 2,
    "head_dim": 6,
    "hidden_dim": 24,
    "vocab_size": 40,
    "norm_eps": 1e-5,
    "rope_theta": 500.0,
    "sliding_window": 5,
}
SIZES = ["dim", "n_layers", "n_heads", "n_kv_heads", "head_dim", "hidden_dim", "vocab_size"]
MISTRAL_7B_V01_PARAMS = """{"dim": 4096, "n_layers": 32, "head_dim": 128, "hidden_dim": 14336, "n_heads": 32,
"n_kv_heads": 8, "norm_eps": 1e-05, "sliding_window": 4096, "vocab_size": 32000}"""


def make(**changes):
    return MistralConfig(**{**GOOD, **changes})


@pytest.mark.parametrize("name", SIZES)
@pytest.mark.parametrize("value", [0, -1, True])
def test_sizes_are_whole_numbers_of_at_least_1(name, value):
    with pytest.raises(ValueError, match=rf"^{name} is {value}; it must be a whole number of at least 1$"):
        make(**{name: value})


@pytest.mark.parametrize("name", [*SIZES, "sliding_window"])
@pytest.mark.parametrize("value", [10**9, 2**63, 10**400])
def test_sizes_that_no_network_has_are_refused_before_anything_is_made_of_them(name, value):
    """A file of a few bytes may name a billion layers; building as much as their windows takes gigabytes."""
    with pytest.raises(ValueError, match=rf"^{name} is [^;]{{10,60}}; no published network has more than \d+, .*check"):
        make(**{"sliding_window": None, name: value})


def test_a_window_in_a_list_has_the_same_bound():
    with pytest.raises(ValueError, match=r"^sliding_window is 9223372036854775808; no published network"):
        make(sliding_window=(4, 4, None, 4, 2**63))


@pytest.mark.parametrize("name", SIZES)
def test_the_bounds_leave_room_for_every_published_network(name):
    """The largest of each size: Megatron's 1T and 530B, PaLM, DeepNet's 1,000 layers, XLM-V's million tokens."""
    largest = {"dim": 25_600, "n_layers": 1000, "n_heads": 160, "n_kv_heads": 160, "head_dim": 576}
    largest |= {"hidden_dim": 106_496, "vocab_size": 1_048_576}
    config = make(**({"n_heads": 160, "n_kv_heads": 160} if "heads" in name else {name: largest[name]}))
    assert getattr(config, name) == largest[name]
    assert make(sliding_window=10_000_000).windows == (10_000_000,) * 5


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"norm_eps": 2.0}, r"norm_eps is 2.0; .* at most 1"),
        ({"rope_theta": 1e300}, r"rope_theta is 1e\+300; .* 1 to 1e\+20"),
        ({"rope_theta": 1e-300}, r"rope_theta is 1e-300; .* 1 to 1e\+20"),
    ],
)
def test_real_numbers_that_overflow_are_refused(changes, sentence):
    with pytest.raises(ValueError, match=sentence):
        make(**changes)


@pytest.mark.parametrize("name", ["norm_eps", "rope_theta"])
@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf")])
def test_real_numbers_are_finite_and_above_0(name, value):
    with pytest.raises(ValueError, match=rf"^{name} is {value}; it must be a finite number above 0$"):
        make(**{name: value})


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"n_heads": 4, "n_kv_heads": 3}, r"n_heads is 4 and n_kv_heads is 3.*divisors of n_heads"),
        ({"n_heads": 2, "n_kv_heads": 4}, r"n_heads is 2 and n_kv_heads is 4.*divisors of n_heads"),
        ({"head_dim": 5}, r"head_dim is 5.*pairs.*even"),
        ({"sliding_window": 0}, r"sliding_window is 0; it must be a whole number of at least 1"),
        ({"sliding_window": -4}, r"sliding_window is -4"),
        ({"sliding_window": True}, r"sliding_window is True"),
        ({"sliding_window": ()}, r"sliding_window is an empty list.*null"),
        ({"sliding_window": (4, 0)}, r"sliding_window is 0"),
    ],
)
def test_values_out_of_bounds_or_in_contradiction(changes, sentence):
    with pytest.raises(ValueError, match=sentence):
        make(**changes)


def test_params_json_names_what_is_unknown_or_missing():
    with pytest.raises(ValueError, match=r"does not know: bar, moe; known are dim, .*vocab_size"):
        MistralConfig.from_params({**GOOD, "moe": {"num_experts": 8}, "bar": 1})
    with pytest.raises(ValueError, match=r"^params.json lacks dim, norm_eps; every one of them is needed$"):
        MistralConfig.from_params({key: value for key, value in GOOD.items() if key not in {"dim", "norm_eps"}})
    with pytest.raises(ValueError, match=r"use_biases is true"):
        MistralConfig.from_params({**GOOD, "use_biases": True})


def test_keys_without_effect_and_an_absent_window_are_understood():
    params = {**GOOD, "use_biases": False, "max_seq_len": 32768, "model_type": "transformer", "dtype": "bfloat16"}
    assert MistralConfig.from_params(params) == make()
    del params["sliding_window"]
    assert MistralConfig.from_params(params).sliding_window is None


def test_published_params_of_v01_are_mistral_7b_with_a_notice():
    with pytest.warns(ConfigNotice, match=r"names no rope_theta; taking 10000, the value of Mistral 7B v0.1"):
        assert MistralConfig.from_params(json.loads(MISTRAL_7B_V01_PARAMS)) == MISTRAL_7B


MINISTRAL_8B_PARAMS = """{"dim": 4096, "n_layers": 36, "head_dim": 128, "hidden_dim": 12288, "n_heads": 32,
"n_kv_heads": 8, "norm_eps": 1e-05, "vocab_size": 131072, "rope_theta": 100000000.0, "max_seq_len": 32768,
"_sliding_window": [null, 32768, 32768, 32768]}"""


@pytest.mark.parametrize(
    ("window", "theta", "why"),
    [
        ({}, 1e6, "no window"),
        ({"sliding_window": None}, 1e6, "no window"),
        ({"_sliding_window": None}, 1e6, "no window"),
        ({"sliding_window": [None] * 5}, 1e6, "no window"),
        ({"sliding_window": 5}, 1e4, "Mistral 7B v0.1"),
        ({"_sliding_window": [None, 5, 5, 5, 5]}, 1e4, "Mistral 7B v0.1"),
    ],
)
@pytest.mark.parametrize("theta_key", [{}, {"rope_theta": None}])
def test_without_a_theta_the_reference_takes_a_million_unless_there_is_a_window(window, theta, why, theta_key):
    """mistral-inference: 10,000 with a window (7B v0.1), 1,000,000 without one (every later model)."""
    params = {key: value for key, value in GOOD.items() if key not in ("rope_theta", "sliding_window")}
    with pytest.warns(ConfigNotice, match=rf"names no rope_theta; taking {theta:.0f}, .*{why}"):
        assert MistralConfig.from_params({**params, **window, **theta_key}).rope_theta == theta


def test_mistrals_own_name_of_the_window_is_read():
    """Ministral 8B's file calls it so; the same key twice would be two networks."""
    config = MistralConfig.from_params(json.loads(MINISTRAL_8B_PARAMS))
    assert config.windows == (None, 32768, 32768, 32768) * 9
    assert MistralConfig.from_params({**GOOD, "_sliding_window": None}) == make()
    with pytest.raises(ValueError, match=r"sliding_window is 5 and _sliding_window is 7; .*keep one"):
        MistralConfig.from_params({**GOOD, "_sliding_window": 7})


@pytest.mark.parametrize("window", [[5, None], [5] * 4, [5] * 6, [5] * 10, []])
def test_a_list_of_windows_in_a_file_fits_the_layers(window):
    """Five layers: a list of two would end in the middle, one of six has a window of no layer."""
    sentence = r"empty list" if not window else rf"sliding_window has {len(window)} entries for 5 layers; .*divide"
    with pytest.raises(ValueError, match=sentence):
        MistralConfig.from_params({**GOOD, "sliding_window": window})
    assert MistralConfig.from_params({**GOOD, "n_layers": 10, "sliding_window": [5, None]}).windows == (5, None) * 5


@pytest.mark.parametrize("window", [(5, None), (1, 2, 3, 4, 5, 6, 7, 8)])
def test_windows_that_repeat_unevenly_are_written_layer_by_layer(window):
    """A configuration made here may repeat its windows anyhow; the file says each layer's."""
    config = make(sliding_window=window)
    assert MistralConfig.from_params(config.to_params()).windows == config.windows


@pytest.mark.parametrize("window", [5, 1, None, (3, None, 4, 4, 1), (2,)])
@pytest.mark.parametrize("tied", [False, True])
def test_params_json_and_back(window, tied):
    config = make(sliding_window=window, tied_embeddings=tied)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        back = MistralConfig.from_params(json.loads(json.dumps(config.to_params())))
    assert back == config
    assert hash(back) == hash(config)


def test_windows_repeat_over_the_layers():
    assert make(sliding_window=5).windows == (5,) * 5
    assert make(sliding_window=None).windows == (None,) * 5
    assert make(sliding_window=(3, None)).windows == (3, None, 3, None, 3)
    assert make(sliding_window=tuple(range(1, 9))).windows == (1, 2, 3, 4, 5)
    assert make().with_window((2, 7)) == make(sliding_window=(2, 7))


def test_exact_reach_sums_the_windows_without_the_query():
    assert [make().exact_reach(layers) for layers in (0, 1, 2, 5)] == [0, 4, 8, 20]
    assert make(sliding_window=1).exact_reach() == 0
    assert make(sliding_window=(3, 6)).exact_reach() == 2 + 5 + 2 + 5 + 2
    assert make(sliding_window=(3, None)).exact_reach() is None
    assert make(sliding_window=(3, None)).exact_reach(1) == 2
    assert MISTRAL_7B.exact_reach() == 32 * 4095


def test_a_configuration_is_a_frozen_key():
    assert make().repeats == 2
    assert {make(): "a"}[make()] == "a"
    with pytest.raises(AttributeError):
        make().dim = 3


WRONG_TYPES = """
import json, sys
from mistral_core.checkpoint.configuration import config_from_hugging_face, config_to_hugging_face
from mistral_core.config import MistralConfig
good = json.loads(sys.argv[1])
hf = config_to_hugging_face(MistralConfig(**good), "float32")
hf |= {"rope_parameters": None, "rope_scaling": None, "layer_types": None}
for value in ([], {}, [[1]], None, 3):
    for place in ("rope_parameters", "rope_scaling"):
        for key in ("rope_type", "type", "rope_theta", "partial_rotary_factor"):
            try:
                config_from_hugging_face({**hf, place: {key: value}})
            except ValueError:
                pass
            except Exception as error:
                print("not a ValueError:", place, key, value, repr(error))
for read, base in ((MistralConfig.from_params, good), (config_from_hugging_face, hf)):
    for key in base:
        for value in ("x", None, [], {}, [[1]], {"a": 1}, -1, 0, True, 1.5, 1e400, "5", 10**400, 2**63, [None, "x"]):
            try:
                read({**base, key: value})
            except ValueError as error:
                if key not in str(error) and read == MistralConfig.from_params:
                    print("not named:", key, value, error)
            except Exception as error:
                print("not a ValueError:", read.__name__, key, value, repr(error))
            else:
                if key in good and key != "sliding_window" and value in ("x", [], {}, -1, 0, "5"):
                    print("accepted:", key, value)
"""


def test_values_of_wrong_types_in_a_file_are_refused_as_values():
    """In a process of its own: the tests' type checks would otherwise speak before the configuration does."""
    command = [sys.executable, "-c", WRONG_TYPES, json.dumps(GOOD)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=Path(__file__).parents[2])
    assert done.stdout == ""
