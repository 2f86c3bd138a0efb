import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from formats.tokens.encoding import NO_LOSS, Encoded
from formats.tokens.packing import pack


@st.composite
def encoded(draw):
    """A sample of any shape: without a prompt, without a reply, of one token."""
    ids = draw(st.lists(st.integers(0, 50_000), min_size=1, max_size=12))
    num_stop = draw(st.integers(1, len(ids)))
    num_prompt = draw(st.integers(0, len(ids) - num_stop))
    return Encoded(np.array(ids, np.int32), num_prompt, num_stop)


def plainly(samples):
    """What packing must give, token by token."""
    ids, positions, keep, labels, is_stop, starts = [], [], [], [], [], [0]
    for sample in samples:
        length = len(sample.input_ids)
        for place, token in enumerate(sample.input_ids.tolist()):
            ids.append(token)
            positions.append(place)
            keep.append(place + 1 < length and place + 1 >= sample.num_prompt)
            if keep[-1]:
                labels.append(int(sample.input_ids[place + 1]))
                is_stop.append(place + 1 >= length - sample.num_stop)
        starts.append(len(ids))
    return ids, positions, keep, labels, is_stop, starts


@given(st.lists(encoded(), max_size=6))
def test_packing_is_what_it_says_token_by_token(samples):
    packed = pack(samples)
    found = (packed.input_ids, packed.position_ids, packed.keep, packed.labels, packed.is_stop, packed.starts)
    assert tuple(array.tolist() for array in found) == plainly(samples)


@given(st.lists(encoded(), min_size=1, max_size=6))
def test_positions_start_over_and_nothing_predicts_across_samples(samples):
    packed = pack(samples)
    assert packed.position_ids[packed.starts[:-1]].tolist() == [0] * len(samples)
    ends = packed.starts[1:] - 1
    assert not packed.keep[ends].any(), "the stop's last token predicts nothing"
    assert packed.labels.tolist() == packed.input_ids[np.flatnonzero(packed.keep) + 1].tolist()
    assert len(packed.labels) == len(packed.is_stop) == packed.keep.sum()


@given(st.lists(encoded().filter(lambda sample: sample.num_prompt), min_size=1, max_size=6))
def test_what_carries_loss_is_reply_and_stop(samples):
    packed = pack(samples)
    assert packed.labels.tolist() == [token for sample in samples for token in sample.labels.tolist() if token != NO_LOSS]
    assert packed.labels[packed.is_stop].tolist() == [token for sample in samples for token in sample.stop_ids]


def test_a_first_token_without_a_prompt_carries_no_loss():
    packed = pack([Encoded(np.array([7, 8, 9], np.int32), 0, 1)])
    assert packed.labels.tolist() == [8, 9]
    assert packed.is_stop.tolist() == [False, True]


def test_the_kinds_of_numbers_are_small_ones():
    packed = pack([Encoded(np.array([7, 8], np.int32), 1, 1)])
    assert {array.dtype for array in (packed.input_ids, packed.position_ids, packed.labels, packed.starts)} == {np.dtype(np.int32)}
    assert {packed.keep.dtype, packed.is_stop.dtype} == {np.dtype(bool)}


def test_no_samples_are_an_empty_row():
    packed = pack([])
    assert [len(array) for array in (packed.input_ids, packed.position_ids, packed.keep, packed.labels, packed.is_stop)] == [0] * 5
    assert packed.starts.tolist() == [0]
