"""A listing finds the images and classes of a folder, or says what is wrong with it."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from genrl.data.image_listing import list_images
from genrl.registry import ConfigurationError

WriteImages = Callable[..., None]


def failure(root: Path, **arguments: object) -> str:
    with pytest.raises(ConfigurationError) as caught:
        list_images(root, **arguments)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_subfolders_are_classes_in_alphabetical_order(
    tmp_path: Path, write_images: WriteImages
) -> None:
    write_images("r/dog/2.png", "r/dog/10.jpg", "r/cat/deep/er/a.PNG", "r/cat/b.bmp")
    write_images("r/.hidden/x.png", "r/cat/.x.png", "r/__MACOSX/x.png")
    (tmp_path / "r/cat/notes.txt").write_text("no image")
    (tmp_path / "r/list.txt").write_text("no image")
    listing = list_images(tmp_path / "r")
    names = [str(Path(path).relative_to(tmp_path / "r")) for path in listing.paths]
    assert names == ["cat/b.bmp", "cat/deep/er/a.PNG", "dog/10.jpg", "dog/2.png"]
    assert listing.class_names == ("cat", "dog")
    assert listing.labels is not None
    assert listing.labels.tolist() == [0, 0, 1, 1]
    assert listing.num_bytes == tuple(Path(path).stat().st_size for path in listing.paths)


def test_images_in_the_folder_itself_have_no_labels(
    tmp_path: Path, write_images: WriteImages
) -> None:
    write_images("b.png", "a.png")
    listing = list_images(tmp_path)
    assert [Path(path).name for path in listing.paths] == ["a.png", "b.png"]
    assert listing.labels is None
    assert listing.class_names == ()


def test_labels_can_be_left_out(tmp_path: Path, write_images: WriteImages) -> None:
    write_images("r/a.png", "r/cat/b.png", "r/train/c.png")
    listing = list_images(tmp_path / "r", use_labels=False)
    assert len(listing) == 3
    assert listing.labels is None


def test_given_classes_keep_their_labels(tmp_path: Path, write_images: WriteImages) -> None:
    write_images("dog/a.png")
    listing = list_images(tmp_path, class_names=["cat", "dog"])
    assert listing.labels is not None
    assert listing.labels.tolist() == [1]
    assert listing.class_names == ("cat", "dog")


def test_a_subset_keeps_files_and_labels_together(
    tmp_path: Path, write_images: WriteImages
) -> None:
    write_images("a/1.png", "b/2.png", "c/3.png")
    subset = list_images(tmp_path).subset(torch.tensor([2, 0]))
    assert [Path(path).name for path in subset.paths] == ["3.png", "1.png"]
    assert subset.labels is not None
    assert subset.labels.tolist() == [2, 0]
    assert len(subset.num_bytes) == 2


def test_the_fingerprint_survives_a_move_and_sees_every_change(
    tmp_path: Path, write_images: WriteImages
) -> None:
    write_images("r/a/1.png", "r/b/2.png")
    before = list_images(tmp_path / "r").fingerprint()
    (tmp_path / "r").rename(tmp_path / "moved")
    root = tmp_path / "moved"
    assert list_images(root).fingerprint() == before
    assert list_images(root, use_labels=False).fingerprint() != before
    (root / "b/2.png").rename(root / "b/3.png")
    renamed = list_images(root).fingerprint()
    write_images("moved/b/4.png")
    added = list_images(root).fingerprint()
    write_images("moved/b/4.png", size=(50, 70))
    assert len({before, renamed, added, list_images(root).fingerprint()}) == 4


def test_a_missing_folder_names_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "flowers").mkdir()
    assert failure(tmp_path / "flower" / "train") == (
        f"the image folder {tmp_path / 'flower' / 'train'} does not exist: "
        f"{tmp_path} has no folder 'flower'. Did you mean 'flowers'?"
    )


def test_a_file_is_no_folder(tmp_path: Path, write_images: WriteImages) -> None:
    write_images("a.png")
    assert "is a file, not a folder" in failure(tmp_path / "a.png")


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no image")
    message = failure(tmp_path)
    assert message.startswith(f"{tmp_path} holds no image; put images")
    assert ".png" in message


def test_an_empty_class_is_named(tmp_path: Path, write_images: WriteImages) -> None:
    write_images("cat/a.png")
    (tmp_path / "dog").mkdir()
    assert failure(tmp_path).startswith(f"the class folder {tmp_path / 'dog'} holds no image")


def test_images_beside_class_folders_are_refused(tmp_path: Path, write_images: WriteImages) -> None:
    write_images("cat/a.png", "b.png")
    assert "both images and folders" in failure(tmp_path)


def test_parts_of_a_data_set_are_not_taken_for_classes(
    tmp_path: Path, write_images: WriteImages
) -> None:
    write_images("test/cat/a.png", "train/cat/b.png")
    assert failure(tmp_path) == (
        f"{tmp_path} holds test, train, which are parts of a data set and not classes: "
        f"give data.root={tmp_path / 'train'}"
    )


def test_an_unknown_class_names_the_nearest(tmp_path: Path, write_images: WriteImages) -> None:
    write_images("cats/a.png")
    assert failure(tmp_path, class_names=("cat", "dog")) == (
        f"{tmp_path / 'cats'} is not a class of the training images. Did you mean 'cat'? "
        "Classes: cat, dog"
    )


def test_links_that_lead_nowhere_or_around(tmp_path: Path, write_images: WriteImages) -> None:
    write_images("cat/deep/a.png")
    (tmp_path / "cat" / "deep" / "again").symlink_to(tmp_path / "cat")
    assert "deep/again is a link to a folder around it" in failure(tmp_path)
    (tmp_path / "cat" / "deep" / "again").unlink()
    for target in ("nothing.png", "b.png"):
        (tmp_path / "cat" / "b.png").symlink_to(target)
        assert failure(tmp_path) == f"{tmp_path / 'cat' / 'b.png'} is no file, or a link to none"
        (tmp_path / "cat" / "b.png").unlink()
    (tmp_path / "cat" / "itself").symlink_to("itself")
    (tmp_path / "dog").symlink_to("cat")
    assert len(list_images(tmp_path)) == 2


def test_a_name_that_is_no_text(tmp_path: Path) -> None:
    Path(os.fsdecode(bytes(tmp_path) + b"/\xff.png")).touch()
    assert len(list_images(tmp_path).fingerprint()) == 16
