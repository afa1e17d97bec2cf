"""Small `tokenizer.json` files of each kind that is read, made by the libraries that others make them with."""

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers.convert_slow_tokenizer import SentencePieceExtractor

from mistral_core.checkpoint.gguf_folder import header_of
from tests.model.checkpoint.folders import TOKENIZER
from tests.model.checkpoint.gguf_files import pretrained
from tests.model.many_texts import strings

ROOT = Path(__file__).parents[3]
LLAMA_3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|"
    r"\s+(?!\S)|\s+"
)
NEMO = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|"
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}|"
    r" ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
SPECIAL = ["<|begin|>", "<|end|>", "<|im_start|>", "<|im_end|>"]
BYTE_LEVEL = ("llama 3", "nemo", "smollm")
SPACES = ("prepend", "first", "always")


def corpus() -> list[str]:
    return [(ROOT / "README.md").read_text(encoding="utf-8"), *strings(100), "the  the\n\n   a 123456 I'll IT'S"]


@lru_cache
def byte_level(kind: str) -> str:
    """Byte-level BPE with the cuts of a published tokenizer, its control tokens behind the vocabulary or before it."""
    made = Tokenizer(models.BPE(ignore_merges=kind != "smollm"))
    cuts = {
        "llama 3": [pre_tokenizers.Split(Regex(LLAMA_3), "isolated")],
        "nemo": [pre_tokenizers.Split(Regex(NEMO), "isolated")],
        "smollm": [pre_tokenizers.Digits(individual_digits=True)],
    }[kind]
    words = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=kind == "smollm")
    made.pre_tokenizer = pre_tokenizers.Sequence([*cuts, words])
    made.decoder = decoders.ByteLevel()
    first = SPECIAL if kind == "smollm" else []
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=900, special_tokens=first, initial_alphabet=alphabet, show_progress=False)
    made.train_from_iterator(corpus(), trainer)
    made.add_special_tokens(SPECIAL)
    if kind != "smollm":
        begin = [("<|begin|>", made.token_to_id("<|begin|>"))]
        made.post_processor = processors.TemplateProcessing(single="<|begin|> $A", special_tokens=begin)
    return made.to_str()


@lru_cache
def sentence_piece(spaces: str) -> str:
    """The storyteller's vocabulary as Hugging Face's converter makes it, with spaces written in one of three ways."""
    read: Any = SentencePieceExtractor(str(TOKENIZER)).extract(None)
    made = Tokenizer(models.BPE(read["vocab"], read["merges"], unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    if spaces == "prepend":
        made.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    else:
        made.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme=spaces, split=False)
    made.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    made.add_special_tokens([AddedToken(name, normalized=False) for name in ("<unk>", "<s>", "</s>")])
    made.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return made.to_str()


def put(*path: Any, value: Any):
    """A change of a file's content: the value at this path."""

    def change(content: Any) -> None:
        for key in path[:-1]:
            content = content[key]
        content[path[-1]] = value

    return change


def write_json(folder: Path, kind: str, change=lambda content: None, settings=None) -> Path:
    """A folder with that tokenizer; `change` may change the file's content, `settings` are tokenizer_config.json."""
    made = byte_level(kind) if kind in BYTE_LEVEL else sentence_piece(kind)
    content = json.loads(made)
    change(content)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tokenizer.json").write_text(json.dumps(content), encoding="utf-8")
    ends = {"bos_token": "<|begin|>", "eos_token": "<|end|>"} if kind in BYTE_LEVEL else {}
    (folder / "tokenizer_config.json").write_text(json.dumps(ends | (settings or {})), encoding="utf-8")
    return folder


def smollm2_json(folder: Path) -> Path:
    """SmolLM2's vocabulary as its authors publish it, out of the GGUF file."""
    values = header_of(next(pretrained().glob("*.gguf"))).values
    tokens, merges = values["tokenizer.ggml.tokens"], values["tokenizer.ggml.merges"]
    made = Tokenizer(models.BPE({t: at for at, t in enumerate(tokens)}, [tuple(pair.split(" ")) for pair in merges]))
    digits, words = pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.pre_tokenizer = pre_tokenizers.Sequence([digits, words])
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens(list(tokens[:17]))
    made.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps({"bos_token": tokens[1], "eos_token": tokens[2]}))
    return folder
