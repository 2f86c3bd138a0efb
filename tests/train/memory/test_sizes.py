"""Sizes as people write them, and as they are shown."""

import pytest

from formats.errors import UserError
from train.memory.sizes import parse_size, shown_size


def test_a_vendors_gigabyte_is_a_gibibyte() -> None:
    assert parse_size("24GB") == parse_size("24") == parse_size("24 GiB") == parse_size("24576 MB") == 24 << 30
    assert parse_size("0.5g") == 1 << 29


@pytest.mark.parametrize("text", ["", "much", "-1GB", "0GB", "24 cups"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="no size of memory"):
        parse_size(text)


def test_sizes_are_shown_in_what_suits_them() -> None:
    assert (shown_size(512 << 20), shown_size(13.4 * (1 << 30))) == ("512 MiB", "13.4 GiB")
