import shlex
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.render import build_parser
from tools.view.settings import Panel, ViewSettings, parse_query


@given(
    seed=st.integers(0, 2**31 - 1), psi=st.floats(-1, 2), panel=st.sampled_from(get_args(Panel)),
    yaw=st.floats(-3, 3),
)  # fmt: skip
def test_a_link_holds_all_settings(seed, psi, panel, yaw):
    settings = ViewSettings(seed=seed, psi=psi, panel=panel, yaw_rad=yaw)
    again = parse_query(settings.query())
    assert again.model_dump(exclude={"psi", "yaw_rad"}) == settings.model_dump(
        exclude={"psi", "yaw_rad"}
    )
    assert again.psi == pytest.approx(psi, abs=1e-4)
    assert again.yaw_rad == pytest.approx(yaw, abs=1e-4)


def test_the_default_needs_no_query():
    assert ViewSettings().query() == ""
    assert parse_query("") == ViewSettings()


@pytest.mark.parametrize(
    "query",
    ["seed=x", "seed=-1", "panel=../../etc/passwd", "psi=nan&nothing=1", "&&=;%00", "fov_deg=1e9"],
)
def test_what_a_link_names_wrongly_keeps_its_default(query):
    assert parse_query(query + "&cutoff=3") == ViewSettings(cutoff=3)


@pytest.mark.parametrize("panel", ["2d", "3d", "both", "depth"])
def test_the_command_is_one_that_render_understands(panel):
    settings = ViewSettings(seed=7, panel=panel, yaw_rad=-0.25, samples_per_ray=24, resolution=64)
    words = shlex.split(settings.render_command("runs/my snapshot"))
    assert words[:2] == ["mimic3d", "render"]
    args = build_parser().parse_args(words[2:])
    assert (args.seeds, args.psi, args.yaw, args.resolution) == ((7,), 0.7, -0.25, 64)
    assert str(args.snapshot) == "runs/my snapshot"


def test_where_render_has_no_option_there_is_no_command():
    for change in ({"blend": 0.5}, {"conditioning": "view"}, {"fov_deg": 20.0}, {"mix_from": 2}):
        assert ViewSettings(**change).render_command("x") is None
