"""What became of a job."""

from pathlib import Path

import pytest

from genrl.registry import ConfigurationError
from genrl.sweeps import JobRecord, records


def test_it_is_read_as_it_was_written(tmp_path: Path) -> None:
    assert JobRecord.read(tmp_path) is None
    for record in (JobRecord(["seed=1", "name='a: b'"]), JobRecord([], 2, "it's: wrong")):
        record.write(tmp_path)
        assert JobRecord.read(tmp_path) == record


def test_order_and_end(tmp_path: Path) -> None:
    for number, code in ((10, 0), (9, None), (1, -9)):
        JobRecord([], code).write(tmp_path / str(number))
    found = records(tmp_path)
    assert [path.name for path in found] == ["1", "9", "10"]
    assert [record.is_finished for record in found.values()] == [False, False, True]


@pytest.mark.parametrize("text", ["[]", "{}", "overrides: 1", "overrides: [1]", "a: [", "\0"])
def test_a_damaged_one_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "job.yaml").write_text(text)
    with pytest.raises(ConfigurationError, match=r"job\.yaml"):
        JobRecord.read(tmp_path)
