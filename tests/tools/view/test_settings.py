import shlex
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.render import build_parser
from tools.view.controls import FOLDERS
from tools.view.settings import PAGE_ONLY, Panel, ViewSettings, parse_query

settings_of_links = st.builds(
    ViewSettings, snapshot=st.sampled_from(["", "runs/a b", "state/x/1"]),
    compare=st.sampled_from(["", "runs/c&d=1"]), follow=st.booleans(), drift=st.booleans(),
    seed=st.integers(0, 2**31 - 1), psi=st.floats(-1, 2), panel=st.sampled_from(get_args(Panel)),
    yaw_rad=st.floats(-3, 3), image=st.integers(-1, 9), resolution=st.sampled_from([64, 256]),
    shift=st.tuples(*[st.floats(-1, 1)] * 3),
)  # fmt: skip


@given(settings=settings_of_links)
def test_a_link_holds_all_settings(settings):
    assert parse_query(settings.query()) == settings


@given(settings=settings_of_links)
def test_a_command_holds_all_settings_of_the_picture(settings):
    words = shlex.split(settings.render_command(Path("runs/my snapshot"), Path("the other")))
    assert words[:2] == ["mimic3d", "render"]
    args = build_parser().parse_args(words[2:])
    assert (args.snapshot, args.compare) == (Path("runs/my snapshot"), Path("the other"))
    again = parse_query(args.settings)
    assert again.model_dump(exclude=set(PAGE_ONLY)) == settings.model_dump(exclude=set(PAGE_ONLY))


def test_the_default_needs_no_query():
    assert ViewSettings().query() == ""
    assert parse_query("") == ViewSettings()
    assert "--settings" not in ViewSettings().render_command(Path("x"))


@pytest.mark.parametrize(
    "query",
    ["seed=x", "seed=-1", "seed=99999999999", "panel=../../etc/passwd", "psi=nan&nothing=1",
     "&&=;%00", "fov_deg=1e9", "shift=1,2", "shift=a,b,c", "resolution=257", "image=-2"],
)  # fmt: skip
def test_names_in_a_link_that_are_wrong_keep_their_default(query):
    assert parse_query(query + "&cutoff=3") == ViewSettings(cutoff=3)


def test_every_setting_has_one_control_or_is_set_by_the_mouse():
    shown = [name for fields in FOLDERS.values() for name in fields]
    assert len(shown) == len(set(shown))
    by_mouse = {"yaw_rad", "pitch_rad", "distance", "shift"}
    assert {*shown} | by_mouse == {*ViewSettings.model_fields}
    assert all(field.description for field in ViewSettings.model_fields.values())
