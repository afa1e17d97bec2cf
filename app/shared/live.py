"""A picture that is drawn again while a run grows or something is measured."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import streamlit as st
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.scriptrunner_utils.script_run_context import ThreadState

from app.session import state
from app.session.address import keep_address
from app.session.delivery import Delivery
from app.session.desk import Desk
from app.session.looks import looks
from app.session.visible import Payload
from app.shared.picture import Picture
from app.wire import pack
from app.wire_types import problems_of_event

REST = 0.7
"""Of the time between two looks: what was sent may be answered in it."""
ON_ITS_WAY = 0.02
"""Seconds between the picture of another run and the page around it, drawn anew: what Streamlit has not sent by then is
dropped (it sends every 5 ms), and the whole page costs three times what the picture does."""
Act = Callable[[Desk, Any], None]
"""What is done on the desk about something that a picture says."""


def live_picture(
    desk: Desk,
    picture: Picture,
    payload: Callable[[Desk], Payload],
    *,
    key: str,
    every: float,
    busy: Callable[[Desk], bool],
    polling: bool,
    acts: Mapping[str, Act],
    delivery: Delivery | None = None,
    more_address: Callable[[Desk], dict[str, str]] | None = lambda desk: {},
    after: Callable[[Any], None] = lambda result: None,
) -> None:
    """Shows the run, looks again while there is something to wait for, and stops looking when that has ended.

    Args:
        payload: what goes to the browser now. key: of the mounted picture. every: seconds between two looks, where no
            more pages look than the machine bears.
        busy: whether there is something to wait for. polling: what it said before the page was drawn, so that
            the rest of the page is drawn anew when that is no longer so.
        acts: by event of the picture, what is done about it.
        delivery: where what the browser holds is noted, for a run that goes by growth.
        more_address: what the page adds to the address; `None` = the address is not this picture's.
        after: is given the picture's result.
    """
    run = desk.current
    if delivery is not None:
        acts = {
            "ack": lambda _, event: delivery.acknowledge(event),
            "need": lambda _, event: delivery.send_again(event),
            **acts,
        }

    page = (desk.session, key)
    used = looks.every(every) if polling else every

    @st.fragment(run_every=used if polling else None)
    def look() -> None:
        nonlocal used
        began = time.thread_time()
        unfinished = busy(desk)  # before it is drawn: what ends in between is drawn at the next look
        if delivery is not None:
            delivery.rest = REST * used if unfinished and used > every else 0.0
        status = st.empty()
        data = payload(desk)
        if data.waiting:
            status.caption(data.waiting)
        after(picture.show(pack(data.parts), key=key, **callbacks(desk, picture.name, key, acts)))
        if more_address is not None:
            keep_address(desk, st.query_params, **more_address(desk))
        if (unfinished or data.unfinished) != polling or desk.notice or desk.current != run:
            looks.over(page)
            if desk.current != run and not data.waiting:
                time.sleep(ON_ITS_WAY)
            st.rerun()
        if polling:
            looks.took(page, time.thread_time() - began)
            if (now := looks.every(every, used)) != used:
                used = now
                _look_every(used)

    look()


def _look_every(seconds: float) -> None:
    """From now on the browser asks for this fragment so often. Streamlit says it when a whole page is drawn alone."""
    context = get_script_run_ctx(suppress_warning=True)
    fragment = ThreadState.get().fragment_id if context is not None else None
    if context is not None and fragment is not None:
        message = ForwardMsg()
        message.auto_rerun.interval, message.auto_rerun.fragment_id = seconds, fragment
        context.enqueue(message)


def callbacks(desk: Desk, name: str, key: str, acts: Mapping[str, Act]) -> dict[str, Callable[[], None]]:
    """By event, what the picture `name` mounted under `key` calls when it says something: an act with what it said.

    What is not as `app/<name>/messages.py` writes it down is refused, with a sentence. The page that is open
    says nothing about it: a picture's last word may come when its visitor has gone on to another page.
    """

    def passing(event_name: str, act: Act) -> Callable[[], None]:
        def callback() -> None:
            event = state.component_state(key).get(event_name)
            if not event:
                return
            if wrong := problems_of_event(name, event_name, event):
                desk.notice = f"The picture said something that cannot be: {wrong[0]}. Reload the page."
                return
            act(desk, event)

        return callback

    return {event_name: passing(event_name, act) for event_name, act in acts.items()}
