"""The chat template of a model folder: from messages to token ids, in which nobody can type a control token.

A template is a small program that writes a conversation as one text, with the names of control tokens in it. Those
that the template writes become their ids; the same names in a message are text. To tell them apart, the messages are
rendered with marks around each and one within each name that they hold: characters of a private plane that occur
nowhere in the messages, the names and the template. A name with a mark in it is none, nor is one between the marks of
a message. Without the marks the text must be the one that the template writes of the messages as they are, else the
conversation is refused.

The template runs in a process of its own (`chat_render.py`) with bounds on its size, its messages, what it writes,
its time and, but for Windows, its memory. Not bounded: how many conversations are rendered at once. It is given
`messages`, `add_generation_prompt`, `bos_token`, `eos_token`, and `tools` and `documents` as none.

Source: transformers, `apply_chat_template`.
"""

from __future__ import annotations

import json
import re
import secrets
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from mistral_core.checkpoint.folder import GGUF, CheckpointError, detect_layout, gguf_file, read_json
from mistral_core.config import brief
from mistral_core.tokenizer import Tokenizer, refuse_surrogates

MOST_TEMPLATE = 2**18
"""Characters of a template; published ones have up to 20,000."""
MOST_MESSAGES, MOST_CHARACTERS = 1000, 2**20
"""Of one conversation; what the template writes of it may have four times as many characters."""
CPU_SECONDS, WALL_SECONDS, BYTES = 4, 20, 2**29
"""What rendering may take; published templates take milliseconds, and the process that renders 0.2 s."""
_ROLE = re.compile(r"[a-z][a-z_]{0,30}")
_PRIVATE = range(0xF0000, 0xFFFFE)


@runtime_checkable
class ChatTokenizer(Tokenizer, Protocol):
    """A tokenizer whose control tokens are known by name."""

    @property
    def named(self) -> Mapping[str, int]:
        """Ids of the tokens that no typed text becomes, by name."""

    def encode_after_control(self, text: str) -> list[int]:
        """Token ids of a text that follows a control token."""


@dataclass(frozen=True)
class ChatTemplate:
    """How a model wants a conversation written.

    Attributes:
        source: the template, in jinja2's language. path: the file that it comes from, for messages.
    """

    source: str
    path: Path

    def __post_init__(self) -> None:
        if len(self.source) > MOST_TEMPLATE:
            raise CheckpointError(
                f"{self.path} has a chat template of {len(self.source):,} characters; at most {MOST_TEMPLATE:,} are "
                f"read: write the prompt by hand"
            )

    @classmethod
    def of(cls, folder: Path) -> ChatTemplate | None:
        """The template of a folder: of several, the first of chat_template.jinja, tokenizer_config.json and GGUF's.

        Returns:
            `None` where the folder has none, as models have that were not trained to chat.

        Raises:
            CheckpointError: one that is no text, too long, or in a file that cannot be read; or no model folder.
        """
        alone, settings = folder / "chat_template.jinja", folder / "tokenizer_config.json"
        if alone.is_file():
            try:
                if alone.stat().st_size > 4 * MOST_TEMPLATE:
                    raise CheckpointError(f"{alone} is longer than any chat template; write the prompt by hand")
                return cls(alone.read_text(encoding="utf-8"), alone)
            except (OSError, UnicodeDecodeError) as error:
                raise CheckpointError(f"{alone} is not readable as text in UTF-8: {error}") from error
        if settings.is_file() and (said := read_json(settings).get("chat_template")) is not None:
            return cls(_text(_default(said), settings), settings)
        if detect_layout(folder) == GGUF:
            from mistral_core.checkpoint.gguf_folder import header_of

            path = gguf_file(folder)
            said = header_of(path).values.get("tokenizer.chat_template")
            return None if said is None else cls(_text(said, path), path)
        return None

    def encode(
        self,
        messages: Sequence[Mapping[str, str]],
        tokenizer: ChatTokenizer,
        *,
        add_generation_prompt: bool = True,
        now: datetime | None = None,
    ) -> list[int]:
        """Token ids of a conversation, every token of it: no begin token is added to what the template writes.

        Args:
            messages: each with its "role" and its "content".
            tokenizer: of the model.
            add_generation_prompt: whether the beginning of an answer follows.
            now: what the template takes for the present, if it asks.

        Raises:
            ValueError: messages that are none or too many, a template that refuses them, fails, takes too long or
                rewrites them by their letters, or a text that the tokenizer refuses.
        """
        _check(messages)
        names = [name for name in tokenizer.named if len(name) > 1]
        marks = _marks("".join([self.source, *names, *(message["content"] for message in messages)]))
        marked = [{**message, "content": _marked(message["content"], names, marks)} for message in messages]
        text, plain = self._render([marked, messages], tokenizer, add_generation_prompt, now)
        if _unmarked(text, marks) != plain:
            self._refuse_touching(messages, names)
            text = plain
        return _ids(text, marks, names, tokenizer)

    def render(
        self,
        messages: Sequence[Mapping[str, str]],
        tokenizer: ChatTokenizer,
        *,
        add_generation_prompt: bool = True,
        now: datetime | None = None,
    ) -> str:
        """The text that the template writes of a conversation; see `encode`, which alone tells typed names apart.

        Raises:
            ValueError: as `encode`.
        """
        _check(messages)
        return self._render([messages], tokenizer, add_generation_prompt, now)[0]

    def _render(
        self, conversations: Sequence[Any], tokenizer: ChatTokenizer, prompt: bool, now: datetime | None
    ) -> list[str]:
        """What the template writes of each conversation, by a process of its own."""
        ends = {"bos_token": tokenizer.bos_id, "eos_token": tokenizer.eos_id}
        asked = {
            "template": self.source,
            "conversations": [[dict(message) for message in messages] for messages in conversations],
            "values": {name: tokenizer.label(token) for name, token in ends.items()}
            | {"add_generation_prompt": prompt},
            "now": (now or datetime.now()).isoformat(),
            "seconds": CPU_SECONDS,
            "bytes": BYTES,
            "characters": 4 * MOST_CHARACTERS,
        }
        program = [sys.executable, "-I", str(Path(__file__).with_name("chat_render.py"))]
        try:
            done = subprocess.run(
                program, input=json.dumps(asked).encode(), capture_output=True, timeout=WALL_SECONDS, check=False
            )
            answer = json.loads(done.stdout) if not done.returncode else {}
        except (subprocess.TimeoutExpired, ValueError):
            answer = {}
        except OSError as error:
            raise CheckpointError(f"no process could be started for the chat template: {error}; try again") from error
        if "texts" in answer:
            return [str(text) for text in answer["texts"]]
        why = answer.get("error", f"it takes more than {CPU_SECONDS} s, or its process was ended")
        raise CheckpointError(
            f"the chat template in {self.path} cannot write this conversation: {why}; change the conversation, or "
            f"write the prompt by hand"
        )

    def _refuse_touching(self, messages: Sequence[Mapping[str, str]], names: Sequence[str]) -> None:
        """Refuses messages whose text could be part of a name; the others need no mark."""
        for at, message in enumerate(messages):
            if name := next((name for name in names if _touches(message["content"].strip(), name)), None):
                raise CheckpointError(
                    f"the chat template in {self.path} rewrites message {at} by its letters, so {brief(name)} or a "
                    f"part of it in the message cannot be told from the template's own; remove it from the message"
                )


def _default(said: Any) -> Any:
    """Of several templates with names, the one for chatting."""
    if not isinstance(said, list):
        return said
    named = {entry.get("name"): entry.get("template") for entry in said if isinstance(entry, dict)}
    return named.get("default", said)


def _text(said: Any, path: Path) -> str:
    if not isinstance(said, str):
        raise CheckpointError(f"{path} has the chat template {brief(said)}; it must be a text")
    return said


def _check(messages: Sequence[Mapping[str, str]]) -> None:
    """Refuses what is no conversation."""
    if not 0 < len(messages) <= MOST_MESSAGES:
        raise ValueError(f"the conversation has {len(messages)} messages; it may have 1 to {MOST_MESSAGES}")
    for at, message in enumerate(messages):
        role, content = message.get("role"), message.get("content")
        if {*message} != {"role", "content"} or not isinstance(role, str) or not isinstance(content, str):
            raise ValueError(f"message {at} is {brief(message)}; it must have a role and a content, both texts")
        if not _ROLE.fullmatch(role):
            raise ValueError(f"message {at} has the role {brief(role)}; roles are like user, assistant and system")
        refuse_surrogates(content)
    if (total := sum(len(message["content"]) for message in messages)) > MOST_CHARACTERS:
        raise ValueError(f"the conversation has {total:,} characters; it may have {MOST_CHARACTERS:,}: shorten it")


def _marks(taken: str) -> tuple[str, str, str]:
    """Three characters that occur nowhere: before a message, behind it, and within a name."""
    held = {*taken}
    free = [character for character in map(chr, _PRIVATE) if character not in held]
    if len(free) < 3:
        raise ValueError("the conversation holds nearly every character of plane 15; remove some of them")
    begin, end, within = secrets.SystemRandom().sample(free, 3)
    return begin, end, within


def _marked(content: str, names: Sequence[str], marks: tuple[str, str, str]) -> str:
    """A message with marks at both ends, within the spaces that a template may cut off, and in every name."""
    begin, end, within = marks
    body = content.strip()
    if not body:
        return content
    at = content.index(body)
    before, behind = content[:at], content[at + len(body) :]
    for name in names:
        while name in body:
            body = body.replace(name, name[0] + within + name[1:])
    return f"{before}{begin}{body}{end}{behind}"


def _unmarked(text: str, marks: tuple[str, str, str]) -> str:
    return text.translate({ord(mark): None for mark in marks})


def _touches(content: str, name: str) -> bool:
    """Whether a text holds a name, or begins or ends with a part of one."""
    parts = range(1, len(name))
    return name in content or any(content.endswith(name[:at]) or content.startswith(name[at:]) for at in parts)


def _ids(text: str, marks: tuple[str, str, str], names: Sequence[str], tokenizer: ChatTokenizer) -> list[int]:
    """Names that the template wrote as their ids, and the text between them."""
    begin, end, _ = marks
    said = "".join(mark for mark in text if mark in (begin, end))
    paired = said == (begin + end) * (len(said) // 2)  # a template may cut a message in two
    found = re.compile("|".join([begin, end, *map(re.escape, sorted(names, key=len, reverse=True))]))
    ids: list[int] = []
    at, in_message = 0, False
    for match in [*found.finditer(text), None]:
        if match and (match[0] in (begin, end) or in_message):
            in_message = paired and (match[0] == begin or (in_message and match[0] != end))
            continue
        between = _unmarked(text[at : match.start() if match else len(text)], marks)
        if between:
            ids += tokenizer.encode_after_control(between) if ids else tokenizer.encode(between, bos=False)
        if match:
            ids.append(tokenizer.named[match[0]])
            at = match.end()
    return ids
