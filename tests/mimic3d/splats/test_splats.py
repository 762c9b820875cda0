import torch
from hypothesis import given
from hypothesis import strategies as st

from mimic3d.splats.splats import Splats, join_splats, matrix_quaternions, quaternion_matrices


@given(seed=st.integers(0, 2**31 - 1))
def test_quaternions_and_matrices_are_the_same_rotations(seed):
    rng = torch.Generator().manual_seed(seed)
    quaternions = torch.nn.functional.normalize(torch.randn(20, 4, generator=rng), dim=-1)
    matrices = quaternion_matrices(quaternions)
    torch.testing.assert_close(matrices @ matrices.mT, torch.eye(3).expand(20, 3, 3))
    torch.testing.assert_close(torch.linalg.det(matrices), torch.ones(20))
    again = matrix_quaternions(matrices)
    torch.testing.assert_close((again * quaternions).sum(-1).abs(), torch.ones(20))
    assert (again[:, 0] >= 0).all()


def test_half_turns_have_quaternions_too():
    for axis in range(3):
        matrix = -torch.eye(3)
        matrix[axis, axis] = 1.0
        expected = torch.zeros(4)
        expected[axis + 1] = 1.0
        torch.testing.assert_close(matrix_quaternions(matrix[None])[0].abs(), expected)


def test_a_quarter_turn_swaps_the_axes_of_the_covariance():
    quarter = torch.tensor([[0.5**0.5, 0.0, 0.0, 0.5**0.5]])  # about z
    splats = Splats(
        torch.zeros(1, 3), quarter, torch.tensor([[1.0, 2.0, 3.0]]), torch.ones(1), torch.ones(1, 3)
    )
    expected = torch.diag(torch.tensor([4.0, 1.0, 9.0]))[None]
    torch.testing.assert_close(splats.covariances(), expected, atol=1e-5, rtol=0)
    assert len(join_splats([splats, splats])[torch.tensor([True, False])]) == 1
