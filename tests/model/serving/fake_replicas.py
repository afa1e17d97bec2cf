"""Replicas in this process, over a transport that can lose them: what is tested of many machines without Ray."""

from __future__ import annotations

import pickle
from collections import Counter

from mistral_core.serving.remote.replica import Replica
from mistral_core.serving.remote.sticky import ranking
from mistral_core.serving.remote.transport import GoneError, SilentError
from mistral_core.serving.remote.wire import News


class Fakes:
    """Named replicas, and the calls to them; everything goes through pickle, as it would between processes.

    Attributes:
        calls: by method. news: all that came. silent: whether calls are heard and not answered.
    """

    def __init__(self, make, *names):
        self.make, self.replicas, self.calls, self.came = make, {}, Counter(), []
        self.silent = False
        for name in names:
            self.start(name)

    def start(self, name):
        self.replicas[name] = Replica(self.make(), name)

    def kill(self, name):
        """Nothing of it is left."""
        self.replicas.pop(name).engine.close()

    def close(self):
        for name in list(self.replicas):
            self.kill(name)

    def submit(self, order):
        return self._call(self._of(order.session), "submit", order)

    def news(self, at, asks):
        bulletin = self._call(at, "news", asks)
        self.came += bulletin.news
        return bulletin

    def command(self, at, key, command, *goal):
        return self._call(at, "command", key, command, *goal)

    def said(self, at, name):
        return self._call(at or self._of(""), "said", name)

    def _of(self, session):
        return next(iter(ranking(session, self.replicas)), "")

    def _call(self, name, method, *arguments):
        self.calls[method] += 1
        if name not in self.replicas:
            raise GoneError(name)
        answer = getattr(self.replicas[name], method)(*pickle.loads(pickle.dumps(arguments)))
        if self.silent:
            raise SilentError(method)
        return pickle.loads(pickle.dumps(answer))


def tokens_of(news: list[News]) -> int:
    return sum(len(one.token_ids) for one in news)
