from hypothesis import given
from hypothesis import strategies as st

from mimic3d.evaluation.context import ALONE, ProcessGroup


@given(total=st.integers(0, 50), batch=st.integers(1, 9), num=st.integers(1, 5))
def test_processes_deal_out_the_batches_of_one(total, batch, num):
    groups = [ProcessGroup(rank, num, lambda objects: objects) for rank in range(num)]
    dealt = [part for group in groups for part in group.batches(total, batch)]
    assert sorted(dealt, key=lambda part: part.start) == list(ALONE.batches(total, batch))
    assert sorted(index for part in dealt for index in part) == list(range(total))


def test_gathering_restores_the_order():
    others = [(0, "a"), (2, "c")]
    group = ProcessGroup(1, 2, lambda objects: [*objects, *others])
    assert group.gather([(3, "d"), (1, "b")]) == ["a", "b", "c", "d"]
