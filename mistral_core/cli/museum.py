"""The command `museum`: historical mistakes of rolling caches, on a copy of the computation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from mistral_core.checkpoint.registry import DEFAULT_MODEL
from mistral_core.cli.flags import CHECK, Device, Dtype, Json, Model
from mistral_core.cli.run import load, print_json, report, status

if TYPE_CHECKING:
    from mistral_core.checkpoint.load import LoadedModel
    from mistral_core.museum.exhibits import Exhibit


def register(app: typer.Typer) -> None:
    """Adds the command of this file."""
    app.command("museum", rich_help_panel=CHECK)(museum)


def museum(
    mistake: Annotated[str | None, typer.Argument(help="Its name; without one, all of them are listed.")] = None,
    text: Annotated[str | None, typer.Option(help="What is read.", show_default="a story")] = None,
    caught: Annotated[bool, typer.Option("--verify/--no-verify", help="Ask verify about the faulty copy.")] = True,
    model: Model = DEFAULT_MODEL,
    dtype: Dtype = "float32",
    device: Device = "cpu",
    as_json: Json = False,
) -> None:
    """Make a historical mistake on a copy of the model: where it errs, what it writes, which check catches it."""
    from mistral_core.museum.exhibits import EXHIBITS, exhibit

    if mistake is None:
        listed = [{"name": one.name, "title": one.title, "story": one.story, "seen": one.seen} for one in EXHIBITS]
        lines = "\n".join(f"{one.name:<18} {one.title}" for one in EXHIBITS)
        print_json(listed) if as_json else typer.echo(lines)
        return
    chosen = exhibit(mistake)
    content = _measured(load(model, dtype, device), chosen, text, caught)
    status("")
    print_json(content) if as_json else typer.echo(_text(content))


def _measured(loaded: LoadedModel, chosen: Exhibit, text: str | None, ask_verify: bool) -> dict[str, Any]:
    from mistral_core.checkpoint.golden import TEXT
    from mistral_core.museum.caught import caught_by
    from mistral_core.museum.exhibits import MOST
    from mistral_core.museum.reading import compare
    from mistral_core.verification.verify import to_json

    tokenizer = loaded.tokenizer
    ids = tokenizer.encode(TEXT if text is None else text)[:MOST]
    compared = compare(loaded.model, chosen, ids, stop=tokenizer.eos_id, report=report)
    content: dict[str, Any] = {
        "model": loaded.name,
        "mistake": chosen.name,
        "title": chosen.title,
        "story": chosen.story,
        "lesson": chosen.lesson,
        "seen": chosen.seen,
        "tokens": [tokenizer.label(token) for token in ids],
        "expected_from": compared.expected,
        "errs_from": compared.errs_from,
        "error": compared.error.tolist(),
        "kl": compared.kl.tolist(),
        "written": tokenizer.decode(list(compared.right)),
        "written_with_it": tokenizer.decode(list(compared.wrong)),
    }
    if ask_verify:
        caught_lines = caught_by(loaded, chosen, report=report)
        content |= {
            "caught_by": caught_lines.by,
            "by_another_program_alone": caught_lines.by_others_alone,
            "verify": [
                {**line, "verdict": verdict}
                for line, verdict in zip(to_json(caught_lines.lines), caught_lines.verdicts, strict=True)
            ],
        }
    return content


def _text(content: dict[str, Any]) -> str:
    first, error = content["errs_from"], content["error"]
    since = "no bit is another one" if first is None else f"equal bit for bit before position {first}"
    lines = [
        f"{content['title']}. {content['story']}",
        f"Seen: {'; '.join(content['seen'])}.",
        f"{content['model']}, {len(error)} tokens: {since}, largest error of a logit {max(error):.3g}, "
        f"largest KL {max(content['kl']):.3g} nats",
        f"as it is:  {content['written']!r}",
        f"with it:   {content['written_with_it']!r}",
    ]
    if "caught_by" in content:
        lines.append(f"verify: {_caught(content)}")
    return "\n".join([*lines, content["lesson"]])


def _caught(content: dict[str, Any]) -> str:
    if not content["caught_by"]:
        return "no check fails"
    others = "; only numbers of another program tell" if content["by_another_program_alone"] else ""
    return f"caught by {', '.join(content['caught_by'])}{others}"
