"""What tests that fill disks share."""

import pytest
from disks import Disk


@pytest.fixture
def disk(tmp_path):
    """Make a folder whose processes find a small disk there."""
    with Disk(tmp_path / "disk") as disk:
        yield disk
