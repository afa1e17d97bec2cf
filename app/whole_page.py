"""A page that was drawn reaches the browser whole, also where a part of it is drawn again at once.

Streamlit 1.67 empties the queue of what is still to be sent when a script begins. Where a fragment begins, it drops
what that fragment drew before, which is about to come again, but still says that the page before it is complete: the
browser then takes away the picture that it did not get, and mounts another one a moment later, blank until it is drawn.
On a busy machine that came with one click in thirty that leads to another text (Streamlit's pull requests 9187 and 9381
mend two others of this kind).
"""

from __future__ import annotations

from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.runtime import app_session
from streamlit.runtime.forward_msg_queue import ForwardMsgQueue


class WholePages(ForwardMsgQueue):
    """What goes to one browser; up to the end of a page nothing is dropped for a fragment that begins after it."""

    def clear(self, retain_lifecycle_msgs: bool = False, fragment_ids_this_run: list[str] | None = None) -> None:
        """Drops what need not be sent any more; arguments as of Streamlit's."""
        ends = [number for number, message in enumerate(self._queue, start=1) if _ends_a_page(message)]
        end = ends[-1] if ends and fragment_ids_this_run is not None else 0
        page, self._queue = self._queue[:end], self._queue[end:]
        super().clear(retain_lifecycle_msgs, fragment_ids_this_run)
        self._queue = page + self._queue


def send_pages_whole() -> None:
    """For every session that begins from now on."""
    vars(app_session)["ForwardMsgQueue"] = WholePages


def _ends_a_page(message: ForwardMsg) -> bool:
    """Whether it makes the browser take away what the page did not draw."""
    return (
        message.WhichOneof("type") == "script_finished" and message.script_finished == ForwardMsg.FINISHED_SUCCESSFULLY
    )
