"""What the page start sends: the recorded run with its alternatives, and the story of one word."""

from __future__ import annotations

from app.next_word.payload import next_word_parts
from app.next_word.stages import recorded_block
from app.start.messages import Story
from app.wire import Parts
from mistral_core.trace.trace import Trace


def start_parts(trace: Trace, story: Story | None) -> Parts:
    """The whole recording.

    Args:
        story: from `app.start.example`; `None` = it belongs to another recording.

    Raises:
        KeyError: the run is not a distilled one.
    """
    stages = recorded_block(trace, 0, len(trace))
    run = next_word_parts(trace, run=f"start-{trace.model_hash[:12]}", picture="start", stages=stages)
    return run | Parts({"story": story})
