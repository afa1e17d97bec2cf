"""A model of the browser's side of the delivery, after the rules of `app/kit/store.js` and `app/kit/playhead.js`.

Written from those files, not from Python's side: it appends what follows, drops what Python does not have,
forgets a text that differs, asks for what is missing, and says what it holds after every payload that
contained something.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from app.wire import Parts

BY_TOKEN = ("probability", "rank", "entropy", "pattern", "keys", "values")
ASK_EVERY = 4
"""Ticks between two askings, as the browser asks at most once a second."""


class Browser:
    """What one picture holds of one run."""

    def __init__(self) -> None:
        self.clock = 0
        self.ids: list[int] = []
        self.rows: dict[str, list[np.ndarray]] = {}
        self.steps: dict[int, tuple[str, Any]] = {}
        self.stages: tuple[str | None, int] = (None, 0)
        self.extras: tuple[str | None, dict[str, np.ndarray]] = (None, {})
        self.said: Any = None
        self.asked_at = -ASK_EVERY
        self.useless = 0

    def take(self, parts: Parts) -> list[tuple[str, dict[str, Any]]]:
        """One payload; what the browser says about it."""
        self.clock += 1
        header, arrays = parts
        start, stop, tokens = header["from"], header["to"], header["tokens"]
        before = (len(self.ids), self.stages, self.extras[0])
        self._reconcile(header)
        says = []
        if start > len(self.ids):
            if self.clock - self.asked_at >= ASK_EVERY:
                self.asked_at = self.clock
                says.append(("need", {"run": header["run"], "from": len(self.ids), "n": self.clock}))
        elif stop > len(self.ids):
            skip = len(self.ids) - start
            self.ids += [token[2] for token in tokens[skip:]]
            for name in BY_TOKEN:
                if name in arrays:
                    self.rows.setdefault(name, []).extend(arrays[name][skip:])
        if header.get("stages"):
            self._restage(header["stages"], arrays)
        if header.get("extras"):
            names = arrays.keys() - set(BY_TOKEN)
            self.extras = (header["extras"]["key"], {name: arrays[name] for name in names})
        contained = stop > start or header.get("stages") or header.get("extras")
        if contained and before == (len(self.ids), self.stages, self.extras[0]):
            self.useless += 1
        if self.ids:
            says += self._acknowledge(header["run"], bool(contained))
        return says

    def _reconcile(self, header: dict[str, Any]) -> None:
        start, stop = header["from"], header["to"]
        prefix = 0
        for token in self.ids[:start]:
            prefix = (prefix * 31 + token + 1) % 2**32
        overlap = zip(self.ids[start:], header["tokens"], strict=False)
        same = start > len(self.ids) or (prefix == header["prefix"] and all(a == b[2] for a, b in overlap))
        keep = min(len(self.ids), stop) if same else 0
        if keep == len(self.ids):
            return
        self.ids = self.ids[:keep]
        self.rows = {name: rows[:keep] for name, rows in self.rows.items()}
        self.steps = {step: value for step, value in self.steps.items() if step < keep}
        self.stages = (self.stages[0], min(self.stages[1], keep))

    def _restage(self, said: dict[str, Any], arrays: Any) -> None:
        key, start, stop = said["key"], said["from"], said["to"]
        known, to = self.stages
        if key == known and stop <= to and self.steps.get(start, ("",))[0] == key:
            return
        for step in range(start, stop):
            self.steps[step] = (key, arrays["stage_probs"][step - start])
        to = to if key == known else 0
        while self.steps.get(to, ("",))[0] == key:
            to += 1
        self.stages = (key, to)

    def _acknowledge(self, run: str, contained: bool) -> list[tuple[str, dict[str, Any]]]:
        parts = {"stages": list(self.stages), "extras": [self.extras[0], int(self.extras[0] is not None)]}
        what = {"run": run, "to": len(self.ids), "parts": parts}
        if what == self.said and not contained:
            return []
        self.said = what
        return [("ack", {**what, "n": self.clock + 0.5})]
