"""Thumbnails are small, few, and only of what is an image."""

import base64
from io import BytesIO

import numpy as np
import pytest

Image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")

from gleann.service.report import pictures  # noqa: E402 (after the skip)
from gleann.service.report.pictures import Album, NotAnImageError, thumbnail  # noqa: E402


def encoded(width, height, kind="PNG", mode="RGB"):
    rng = np.random.default_rng(1)
    noise = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    written = BytesIO()
    Image.fromarray(noise).convert(mode).save(written, kind)
    return written.getvalue()


def decoded(uri):
    head, _, body = uri.partition(",")
    return head, Image.open(BytesIO(base64.b64decode(body)))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP", "BMP"])
def test_a_large_image_becomes_small_and_keeps_its_shape(kind):
    head, image = decoded(thumbnail(encoded(600, 300, kind)))
    assert image.size == (pictures.SIDE, pictures.SIDE // 2)
    assert head == f"data:image/{'jpeg' if kind == 'JPEG' else 'png'};base64"


def test_a_tiny_image_is_enlarged_pixel_by_pixel():
    data = encoded(8, 8)
    _, image = decoded(thumbnail(data))
    assert image.size == (64, 64)
    small = np.asarray(Image.open(BytesIO(data)).convert("RGB"))
    np.testing.assert_array_equal(
        np.asarray(image.convert("RGB")), small.repeat(8, axis=0).repeat(8, axis=1)
    )


@pytest.mark.parametrize("mode", ["L", "1", "P", "RGBA", "LA"])
def test_other_modes_are_shown_too(mode):
    _, image = decoded(thumbnail(encoded(20, 10, mode=mode)))
    assert image.size == (60, 30)


@pytest.mark.parametrize(
    "data",
    [b"", b"no image", b"\x89PNG\r\n\x1a\n", encoded(40, 40)[:200], b"<svg></svg>"],
)
def test_what_is_no_image_is_refused(data):
    with pytest.raises(NotAnImageError):
        thumbnail(data)


def test_an_image_of_too_many_pixels_is_not_decoded(monkeypatch):
    monkeypatch.setattr(pictures, "MOST_PIXELS", 999)
    with pytest.raises(NotAnImageError, match="40 x 25 pixels"):
        thumbnail(encoded(40, 25))


def test_an_album_is_bounded_and_says_what_it_left_out():
    album = Album(most_pictures=2)
    uris = [album.add(encoded(8, 8))[0] for _ in range(3)]
    assert [bool(uri) for uri in uris] == [True, True, False]
    assert album.add(b"no image") == ("", "picture left out")
    assert (album.pictures, album.left_out) == (2, 2)
    assert album.size == sum(map(len, uris))
    assert "2 pictures are left out" in album.note()
    heavy = Album(most_bytes=100)
    assert heavy.add(encoded(128, 128)) == ("", "picture left out")
    assert heavy.size == 0


def test_an_album_counts_what_it_could_not_read():
    album = Album()
    assert album.note() == ""
    assert album.add(b"no image") == ("", "not an image")
    assert album.missing("no such picture") == ("", "no such picture")
    assert album.note() == "2 pictures could not be read"
