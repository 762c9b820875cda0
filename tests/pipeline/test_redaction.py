import pytest

from pipeline.redaction import redact, require_no_password, secret_values


def test_secrets_are_known_by_their_names():
    environ = {
        "MLFLOW_TRACKING_PASSWORD": "correct horse",
        "AWS_SECRET_ACCESS_KEY": "abcdefghij",
        "RAY_AUTH_TOKEN": "0123456789abcdef",
        "RAY_AUTH_TOKEN_PATH": "/home/me/token",
        "HOME": "/home/me",
        "SOME_TOKEN": "1",
    }
    assert secret_values(environ) == ["0123456789abcdef", "correct horse", "abcdefghij"]


def test_a_secret_within_another_leaves_nothing_behind():
    secrets = secret_values({"A_TOKEN": "abcdef", "B_TOKEN": "abcdefghi"})
    assert redact("x abcdefghi y abcdef z", secrets) == "x *** y *** z"


@pytest.mark.parametrize(
    "uri", ["http://me:pass@host:5000", "https://token@host/path", "postgresql://me:pass@host/db"]
)
def test_addresses_with_passwords_are_refused_without_showing_them(uri):
    with pytest.raises(ValueError, match=r"tracking_uri must hold no password") as error:
        require_no_password(uri, "tracking_uri")
    assert "pass@" not in str(error.value)
    assert "token@" not in str(error.value)


@pytest.mark.parametrize(
    "uri", ["http://host:5000", "sqlite:////home/me@work/mlflow.db", "postgresql://me@host/db"]
)
def test_addresses_without_passwords_are_fine(uri):
    require_no_password(uri, "tracking_uri")
