"""The wait that a server asks for, in every way in which it is said."""

import email.utils
import time

import pytest

from train.waiting import retry_after


def test_retry_after() -> None:
    assert [retry_after(value) for value in ("3", "1.5", "-1", "nan", "inf", "soon", "", None)] == [
        3,
        1.5,
        None,
        None,
        None,
        None,
        None,
        None,
    ]
    assert retry_after(email.utils.formatdate(time.time() + 60, usegmt=True)) == pytest.approx(60, abs=2)
    assert retry_after("Wed, 21 Oct 2015 07:28:00 GMT") == 0
