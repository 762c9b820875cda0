from hypothesis import given
from hypothesis import strategies as st

from mimic3d.evaluation.share import ALONE, Share


@given(total=st.integers(0, 50), batch=st.integers(1, 9), num=st.integers(1, 5))
def test_processes_deal_out_the_batches_of_one(total, batch, num):
    shares = [Share(rank, num, lambda found: found) for rank in range(num)]
    dealt = [part for share in shares for part in share.batches(total, batch)]
    assert sorted(dealt, key=lambda part: part.start) == list(ALONE.batches(total, batch))
    assert sorted(index for part in dealt for index in part) == list(range(total))


def test_gathering_restores_the_order():
    others = [(0, "a"), (2, "c")]
    share = Share(1, 2, lambda found: [*found, *others])
    assert share.gather([(3, "d"), (1, "b")]) == ["a", "b", "c", "d"]
