import pytest

from mimic3d.config import Config
from pipeline.params import load_params
from stages.prepare import PrepareConfig
from stages.sources import SourceConfig, check_source, data_sources


def test_the_values_of_source_are_the_annotated_fields():
    assert list(data_sources()) == ["synthetic", "photos", "landmarks", "given", "external"]


def test_a_source_that_is_unknown_is_an_error_that_names_the_known_ones(tmp_path):
    (tmp_path / "params.yaml").write_text("prepare:\n  source: video\n")
    with pytest.raises(ValueError, match=r"prepare.source.*synthetic, photos, .*external.*video"):
        load_params("prepare", PrepareConfig, tmp_path)


def test_what_is_not_annotated_is_no_source():
    class More(SourceConfig):
        extra: Config = Config()

    with pytest.raises(ValueError, match="must be one of"):
        More(source="extra")


def test_every_source_but_the_rendered_one_is_checked_before_any_work(tmp_path):
    for name, source in data_sources().items():
        if source.check is None:
            assert name == "synthetic"
            continue
        with pytest.raises(ValueError, match=f"prepare.{name}"):
            check_source(SourceConfig(source=name), tmp_path)
