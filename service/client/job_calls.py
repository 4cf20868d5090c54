"""Client calls on the jobs behind operations."""

from typing import Any

from google.longrunning import operations_pb2

from gleann.service.client.connection import Calls, pages_of
from gleann.service.client.modes import M, method
from gleann.service.client.operation import (
    Handle,
    operation_method,
    operations_method,
    read_log,
)
from gleann.service.values import JobLog
from gleann.v1 import job_pb2


class JobCalls(Calls[M]):
    """Calls on jobs, the work of operations: `client.jobs`."""

    @operations_method
    async def list(self, where: str = "") -> list[Handle[Any, Any]]:
        """Operations that meet a condition, oldest first.

        Args:
            where: such as "state = 'failed' AND kind = 'build'", in the language of
                conditions on payload. Its columns are state ("queued",
                "running", "paused", "done", "failed" or "cancelled"), kind, index and
                owner (text), created (a moment), and id, the name of the operation.

        Raises:
            InvalidFilterError: it does not follow the grammar, or names another column.
        """
        if where:
            await self._connection.require_protocol(2, "a condition on operations")
        request = operations_pb2.ListOperationsRequest(name="operations", filter=where)
        return [
            self._connection.operation(message)
            async for page in pages_of(self._stubs.operations.ListOperations, request)
            for message in page.operations
        ]

    @operation_method
    async def pause(self, name: str) -> Handle[Any, Any]:
        """Stop an operation until it is resumed, also over restarts of the server.

        One that runs stops at its next report of progress.

        Raises:
            UnknownJobError: no such operation.
            NotReadyError: it has ended.
        """
        request = job_pb2.PauseJobRequest(name=name)
        return self._connection.operation(await self._stubs.job.PauseJob(request))

    @operation_method
    async def resume(self, name: str) -> Handle[Any, Any]:
        """Queue an operation again that was paused.

        Raises:
            UnknownJobError: no such operation.
            NotReadyError: it has ended.
        """
        request = job_pb2.ResumeJobRequest(name=name)
        return self._connection.operation(await self._stubs.job.ResumeJob(request))

    @operation_method
    async def retry(self, name: str, *, request_id: str = "") -> Handle[Any, Any]:
        """Ask for the work of an operation again that has failed or was cancelled.

        Args:
            name: the operation.
            request_id: a repeat with the same string returns the same new operation.

        Returns:
            The new operation.

        Raises:
            UnknownJobError: no such operation.
            NotReadyError: it has neither failed nor was it cancelled.
            GleannError: as where the work was asked for first.
        """
        request = job_pb2.RetryJobRequest(name=name, request_id=request_id)
        return self._connection.operation(await self._stubs.job.RetryJob(request))

    @method
    async def log(self, name: str, *, after: int = 0) -> JobLog:
        """The latest lines of an operation's log; at most 200 are kept.

        Args:
            name: the operation.
            after: only lines after this one; 0 for all that are kept.

        Raises:
            UnknownJobError: no such operation.
            InvalidParamsError: after is negative.
        """
        return await read_log(self._stubs, name, after=after)
