"""The two modes of a client, blocking and awaited, from one body of code.

A call is written once, as an `async def` that awaits the stubs. In the blocking mode
the stubs answer before they return: the coroutine never waits, and is run to its end at
once. In the other mode the caller's event loop awaits it. The decorators, here and in
`gleann.service.client.operation`, say what each mode makes of a body:

    decorator           result of the body     in Client      in AsyncClient, awaited
    @method             T                      T              T
    @operation_method   Handle[Any, T]         Operation[T]   AsyncOperation[T]
    @operations_method  list of those          list of those  list of those
    @iterator_method    AsyncGenerator[T]      Iterator[T]    AsyncIterator[T], at once
"""

import asyncio
import time
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Awaitable,
    Callable,
    Coroutine,
    Iterator,
    Sequence,
)
from concurrent.futures import ThreadPoolExecutor, wait
from copy import copy
from functools import wraps
from types import MethodType
from typing import (
    TYPE_CHECKING,
    Any,
    Concatenate,
    Generic,
    NamedTuple,
    NoReturn,
    ParamSpec,
    Protocol,
    Self,
    TypeVar,
    overload,
)

P = ParamSpec("P")
T = TypeVar("T")
Now = TypeVar("Now")
Later = TypeVar("Later")
Item = TypeVar("Item")


class Forms(NamedTuple):
    """The two forms of a method.

    Attributes:
        body: the `async def`, or what returns an asynchronous generator.
        blocking: runs it to its end.
    """

    body: Callable[..., Any]
    blocking: Callable[..., Any]


class Mode(Protocol):
    """How methods return, and how a call waits."""

    def bound(self, forms: Forms, instance: object) -> Callable[..., Any]:
        """The method that callers of an instance get."""

    async def sleep(self, seconds: float) -> None:
        """Wait."""

    async def aside(self, work: Callable[[], T]) -> T:
        """Do work that may block for a moment."""

    async def for_each(
        self,
        call: Callable[[Item], Awaitable[None]],
        items: Sequence[Item],
        *,
        parallel: int,
    ) -> None:
        """Call for every item, with at most `parallel` calls under way.

        Raises:
            The first exception of a call, when those under way have ended; no further
            ones are begun.
        """


M = TypeVar("M", bound=Mode)


class Blocking:
    """Methods return when they are done."""

    def bound(self, forms: Forms, instance: object) -> Callable[..., Any]:
        """The blocking function."""
        return MethodType(forms.blocking, instance)

    async def sleep(self, seconds: float) -> None:
        """Block this thread."""
        time.sleep(seconds)

    async def aside(self, work: Callable[[], T]) -> T:
        """Do it here."""
        return work()

    async def for_each(
        self,
        call: Callable[[Item], Awaitable[None]],
        items: Sequence[Item],
        *,
        parallel: int,
    ) -> None:
        """As `Mode.for_each`: in this thread, or in `parallel` threads."""
        queue = _Queue(items)
        if (count := min(parallel, len(items))) <= 1:
            await queue.work(call)
            return
        with ThreadPoolExecutor(count, "gleann-upload") as pool:
            ends = [pool.submit(run, queue.work(call)) for _ in range(count)]
            try:
                wait(ends)
            except BaseException:
                queue.stop()
                raise
        for end in ends:
            end.result()


class Awaiting:
    """Methods are awaited in an event loop of asyncio."""

    def bound(self, forms: Forms, instance: object) -> Callable[..., Any]:
        """The coroutine function."""
        return MethodType(forms.body, instance)

    async def sleep(self, seconds: float) -> None:
        """Let the event loop go on."""
        await asyncio.sleep(seconds)

    async def aside(self, work: Callable[[], T]) -> T:
        """Do it in a thread."""
        return await asyncio.to_thread(work)

    async def for_each(
        self,
        call: Callable[[Item], Awaitable[None]],
        items: Sequence[Item],
        *,
        parallel: int,
    ) -> None:
        """As `Mode.for_each`, in `parallel` tasks; all end if the caller's does."""
        queue = _Queue(items)
        count = max(1, min(parallel, len(items)))
        works = (queue.work(call) for _ in range(count))
        for end in await asyncio.gather(*works, return_exceptions=True):
            if end is not None:
                raise end


class _Queue(Generic[Item]):
    """Items that several workers share."""

    def __init__(self, items: Sequence[Item]) -> None:
        self._left = iter(items)

    async def work(self, call: Callable[[Item], Awaitable[None]]) -> None:
        """Call for one item after the other, until none is left or a call fails."""
        try:
            while (item := next(self._left, None)) is not None:
                await call(item)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Leave the rest."""
        self._left = iter(())


class InMode(Generic[M]):
    """What has methods for one of the two modes."""

    _mode: M

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            f"a {type(self).__name__} cannot be pickled or copied, since it belongs to"
            " its process: open a client in each process, with the same target"
        )


class Member(Generic[P, Now, Later]):
    """A method that is written once.

    Attributes:
        body: the `async def`; called with the instance as its first argument.
    """

    def __init__(
        self,
        body: Callable[Concatenate[Any, P], Later],
        drive: Callable[[Any], Any],
    ) -> None:
        """Make a descriptor of a body; `drive` runs what it returns to its end."""
        self.body = body
        self.__doc__ = body.__doc__
        self._group = ""

        @wraps(body)
        def blocking(*arguments: Any, **named: Any) -> Any:
            return drive(body(*arguments, **named))

        self._forms = Forms(body, blocking)

    def short_for(self, group: str) -> Self:
        """The same method as a short form: of the calls at the attribute `group`."""
        short = copy(self)
        short._group = group
        return short

    if TYPE_CHECKING:

        @overload
        def __get__(self, instance: None, owner: type) -> Self: ...
        @overload
        def __get__(
            self, instance: InMode[Blocking], owner: type
        ) -> Callable[P, Now]: ...
        @overload
        def __get__(
            self, instance: InMode[Awaiting], owner: type
        ) -> Callable[P, Later]: ...

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        if instance is None:
            return self
        if self._group:
            instance = getattr(instance, self._group)
        return instance._mode.bound(self._forms, instance)


def method(
    body: Callable[Concatenate[Any, P], Coroutine[Any, Any, T]],
) -> Member[P, T, Coroutine[Any, Any, T]]:
    """A method whose result is returned, or awaited."""
    return Member(body, run)


def iterator_method(
    body: Callable[Concatenate[Any, P], AsyncGenerator[T, None]],
) -> Member[P, Iterator[T], AsyncIterator[T]]:
    """A method that yields its results, when they are asked for."""
    made: Any = Member(body, iterate)
    return made


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that never waits to its end, and return its result."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        result: T = end.value
        return result
    coroutine.close()
    raise RuntimeError("a coroutine of the blocking mode waited for an event loop")


def iterate(generator: AsyncGenerator[T, None]) -> Iterator[T]:
    """Yield what an asynchronous generator that never waits yields."""
    try:
        while True:
            try:
                yield run(generator.__anext__())
            except StopAsyncIteration:
                return
    finally:
        run(generator.aclose())
