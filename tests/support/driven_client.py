"""An `AsyncClient` behind the interface of `Client`: one script runs on both."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterator
from inspect import isasyncgen, iscoroutine
from typing import Any

from gleann.service.client.modes import InMode


class Driven:
    """The methods of an object in the awaited mode, each run to its end.

    Attributes:
        of: the object.
        called: the functions of the methods that were called.
    """

    def __init__(
        self,
        of: Any,
        loop: asyncio.AbstractEventLoop,
        called: set[Any],
    ) -> None:
        self.of = of
        self._loop = loop
        self.called = called

    def __getattr__(self, name: str) -> Any:
        value = getattr(self.of, name)
        if isinstance(value, InMode):
            return Driven(value, self._loop, self.called)
        if not callable(value):
            return value

        def call(*arguments: Any, **named: Any) -> Any:
            self.called.add(value.__func__)
            return self._end(value(*map(self._given, arguments), **named))

        return call

    def _given(self, value: Any) -> Any:
        return value.of if isinstance(value, Driven) else value

    def _end(self, result: Any) -> Any:
        if isinstance(result, InMode):
            return self._wrapped(result)
        if isasyncgen(result):
            return self._yielded(result)
        assert iscoroutine(result), f"{result!r} is not awaited"
        return self._wrapped(self._loop.run_until_complete(result))

    def _yielded(self, results: AsyncIterator[Any]) -> Iterator[Any]:
        async def following() -> Any:
            return await anext(results, None)

        while (one := self._loop.run_until_complete(following())) is not None:
            yield one

    def _wrapped(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._wrapped(one) for one in value]
        if isinstance(value, InMode):
            return Driven(value, self._loop, self.called)
        return value


def finished(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run a test that is a coroutine; it may take a minute."""
    return asyncio.run(asyncio.wait_for(coroutine, 60))
