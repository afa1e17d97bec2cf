"""What is asked of the page window: with how many keys in sight the text is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from app.session.numbers import short, whole
from mistral_core.config import MistralConfig, Window

NARROWEST_RANGE = 32
"""The slider goes at least so far, so that windows wider than the model's own can be tried."""
WIDEST = 256
"""And at most so far: a wider band does not fit on a screen."""


def widest_choice(config: MistralConfig) -> int:
    """The largest window that can be chosen: twice the model's own, and a part of the text where it has none."""
    own = [window for window in config.windows if window is not None]
    return min(WIDEST, max(NARROWEST_RANGE, 2 * max(own, default=WIDEST // 4)))


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What is asked.

    Attributes:
        window: W of every layer; `None` = as the model is. plus: every window has one key more.
    """

    window: int | None = None
    plus: bool = False

    def inside(self, config: MistralConfig) -> Choice:
        """The same for a model.

        Raises:
            ValueError: a window that cannot be chosen; it says which can.
        """
        widest = widest_choice(config)
        if self.window is not None and not 1 <= self.window <= widest:
            raise ValueError(f"the window is {short(str(self.window))}; here it can be 1 to {widest} tokens")
        return self

    def windows(self, config: MistralConfig, *, plus: bool | None = None) -> tuple[Window, ...]:
        """Of all layers. A layer without a window has no key more.

        Args:
            plus: in place of what was chosen.
        """
        windows = config.windows if self.window is None else (self.window,) * config.n_layers
        more = self.plus if plus is None else plus
        return tuple(None if window is None else window + more for window in windows)

    def query(self) -> dict[str, str]:
        """As the parameters of a URL; what has its default is left out."""
        query = {} if self.window is None else {"w": str(self.window)}
        return query | ({"plus": "1"} if self.plus else {})


def choice_from_query(query: Mapping[str, str]) -> Choice | None:
    """Reads what `Choice.query` wrote; `None` where the URL says nothing of it.

    Raises:
        ValueError: a window that is no whole number.
    """
    if not {"w", "plus"} & query.keys():
        return None
    return Choice(window=whole(query, "w") if "w" in query else None, plus=query.get("plus", "0") == "1")
