"""A text at the front: rows that came from a replica, put together to the Trace that an engine here would give."""

from __future__ import annotations

import numpy as np

from mistral_core.request import GenerationRequest
from mistral_core.serving.remote.wire import Head, News
from mistral_core.trace.trace import Trace


class Growing:
    """The rows of one text.

    They outlive the replica that wrote them: one that takes over writes the same tokens, and sends what follows.

    Args:
        parent: the Trace of a run with the same beginning, cut to it; its rows are taken over when the first new
            ones come, and `None` then.
    """

    def __init__(self, request: GenerationRequest, parent: Trace | None = None) -> None:
        self.request, self.finish_reason = request, ""
        self.parent = parent
        self.n = 0 if parent is None else len(parent)
        self.head: Head | None = None
        self.model_hash = ""
        self.token_ids = np.zeros(request.total, np.int64)
        self.probability = np.full(request.total, np.nan)
        self.rank = np.full(request.total, -1, np.int64)
        self.texts: list[str] = []
        self.labels: list[str] = []
        self.arrays: dict[str, np.ndarray] = {}
        self._given: Trace | None = None

    @property
    def tokens(self) -> tuple[int, ...]:
        """All tokens that are here, those of the prompt among them."""
        if self.parent is not None:
            return tuple(self.parent.token_ids.tolist())
        return tuple(self.token_ids[: self.n].tolist())

    @property
    def nbytes(self) -> int:
        """Bytes that it holds; all rows are there from the beginning."""
        own = (self.token_ids, self.probability, self.rank, *self.arrays.values())
        return sum(array.nbytes for array in own) + (0 if self.parent is None else self.parent.nbytes)

    def fits(self, news: News) -> bool:
        """Whether a replica writes what is here: with the same weights, and with all that the parent was to give.

        Where it does not, the text is asked for from its start.
        """
        if not news.model_hash:
            return True
        if self.parent is not None:
            return self.parent.model_hash == news.model_hash and news.arrays.keys() <= self.parent.arrays.keys()
        return self.model_hash in ("", news.model_hash)

    def take(self, news: News) -> int:
        """Adds rows; returns how many tokens are new. A replica that reads the text again is behind and has none.

        Raises:
            ValueError: they are of other weights (`fits`), or a row between is missing.
        """
        before, stop = self.n, news.start + len(news.token_ids)
        if not self.fits(news) or news.start > before:
            raise ValueError(f"rows from {news.start} on do not follow the {before} that are here; ask for all of them")
        if stop < before or not news.model_hash:
            return 0
        if news.head is not None and self.head is None:
            self._begin(news, news.head)
        self._add(news, stop)
        self.finish_reason = news.finish_reason  # last: once it is said, nothing changes any more
        return stop - before

    def trace(self) -> Trace | None:
        """The text so far, as `Run.trace` gives it; `None` = there is nothing yet."""
        ended = self.finish_reason
        n = self.n
        if self.head is None or n == 0:
            return self.parent
        if self._given is not None and (len(self._given), self._given.finish_reason) == (n, ended):
            return self._given
        texts = tuple(self.texts[:n])
        self._given = Trace(
            config=self.head.config,
            model_name=self.head.model_name,
            model_hash=self.model_hash,
            token_ids=self.token_ids[:n],
            positions=np.arange(n),
            token_texts=texts,
            token_labels=tuple(self.labels[:n]),
            text="".join(texts),
            n_prompt=min(len(self.request.prompt_ids), n),
            probability=self.probability[:n],
            rank=self.rank[:n],
            settings=self.request.settings(),
            finish_reason=ended,
            omitted=self.head.omitted,
            arrays={name: array[:n] for name, array in self.arrays.items()},
        )
        return self._given

    def _begin(self, news: News, head: Head) -> None:
        """The first rows say what is recorded and how wide it is."""
        total, parent = self.request.total, self.parent
        self.model_hash = news.model_hash
        self.arrays = {name: np.zeros((total, *rows.shape[1:]), rows.dtype) for name, rows in news.arrays.items()}
        if parent is not None:
            for name, array in self.arrays.items():
                width = min(array.shape[-1], parent[name].shape[-1])  # offsets: runs may differ in max_context
                array[: self.n, ..., :width] = parent[name][..., :width]
            self.token_ids[: self.n] = parent.token_ids
            self.probability[: self.n], self.rank[: self.n] = parent.probability, parent.rank
            self.texts, self.labels = list(parent.token_texts), list(parent.token_labels)
            self.parent = None
        self.head = head

    def _add(self, news: News, stop: int) -> None:
        start = news.start
        self.token_ids[start:stop], self.probability[start:stop] = news.token_ids, news.probability
        self.rank[start:stop] = news.rank
        for name, rows in news.arrays.items():
            self.arrays[name][start:stop] = rows
        self.texts[max(0, start - 1) :] = news.texts
        self.labels[start:] = news.labels
        self.n = stop  # last: other threads read up to here
