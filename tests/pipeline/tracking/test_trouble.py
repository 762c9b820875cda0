import pytest
from mlflow.exceptions import MlflowException, RestException

from pipeline.tracking.trouble import describe_trouble

AWAY = "API request to http://h/api failed with exception HTTPConnectionPool(host='h', port=9): Max"
CASES = {
    "deleted": MlflowException(
        "The run 1f must be in the 'active' state. Current state is deleted."
    ),
    "gone": MlflowException("Run with id=ffff not found"),
    "read-only": MlflowException("(sqlite3.OperationalError) attempt to write a readonly database"),
    "full": MlflowException("(sqlite3.OperationalError) database or disk is full"),
    "driver": ModuleNotFoundError("No module named 'psycopg2'"),
    "locked": MlflowException("(sqlite3.OperationalError) database is locked"),
    "denied": RestException({"error_code": "PERMISSION_DENIED", "message": "Permission denied"}),
    "away": MlflowException(f"{AWAY} retries exceeded (Caused by NewConnectionError(refused))"),
    "slow": MlflowException(f"{AWAY} retries exceeded (Caused by ReadTimeoutError(timed out))"),
    "failing": MlflowException(f"{AWAY} retries exceeded (too many 503 error responses)"),
    "refused": RestException(
        {"error_code": "INVALID_PARAMETER_VALUE", "message": "Changing param values is not allowed"}
    ),
    "unknown": TypeError("a bug"),
}


@pytest.mark.parametrize("kind", CASES)
def test_each_kind_of_trouble_is_known_and_one_sentence(kind):
    trouble = describe_trouble(CASES[kind], "the run of toy")
    assert trouble.kind == kind
    assert "\n" not in trouble.sentence
    assert trouble.is_final == (kind in ("gone", "refused"))
    assert trouble.needs_person == (kind in ("deleted", "denied", "driver"))


def test_what_a_server_that_is_there_answers_is_not_called_away():
    sentences = {kind: describe_trouble(error).sentence for kind, error in CASES.items()}
    assert [kind for kind, text in sentences.items() if "cannot be reached" in text] == ["away"]
    assert "mlflow runs restore" in sentences["deleted"]
