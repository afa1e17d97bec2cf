"""How the `tokenizers` library is asked: here where its components are known, else in a process that can be ended.

Known are the patterns of published tokenizers (`byte_level.PATTERNS`): at any place of a text they look for a match
once, so a text takes time by its length. Of another pattern nobody can say that: `(x+x+)+y` looks for a match of
thirty letters in a billion ways. And a chain of replacements can double a text fifty times. Where a file has such
components, `cut_process.py` runs them, with bounds on the time and, but for Windows, the memory of each text.

Source: Oniguruma (the library's patterns), which gives up a match after 10 million tries; but each place of a text has
its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mistral_core.byte_level import PATTERNS
from mistral_core.checkpoint.folder import CheckpointError

SECONDS, START_SECONDS, BYTES = 10, 60, 2**32
"""Of one text, of reading what cuts it, and of memory. Published tokenizers cut a megabyte in about a second."""
MOST_PARTS, MOST_PREPENDED = 32, 16
"""Components, and characters that one puts before a text, up to which they are run here."""
_REMEDY = "take an edition of the model with another tokenizer file"


def is_known(parts: Sequence[Mapping[str, Any]]) -> bool:
    """Whether components are certain to take time and memory by a text's length."""
    return len(parts) <= MOST_PARTS and all(_is_known(part) for part in parts)


def _is_known(part: Mapping[str, Any]) -> bool:
    if part.get("type") == "Prepend":
        return len(str(part.get("prepend"))) <= MOST_PREPENDED
    pattern = part.get("pattern")
    if not isinstance(pattern, Mapping):
        return pattern is None
    sought = pattern.get("String")
    if part.get("type") == "Replace":
        return isinstance(sought, str) and 0 < len(str(part.get("content"))) <= len(sought)
    return isinstance(sought, str) or pattern.get("Regex") in PATTERNS.values()


class Apart:
    """The library in a process of its own. One that was ended is started anew for the next text.

    Args:
        path: the file that says what cuts, for messages. given: "tokenizer", the library's JSON; or "pattern".

    Raises:
        CheckpointError: the library refuses it, or takes too long over it.
    """

    def __init__(self, path: Path, given: Mapping[str, str]) -> None:
        self._path, self._given, self._lock = path, dict(given), threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        with self._lock:
            self._start()

    def words(self, text: str) -> list[str]:
        """The words that a pattern cuts a text into.

        Raises:
            CheckpointError: it takes longer than `SECONDS` or more than `BYTES`, or fails.
        """
        return list(self._ask("words", text))

    def ids(self, text: str) -> list[int]:
        """Ids of the tokens of a text; raises as `words`."""
        return list(self._ask("ids", text))

    def normalised(self, text: str) -> str:
        """What becomes of a text before it is cut; raises as `words`."""
        return str(self._ask("normalised", text))

    def _ask(self, what: str, text: str) -> Any:
        with self._lock:
            process = self._process or self._start()
            answer = self._exchange(process, {"what": what, "text": text}, SECONDS)
        if "answer" in answer:
            return answer["answer"]
        why = answer.get("error", f"it takes more than {SECONDS} s or {BYTES >> 30} GiB of memory")
        raise CheckpointError(
            f"{self._path} cuts texts by a pattern or a rewriting of its own, which cannot cut this text: {why}; "
            f"shorten the text, or {_REMEDY}"
        )

    def _start(self) -> subprocess.Popen[bytes]:
        """Starts the process and gives it what cuts."""
        program = [sys.executable, "-I", str(Path(__file__).with_name("cut_process.py"))]
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        alone = {**os.environ, "TOKENIZERS_PARALLELISM": "false"}
        try:
            self._process = process = subprocess.Popen(program, env=alone, **pipes)
        except OSError as error:
            raise CheckpointError(f"no process could be started for {self._path}: {error}; try again") from error
        self._finalizer = weakref.finalize(self, _end, process)
        answer = self._exchange(process, {**self._given, "seconds": SECONDS, "bytes": BYTES}, START_SECONDS)
        if "answer" not in answer:
            self._let_go()
            why = answer.get("error", f"it takes more than {START_SECONDS} s or {BYTES >> 30} GiB of memory")
            what = "has a pattern that is none" if "pattern" in self._given else "is not read by the tokenizers library"
            raise CheckpointError(f"{self._path} {what}: {why}; {_REMEDY}")
        return process

    def _exchange(self, process: subprocess.Popen[bytes], asked: Mapping[str, Any], seconds: int) -> dict[str, Any]:
        """One line to the process and one back; nothing where it was ended, by this clock or by its own bounds."""
        to, back = process.stdin, process.stdout
        if to is None or back is None:
            return {}
        clock = threading.Timer(seconds, process.kill)
        clock.daemon = True
        clock.start()
        try:
            to.write(json.dumps(asked).encode() + b"\n")
            to.flush()
            answer = json.loads(back.readline())
        except (OSError, ValueError):
            answer = {}
        finally:
            clock.cancel()
        if not answer or process.poll() is not None:
            self._let_go()
        return dict(answer)

    def _let_go(self) -> None:
        self._finalizer()
        self._process = None


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ends a process that nobody asks any more."""
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        try:
            if pipe is not None:
                pipe.close()
        except OSError:  # what it was being told is told nobody
            pass


class Near:
    """The library's tokenizer, asked here."""

    def __init__(self, path: Path, tokenizer: Any) -> None:
        self._path, self._tokenizer = path, tokenizer

    def ids(self, text: str) -> list[int]:
        """Ids of the tokens of a text.

        Raises:
            CheckpointError: the library fails.
        """
        return list(_quietly(self._path, lambda: self._tokenizer.encode(text, add_special_tokens=False).ids))

    def normalised(self, text: str) -> str:
        """What becomes of a text before it is cut; raises as `ids`."""
        return str(_quietly(self._path, lambda: self._tokenizer.normalizer.normalize_str(text)))


def tokenizer_of(path: Path, described: str, known: bool) -> Near | Apart:
    """The library's tokenizer of its JSON, here or apart.

    Raises:
        CheckpointError: the library refuses it.
    """
    if not known:
        return Apart(path, {"tokenizer": described})
    import tokenizers

    try:
        return Near(path, tokenizers.Tokenizer.from_str(described))
    except (KeyboardInterrupt, SystemExit, MemoryError):
        raise
    except BaseException as error:  # the library's panics are no Exceptions
        raise CheckpointError(f"{path} is not read by the tokenizers library: {str(error)[:200]}; {_REMEDY}") from error


def words_of(path: Path, pattern: str) -> Any:
    """What cuts a text into the words of a pattern, here or apart: a function of the text.

    Raises:
        CheckpointError: what is no pattern.
    """
    if pattern not in PATTERNS.values():
        return Apart(path, {"pattern": pattern}).words
    from tokenizers import Regex, pre_tokenizers

    split: Any = pre_tokenizers.Split(Regex(pattern), "isolated")
    return lambda text: _quietly(path, lambda: [word for word, _ in split.pre_tokenize_str(text)])


def _quietly(path: Path, ask: Any) -> Any:
    """What the library answers; its panics, which are no Exceptions and would end a thread, as a refusal."""
    try:
        return ask()
    except (KeyboardInterrupt, SystemExit, MemoryError):
        raise
    except BaseException as error:
        raise CheckpointError(f"{path} cannot cut this text: {str(error)[:200]}; shorten the text") from error
