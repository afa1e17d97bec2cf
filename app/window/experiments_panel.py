"""Below the picture: one experiment at a time, chosen by its question."""

from __future__ import annotations

from app.session.desk import Desk


def experiments(desk: Desk) -> None:
    """To come."""
