"""The exceptions of gleann.

GleannError
├── InvalidInputError (ValueError)       the data handed in cannot be used
│   ├── DimensionMismatchError           two dimensions that must agree do not
│   ├── NonFiniteError                   NaN or infinity
│   ├── ZeroVectorError                  a zero vector has no direction (cosine)
│   ├── DuplicateIdError                 one id twice in a batch
│   ├── UnknownColumnError               no payload column has this name
│   └── InvalidFilterError               a condition that cannot be evaluated
├── InvalidParamsError (ValueError)      a parameter out of its range
├── NotFoundError (LookupError)
│   ├── UnknownIndexError
│   ├── UnknownIdError
│   ├── UnknownJobError                  operation, selection job or session
│   ├── UnknownSnapshotError
│   └── MissingFileError
├── AlreadyExistsError
├── NotReadyError                        right call, wrong moment (not built, empty)
├── LimitError                           over a configured cap
│   ├── AnswerTooLargeError              no message has room for the answer
│   ├── DeviceMemoryError                more than the device has memory for
│   └── OverloadedError                  the service has too much to do now
├── ForbiddenPathError                   a file outside the configured roots
├── PermissionDeniedError                the key lacks the right
├── ConflictError                        somebody else has changed it meanwhile
├── EngineUnavailableError               what is needed is not installed
│   ├── MissingPackageError (ModuleNotFoundError)  a package that gleann uses
│   └── DeviceLostError                  the device failed and answers no more
├── CancelledError                       the caller cancelled the work
├── StorageError                         the disk refused (full, read-only)
├── ServiceError                         the service cannot be reached, or failed inside
│   ├── UnavailableError                 no server answers at the address
│   ├── OutcomeUnknownError              a change may be kept, or not
│   ├── DeadlineError                    no answer within the deadline
│   └── UnsupportedError                 client and server are of different versions
├── UnauthenticatedError                 the service wants another key
└── CorruptDataError                     stored data fails its checksum or format

RecallWarning (UserWarning)              a recall that the index is not known to reach
"""


class GleannError(Exception):
    """Base of everything gleann raises on purpose.

    Attributes:
        call_id: names the failed call in the log of the server; "" in process.
    """

    call_id: str = ""


class InvalidInputError(GleannError, ValueError):
    """The data handed in cannot be used."""


class DimensionMismatchError(InvalidInputError):
    """Two dimensions that must agree do not."""


class NonFiniteError(InvalidInputError):
    """NaN or infinity in data that must be finite."""


class ZeroVectorError(InvalidInputError):
    """A zero vector has no direction, so cosine is undefined."""


class DuplicateIdError(InvalidInputError):
    """One id appears twice in a batch."""


class UnknownColumnError(InvalidInputError):
    """No payload column has this name."""


class InvalidFilterError(InvalidInputError):
    """A condition on payload does not follow the grammar, or does not fit its columns.

    Attributes:
        position: offset in characters, from 0, of what is wrong; None if it has none.
        column: the payload column concerned, None if there is none.
    """

    def __init__(
        self,
        message: str = "",
        *,
        position: int | None = None,
        column: str | None = None,
    ) -> None:
        super().__init__(message)
        self.position = position
        self.column = column


class InvalidParamsError(GleannError, ValueError):
    """A parameter is out of its range."""


class NotFoundError(GleannError, LookupError):
    """What was named does not exist."""


class UnknownIndexError(NotFoundError):
    """No index has this name."""


class UnknownIdError(NotFoundError):
    """No row has this id."""


class UnknownJobError(NotFoundError):
    """No operation, selection job or labelling session has this name."""


class UnknownSnapshotError(NotFoundError):
    """No snapshot has this name."""


class MissingFileError(NotFoundError):
    """A file is not there or cannot be read."""


class AlreadyExistsError(GleannError):
    """The name is in use, or the output exists and overwriting was not requested."""


class NotReadyError(GleannError):
    """The call is right but the moment is not: nothing built, nothing stored."""


class LimitError(GleannError):
    """The request is over a configured cap."""


class AnswerTooLargeError(LimitError):
    """The answer is larger than a message may be: request less at once."""


class DeviceMemoryError(LimitError):
    """An index or a batch takes more memory than the device has to spare."""


class OverloadedError(LimitError):
    """The service has too much to do; the same request may succeed later.

    Attributes:
        retry_seconds: seconds after which trying again makes sense.
    """

    def __init__(self, message: str = "", *, retry_seconds: float = 1.0) -> None:
        super().__init__(message)
        self.retry_seconds = retry_seconds


class ForbiddenPathError(GleannError):
    """The file is outside the configured roots."""


class PermissionDeniedError(GleannError):
    """The key does not have the right that the call needs."""


class ConflictError(GleannError):
    """Somebody else has changed it since it was read: read it again."""


class EngineUnavailableError(GleannError):
    """An engine or library that is needed is not installed."""


class MissingPackageError(EngineUnavailableError, ModuleNotFoundError):
    """A package that gleann uses is not installed; says what installs it."""


class DeviceLostError(EngineUnavailableError):
    """The device failed; all later work on it fails too."""


class CancelledError(GleannError):
    """The caller cancelled the work."""


class StorageError(GleannError):
    """The disk refused: full, read-only, or failing."""


class CorruptDataError(GleannError):
    """Stored data fails its checksum or does not follow the format."""


class ServiceError(GleannError):
    """The service cannot be reached, did not answer in time, or failed inside."""


class UnavailableError(ServiceError):
    """No server answers at the address, or it stopped during the call."""


class OutcomeUnknownError(ServiceError):
    """The disk failed at a moment when a change may be kept, or not."""


class DeadlineError(ServiceError):
    """There was no answer within the deadline; a change may be kept, or not."""


class UnsupportedError(ServiceError):
    """The other side is of a version that does not know the request."""


class UnauthenticatedError(GleannError):
    """The service wants a key that was not given."""


class RecallWarning(UserWarning):
    """No measured operating point of the index reaches the requested recall."""
