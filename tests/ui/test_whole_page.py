"""What is still to be sent of a page when one of its fragments is drawn again."""

import pytest
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.runtime import app_session
from streamlit.runtime.forward_msg_queue import ForwardMsgQueue

from app.whole_page import WholePages, send_pages_whole


def drawn(text, *path, fragment=""):
    message = ForwardMsg()
    message.metadata.delta_path.extend(path)
    message.delta.new_element.markdown.body, message.delta.fragment_id = text, fragment
    return message


def finished(how=ForwardMsg.FINISHED_SUCCESSFULLY):
    message = ForwardMsg()
    message.script_finished = how
    return message


def said(queue):
    return [
        message.delta.new_element.markdown.body if message.HasField("delta") else int(message.script_finished)
        for message in queue.flush()
    ]


@pytest.fixture
def page():
    """A page with a picture in a fragment; nothing of it is sent yet."""

    def filled(kind=WholePages):
        queue = kind()
        for message in (drawn("title", 0, 0), drawn("picture", 0, 1, fragment="one"), finished()):
            queue.enqueue(message)
        return queue

    return filled


def test_the_picture_of_a_page_is_sent_before_its_end_and_the_next_one_after_it(page):
    queue = page()
    queue.clear(retain_lifecycle_msgs=True, fragment_ids_this_run=["one"])
    queue.enqueue(drawn("next picture", 0, 1, fragment="one"))
    queue.enqueue(finished(ForwardMsg.FINISHED_FRAGMENT_RUN_SUCCESSFULLY))
    assert said(queue) == ["title", "picture", 0, "next picture", 3]


def test_streamlit_itself_still_needs_this(page):
    """Remove `app/whole_page.py` when this fails."""
    queue = page(ForwardMsgQueue)
    queue.clear(retain_lifecycle_msgs=True, fragment_ids_this_run=["one"])
    assert said(queue) == ["title", 0]


def test_what_a_fragment_drew_after_the_page_makes_room_for_what_it_draws_now(page):
    queue = page()
    for _ in range(2):
        queue.clear(retain_lifecycle_msgs=True, fragment_ids_this_run=["one"])
        queue.enqueue(drawn("old", 0, 1, fragment="one"))
    queue.clear(retain_lifecycle_msgs=True, fragment_ids_this_run=["one"])
    assert said(queue) == ["title", "picture", 0]


@pytest.mark.parametrize("kind", [WholePages, ForwardMsgQueue])
def test_a_page_that_begins_anew_drops_the_one_before_as_ever(page, kind):
    queue = page(kind)
    queue.clear(retain_lifecycle_msgs=True)
    assert said(queue) == [int(ForwardMsg.FINISHED_EARLY_FOR_RERUN)]


def test_sessions_have_it_from_the_start_of_the_server(monkeypatch):
    monkeypatch.setattr(app_session, "ForwardMsgQueue", ForwardMsgQueue)
    send_pages_whole()
    assert app_session.ForwardMsgQueue is WholePages
