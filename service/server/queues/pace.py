"""`Pace`: how long calls of a method take, as a line in the bytes of their messages."""

from math import sqrt

WEIGHT = 0.1
"""Of the newest measurement in the means."""

OUTLIER = 4.0
"""Times what was expected that one measurement counts for, at most: a pause is not a
pace."""


REACH = 3.0
"""Standard deviations above the mean size to which the line is taken as measured: the
newest message is within them."""


class Pace:
    """Seconds of the calls of one method; not thread-safe, the caller locks.

    It is the least-squares line through the measurements, the newest of which weigh
    most. Neither its slope nor its value at no bytes is below 0. Messages of one size
    tell nothing of other sizes, and small ones nothing of large ones: the line is level
    there, since what is expected to be quick is admitted and measured, and what is
    refused is not.
    """

    def __init__(self) -> None:
        self._size = self._seconds = 0.0
        self._variance = self._covariance = 0.0

    def seconds(self, size: float) -> float:
        """What a call with a message of `size` bytes takes; 0 before it is measured."""
        known = self._size + REACH * sqrt(self._variance)
        return self._seconds + self._slope() * (min(size, known) - self._size)

    def add(self, size: float, seconds: float) -> None:
        """Take a measurement in, of a call or the mean of several."""
        if not self._seconds:
            self._size, self._seconds = size, seconds
            return
        seconds = min(seconds, OUTLIER * max(self.seconds(size), self._seconds))
        off_size, off_seconds = size - self._size, seconds - self._seconds
        self._size += WEIGHT * off_size
        self._seconds += WEIGHT * off_seconds
        kept = 1 - WEIGHT
        self._variance = kept * (self._variance + WEIGHT * off_size**2)
        self._covariance = kept * (self._covariance + WEIGHT * off_size * off_seconds)

    def _slope(self) -> float:
        if self._covariance <= 0.0:
            return 0.0
        return min(self._covariance / self._variance, self._seconds / self._size)
