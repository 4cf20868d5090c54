"""JobService."""

from google.longrunning import operations_pb2

from gleann.index.errors import InvalidParamsError
from gleann.service.application import Application
from gleann.v1 import job_pb2, job_pb2_grpc


class JobServicer(job_pb2_grpc.JobServiceServicer):
    """Servicer that pauses, resumes and retries operations, and shows their logs."""

    def __init__(self, application: Application) -> None:
        self._application = application

    def PauseJob(  # noqa: N802
        self, request: job_pb2.PauseJobRequest, _: object
    ) -> operations_pb2.Operation:
        """Pause an operation."""
        return self._application.jobs.pause(request.name)

    def ResumeJob(  # noqa: N802
        self, request: job_pb2.ResumeJobRequest, _: object
    ) -> operations_pb2.Operation:
        """Queue an operation again that was paused."""
        return self._application.jobs.resume(request.name)

    def RetryJob(  # noqa: N802
        self, request: job_pb2.RetryJobRequest, _: object
    ) -> operations_pb2.Operation:
        """Start the work of an operation again that has failed or was cancelled."""
        return self._application.receipts.once(
            request, self._application.asked_again, operations_pb2.Operation
        )

    def GetJobLog(  # noqa: N802
        self, request: job_pb2.GetJobLogRequest, _: object
    ) -> job_pb2.JobLog:
        """Return the latest lines of a log."""
        if request.after < 0:
            raise InvalidParamsError(f"after must be at least 0, got {request.after}")
        lines, last = self._application.jobs.log(request.name, after=request.after)
        return job_pb2.JobLog(lines=lines, last=last)
