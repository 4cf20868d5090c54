"""Client calls for stored curations: get, list, delete."""

from gleann.service.client.connection import Calls, all_pages_of
from gleann.service.client.curation import (
    CurationHandle,
    curation_of,
    stored_method,
)
from gleann.service.client.modes import M, method
from gleann.service.values import CurationInfo
from gleann.service.wire.curation.described import curation_info_of
from gleann.v1 import curation_pb2


class StoredCalls(Calls[M]):
    """Calls for results that the server keeps."""

    @stored_method
    async def get(self, name: str) -> CurationHandle[M]:
        """The stored curation `name`, such as "curations/3f2a".

        Raises:
            UnknownJobError: no such curation.
            CorruptDataError: it is damaged.
        """
        request = curation_pb2.GetCurationRequest(name=name)
        message = await self._stubs.curation.GetCuration(request)
        return curation_of(message, self._stubs, self._mode)

    @method
    async def list(self, index: str = "") -> list[CurationInfo]:
        """Describe the stored curations, oldest first.

        They are kept for `keep_days` of the configuration.

        Args:
            index: only curations of this index; of all indexes if empty.
        """
        request = curation_pb2.ListCurationsRequest(index=index)
        pages = await all_pages_of(self._stubs.curation.ListCurations, request)
        return [curation_info_of(one) for page in pages for one in page.curations]

    @method
    async def delete(self, name: str) -> None:
        """Remove a stored curation; the vectors stay in the index.

        Raises:
            UnknownJobError: no such curation.
        """
        request = curation_pb2.DeleteCurationRequest(name=name)
        await self._stubs.curation.DeleteCuration(request)
