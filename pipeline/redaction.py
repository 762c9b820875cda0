"""Keeps secrets of the environment out of what is kept and shown."""

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

SECRET_NAME = re.compile(
    r"TOKEN|PASSW|SECRET|CREDENTIAL|PRIVATE|API_?KEY|ACCESS_KEY", re.IGNORECASE
)
MIN_LENGTH = 6
"""Least length of a secret; a shorter value would be found in many innocent words."""


def secret_values(environ: Mapping[str, str]) -> list[str]:
    """Values of the variables whose names say that they are secrets; longest first."""
    secrets = {
        value
        for name, value in environ.items()
        if SECRET_NAME.search(name) and len(value) >= MIN_LENGTH and not value.startswith("/")
    }
    return sorted(secrets, key=len, reverse=True)


def redact(text: str, secrets: list[str]) -> str:
    """The text with each secret replaced by three stars."""
    for secret in secrets:
        text = text.replace(secret, "***")
    return text


def require_no_password(uri: str, key: str) -> None:
    """Refuses an address with a password: addresses are shown, logged and passed on.

    Raises:
        ValueError: it has one, or is no address.
    """
    try:
        address = urlsplit(uri)
    except ValueError as error:
        raise ValueError(f"{key} must be an address: {error}") from None
    is_web = address.scheme in ("http", "https")
    if address.password is not None or (is_web and address.username is not None):
        shown = f"{address.scheme}://***@{address.netloc.rpartition('@')[2]}"
        raise ValueError(
            f"{key} must hold no password, is {shown}; put user and password of an MLflow server "
            f"into ~/.mlflow/credentials of every machine (docs/security.md)"
        )
