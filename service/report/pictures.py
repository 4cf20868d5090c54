"""Thumbnails for a report: small, few, and inside the page."""

import base64
import warnings
from dataclasses import dataclass, field
from io import BytesIO
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

SIDE = 128
"""Largest width and height of a thumbnail in pixels."""
SMALLEST = 64
"""Smaller images are enlarged to about this, each pixel to a square."""
MOST_PICTURES = 64
MOST_BYTES = 2_000_000
MOST_PIXELS = 64_000_000
"""Pixels of an image that is decoded; more are refused by their header."""


class NotAnImageError(Exception):
    """Bytes that are not shown; the message says why."""


@dataclass(slots=True, kw_only=True)
class Album:
    """Thumbnails of one page, within a number and a number of bytes.

    Attributes:
        pictures: thumbnails made.
        size: bytes of their data URIs.
        left_out: images for which there was no room.
        broken: images that could not be read.
    """

    pictures: int = 0
    size: int = 0
    left_out: int = 0
    broken: int = 0
    most_pictures: int = field(default=MOST_PICTURES)
    most_bytes: int = field(default=MOST_BYTES)

    def add(self, data: bytes) -> tuple[str, str]:
        """The data URI of a thumbnail, and why there is none; one of the two is ""."""
        if self.pictures >= self.most_pictures or self.size >= self.most_bytes:
            self.left_out += 1
            return "", "picture left out"
        try:
            made = thumbnail(data)
        except NotAnImageError as error:
            self.broken += 1
            return "", str(error)
        if self.size + len(made) > self.most_bytes:
            self.left_out += 1
            return "", "picture left out"
        self.pictures += 1
        self.size += len(made)
        return made, ""

    def missing(self, reason: str) -> tuple[str, str]:
        """Count an image that could not be read at all."""
        self.broken += 1
        return "", reason

    def note(self) -> str:
        """What the page does not show, in one sentence, or ""."""
        parts = []
        if self.left_out:
            parts.append(
                f"{self.left_out:,} pictures are left out: a page holds at most"
                f" {self.most_pictures} in {self.most_bytes / 1e6:g} MB"
            )
        if self.broken:
            parts.append(f"{self.broken:,} pictures could not be read")
        return "; ".join(parts)


def thumbnail(data: bytes) -> str:
    """A data URI of an image (PNG, JPEG, GIF, WebP...) within `SIDE` x `SIDE` pixels.

    Raises:
        NotAnImageError: Pillow cannot decode it, or it is too large.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of large images, which are refused below
            with Image.open(BytesIO(data)) as image:
                if image.width * image.height > MOST_PIXELS:
                    raise NotAnImageError(
                        f"{image.width} x {image.height} pixels are too many"
                    )
                return _encoded(image)
    except UnidentifiedImageError as error:
        raise NotAnImageError("not an image") from error
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise NotAnImageError("damaged image") from error


def _encoded(image: "Image") -> str:
    image.draft("RGB", (SIDE, SIDE))  # a JPEG is decoded at a fraction of its size
    small = image.convert("RGBA" if image.has_transparency_data else "RGB")
    small.thumbnail((SIDE, SIDE))
    if (times := SMALLEST // max(small.size)) > 1:  # digits of 8 x 8 pixels
        small = small.resize((small.width * times, small.height * times), 0)
    written = BytesIO()
    # A PNG keeps drawings and digits crisp; photographs are many times smaller as JPEG.
    photo = small.mode == "RGB" and image.format == "JPEG"
    small.save(written, "JPEG" if photo else "PNG", quality=82, optimize=True)
    kind = "jpeg" if photo else "png"
    return f"data:image/{kind};base64,{base64.b64encode(written.getvalue()).decode()}"
