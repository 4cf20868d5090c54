"""Round trips of JobService, through a real server."""

from typing import Any

import grpc
import pytest
from google.longrunning import operations_pb2
from round_trips import build, finish, rpc

from gleann.v1 import index_pb2, job_pb2


def cancelled(world: Any) -> str:
    """An operation that has ended, and is listed as such or as done."""
    operation = build(world, "w")
    request = operations_pb2.CancelOperationRequest(name=operation.name)
    world.operations.CancelOperation(request)
    wanted = operations_pb2.WaitOperationRequest(name=operation.name)
    while not world.operations.WaitOperation(wanted).done:
        pass
    return operation.name


def state_of(operation: operations_pb2.Operation) -> int:
    metadata = index_pb2.OperationMetadata()
    assert operation.metadata.Unpack(metadata)
    return metadata.state


def refused(call: Any, request: Any) -> grpc.StatusCode:
    with pytest.raises(grpc.RpcError) as caught:
        call(request)
    return caught.value.code()


@rpc("gleann.v1.JobService/PauseJob")
def pause_job(world: Any) -> None:
    name = finish(world, build(world, "w")).name
    code = refused(world.job.PauseJob, job_pb2.PauseJobRequest(name=name))
    assert code == grpc.StatusCode.FAILED_PRECONDITION


@rpc("gleann.v1.JobService/ResumeJob")
def resume_job(world: Any) -> None:
    name = finish(world, build(world, "w")).name
    code = refused(world.job.ResumeJob, job_pb2.ResumeJobRequest(name=name))
    assert code == grpc.StatusCode.FAILED_PRECONDITION


@rpc("gleann.v1.JobService/RetryJob")
def retry_job(world: Any) -> None:
    request = job_pb2.RetryJobRequest(name=cancelled(world), request_id="once more")
    wanted = operations_pb2.GetOperationRequest(name=request.name)
    if state_of(world.operations.GetOperation(wanted)) == index_pb2.JOB_STATE_DONE:
        code = refused(world.job.RetryJob, request)
        assert code == grpc.StatusCode.FAILED_PRECONDITION
        return
    again = world.job.RetryJob(request)
    assert again.name != request.name
    assert world.job.RetryJob(request).name == again.name
    assert state_of(finish(world, again)) == index_pb2.JOB_STATE_DONE


@rpc("gleann.v1.JobService/GetJobLog")
def get_job_log(world: Any) -> None:
    name = finish(world, build(world, "w")).name
    log = world.job.GetJobLog(job_pb2.GetJobLogRequest(name=name))
    assert log.last == len(log.lines) > 0
    rest = world.job.GetJobLog(job_pb2.GetJobLogRequest(name=name, after=log.last - 1))
    assert list(rest.lines) == [log.lines[-1]]
    code = refused(world.job.GetJobLog, job_pb2.GetJobLogRequest(name=name, after=-1))
    assert code == grpc.StatusCode.INVALID_ARGUMENT
