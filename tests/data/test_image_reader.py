"""Every kind of image file becomes the bytes that it shows."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from genrl.data.image_reader import ImageReader, suitable_threads
from genrl.registry import ConfigurationError

RANDOM = np.random.default_rng(0)
COLOUR = RANDOM.integers(0, 256, (4, 6, 3), dtype=np.uint8)
GREY = RANDOM.integers(0, 256, (4, 6), dtype=np.uint8)


def reader(channels: int = 3, **changes: Any) -> ImageReader:
    arguments = {"height": 4, "width": 6, "is_resized": False, "reference": "first.png"} | changes
    return ImageReader(channels=channels, **arguments)


def saved(image: Image.Image, path: Path, **options: object) -> str:
    image.save(path, **options)
    return str(path)


def test_colour_is_read_exactly_channels_first(tmp_path: Path) -> None:
    for suffix in ("png", "bmp", "tif", "ppm"):
        path = saved(Image.fromarray(COLOUR), tmp_path / f"a.{suffix}")
        np.testing.assert_array_equal(reader().read(path), COLOUR.transpose(2, 0, 1))


def test_grey_is_read_exactly_and_repeated_for_colour(tmp_path: Path) -> None:
    path = saved(Image.fromarray(GREY), tmp_path / "a.png")
    np.testing.assert_array_equal(reader(1).read(path), GREY[None])
    np.testing.assert_array_equal(reader(3).read(path), np.stack([GREY] * 3))


def test_colour_becomes_grey_by_luma(tmp_path: Path) -> None:
    path = saved(Image.fromarray(COLOUR), tmp_path / "a.png")
    luma = COLOUR @ np.array([0.299, 0.587, 0.114])
    np.testing.assert_allclose(reader(1).read(path)[0], luma, atol=0.51)


def test_a_palette_is_looked_up(tmp_path: Path) -> None:
    image = Image.fromarray(GREY % 4)
    image.putpalette([10, 20, 30, 250, 0, 0, 0, 250, 0, 1, 2, 3])
    assert image.mode == "P"
    path = saved(image, tmp_path / "a.png")
    palette = np.array([[10, 20, 30], [250, 0, 0], [0, 250, 0], [1, 2, 3]])
    np.testing.assert_array_equal(reader().read(path), palette[GREY % 4].transpose(2, 0, 1))


def test_a_transparent_palette_colour_is_white(tmp_path: Path) -> None:
    image = Image.fromarray(GREY % 2)
    image.putpalette([10, 20, 30, 250, 0, 0])
    path = saved(image, tmp_path / "a.png", transparency=0)
    palette = np.array([[255, 255, 255], [250, 0, 0]])
    np.testing.assert_array_equal(reader().read(path), palette[GREY % 2].transpose(2, 0, 1))


def test_transparency_is_laid_over_white(tmp_path: Path) -> None:
    path = saved(Image.fromarray(np.dstack([COLOUR, GREY])), tmp_path / "a.png")
    alpha = GREY[:, :, None] / 255
    expected = (alpha * COLOUR + (1 - alpha) * 255).transpose(2, 0, 1)
    np.testing.assert_allclose(reader().read(path), expected, atol=1.01)


def test_16_bits_are_scaled_and_not_clipped(tmp_path: Path) -> None:
    values = GREY.astype(np.uint16) * 257
    path = saved(Image.fromarray(values), tmp_path / "a.png")
    np.testing.assert_array_equal(reader(1).read(path), GREY[None])


def test_one_bit_is_black_and_white(tmp_path: Path) -> None:
    path = saved(Image.fromarray(GREY > 127), tmp_path / "a.png")
    np.testing.assert_array_equal(reader(1).read(path)[0], np.where(GREY > 127, 255, 0))


def test_print_colours_are_converted(tmp_path: Path) -> None:
    red = Image.new("CMYK", (6, 4), (0, 255, 255, 0))
    pixels = reader().read(saved(red, tmp_path / "a.tif"))
    np.testing.assert_allclose(pixels[:, 0, 0], [255, 0, 0], atol=2)


def test_the_orientation_of_the_camera_is_applied(tmp_path: Path) -> None:
    turned = Image.fromarray(np.rot90(COLOUR).copy())
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    path = saved(turned, tmp_path / "a.png", exif=exif)
    np.testing.assert_array_equal(reader().read(path), COLOUR.transpose(2, 0, 1))
    assert ImageReader.detect([path], None, None).width == 6


def test_resizing_keeps_the_centre_of_the_longer_side(tmp_path: Path) -> None:
    pixels = np.zeros((20, 60, 3), np.uint8)
    pixels[:, :20], pixels[:, 20:40], pixels[:, 40:] = (255, 0, 0), (0, 255, 0), (0, 0, 255)
    for name, image in (("wide", pixels), ("high", pixels.transpose(1, 0, 2))):
        path = saved(Image.fromarray(image), tmp_path / f"{name}.png")
        result = reader(height=10, width=10, is_resized=True).read(path)
        assert result.shape == (3, 10, 10)
        assert (result[1, 2:8, 2:8] == 255).all()
        assert result[0].max() < 128
        assert result[2].max() < 128


def test_resizing_averages_what_it_drops(tmp_path: Path) -> None:
    board = np.indices((64, 64)).sum(0) % 2 * np.uint8(255)
    path = saved(Image.fromarray(board.astype(np.uint8)), tmp_path / "a.png")
    result = reader(1, height=8, width=8, is_resized=True).read(path)
    np.testing.assert_allclose(result, 127.5, atol=2)


def test_a_large_jpeg_is_resized_as_its_pixels_are(tmp_path: Path) -> None:
    ramp = np.linspace(0, 255, 512).astype(np.uint8)
    image = Image.fromarray(np.tile(ramp, (512, 1)))
    path = saved(image, tmp_path / "a.jpg", quality=95)
    result = reader(1, height=16, width=16, is_resized=True).read(path)[0]
    means = ramp.reshape(16, 32).mean(1)
    np.testing.assert_allclose(result[:, 1:-1], np.tile(means[1:-1], (16, 1)), atol=2)


def test_smaller_images_are_enlarged(tmp_path: Path) -> None:
    path = saved(Image.new("RGB", (3, 2), (9, 8, 7)), tmp_path / "a.png")
    result = reader(height=10, width=10, is_resized=True).read(path)
    assert (result == np.array([9, 8, 7]).reshape(3, 1, 1)).all()


def test_all_are_read_in_order_by_any_number_of_threads(tmp_path: Path) -> None:
    images = RANDOM.integers(0, 256, (150, 4, 6, 3), dtype=np.uint8)
    paths = [saved(Image.fromarray(im), tmp_path / f"{i}.png") for i, im in enumerate(images)]
    for num_threads in (1, 2, 7):
        result = reader().read_all(paths, num_threads=num_threads, description="reading")
        np.testing.assert_array_equal(result, images.transpose(0, 3, 1, 2))
    assert reader().read_all([], num_threads=2).shape == (0, 3, 4, 6)


def test_few_large_files_are_decoded_by_many_threads() -> None:
    assert suitable_threads(50_000 * 1_000, 50_000) == 1
    assert suitable_threads(1_000 * 500_000, 1_000) >= 1


def test_what_is_detected(tmp_path: Path) -> None:
    grey = saved(Image.fromarray(GREY), tmp_path / "grey.png")
    colour = saved(Image.fromarray(COLOUR), tmp_path / "colour.png")
    assert ImageReader.detect([grey, grey], None, None) == reader(
        1, reference=grey, is_grey_assumed=True
    )
    assert ImageReader.detect([grey, colour], None, None).channels == 3
    assert ImageReader.detect([grey] * 99 + [colour] * 2, None, None).channels == 3
    assert ImageReader.detect([grey], None, 3).channels == 3
    forced = ImageReader.detect([colour], 5, 1)
    assert forced == reader(1, height=5, width=5, is_resized=True, reference=colour)


def test_colour_among_images_taken_for_grey_is_refused(tmp_path: Path) -> None:
    path = saved(Image.fromarray(COLOUR), tmp_path / "a.png")
    with pytest.raises(ConfigurationError, match=r"a\.png is in colour.*data.channels=3"):
        reader(1, is_grey_assumed=True).read(path)
    reader(1).read(path)


def test_another_size_is_refused_with_both_sizes(tmp_path: Path) -> None:
    path = saved(Image.fromarray(COLOUR[:, :5].copy()), tmp_path / "odd.png")
    with pytest.raises(ConfigurationError) as caught:
        reader().read(path)
    assert str(caught.value) == (
        f"{path} has 5x4 pixels, but first.png has 6x4: "
        "give data.size=<pixels> to resize and crop all images"
    )


def test_floating_point_pixels_are_refused(tmp_path: Path) -> None:
    path = saved(Image.fromarray(GREY.astype(np.float32)), tmp_path / "a.tif")
    with pytest.raises(ConfigurationError, match=r"a\.tif has floating-point pixels"):
        reader().read(path)


def damaged(tmp_path: Path, suffix: str, keep: float) -> str:
    noise = RANDOM.integers(0, 256, (64, 64, 3), dtype=np.uint8)
    path = Path(saved(Image.fromarray(noise), tmp_path / f"bad.{suffix}"))
    data = path.read_bytes()
    path.write_bytes(data[: int(keep * len(data))])
    return str(path)


@pytest.mark.parametrize("num_threads", [1, 3])
@pytest.mark.parametrize("suffix", ["jpg", "png", "gif", "webp", "tif", "bmp"])
@pytest.mark.parametrize("keep", [0.0, 0.001, 0.6])
def test_a_truncated_file_is_named_in_one_line(
    tmp_path: Path, suffix: str, keep: float, num_threads: int
) -> None:
    good = saved(Image.new("RGB", (64, 64)), tmp_path / "good.png")
    bad = damaged(tmp_path, suffix, keep)
    with pytest.raises(ConfigurationError) as caught:
        reader(height=64, width=64).read_all([good] * 50 + [bad], num_threads=num_threads)
    message = str(caught.value)
    assert message.startswith(f"{bad} cannot be read as an image (")
    assert message.endswith("); replace or remove it")
    assert "\n" not in message
    assert message.count("bad.") == 1


def test_a_file_that_is_gone_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"gone\.png cannot be read.*\(file is gone\)"):
        reader().read(str(tmp_path / "gone.png"))
