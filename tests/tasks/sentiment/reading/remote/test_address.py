"""What an address may hold: all that may be a secret is refused and not repeated."""

import pytest

from tasks.sentiment.errors import SourceError
from tasks.sentiment.reading.remote.address import refuse_secrets


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("https://user:hunter2@host/reviews.csv", "TRIPTYCH_SOURCE_AUTHORIZATION"),
        ("HTTPS://hunter2@host/reviews.csv", "TRIPTYCH_SOURCE_AUTHORIZATION"),
        ("s3://key:hunter2@bucket/reviews.csv", "AWS_ACCESS_KEY_ID"),
        ("https://host/r.csv?X-Amz-Date=2026&X-Amz-Signature=hunter2", "TRIPTYCH_SOURCE_QUERY"),
        ("https://host/r.csv?sv=2026-01-01&sig=hunter2", "TRIPTYCH_SOURCE_QUERY"),
        ("https://host/r.csv?access_token=hunter2", "TRIPTYCH_SOURCE_QUERY"),
        ("https://host/r.csv?t=hunter2hunter2hunter2hunter2", "TRIPTYCH_SOURCE_QUERY"),
        ("https://host/r.csv?pin=hunter2", "TRIPTYCH_SOURCE_QUERY"),
        ("https://host/r.csv?designkey=hunter2", "TRIPTYCH_SOURCE_QUERY"),
        ("http://host/r.csv?token=hunter2", "use https://|copy the file"),
        ("https://host/r.csv?hunter2", "TRIPTYCH_SOURCE_QUERY"),
        ("s3://bucket/r.csv?X-Amz-Signature=hunter2", "AWS_ACCESS_KEY_ID"),
        ("https://host/r.csv#hunter2", "behind #"),
    ],
)
def test_address_with_a_secret_is_refused_without_it(address, says):
    """With the place where it belongs."""
    with pytest.raises(SourceError, match=says) as error:
        refuse_secrets(address)

    assert "hunter2" not in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    "reference",
    [
        "https://host/reviews.csv",
        "https://host/export?format=csv&gid=0&from=2026-11-01",
        "https://host/export?name=reviews-2026-11&assignee=bob&monkey=1&design=1",
        "https://host/@someone/reviews.csv",
        "s3://bucket/a@b/part-?.csv",
        "reviews@home.csv?sig=a",
        "SELECT body FROM reviews WHERE mail LIKE 'a@b'",
    ],
)
def test_what_holds_no_secret_passes(reference):
    """Also a plain query, an @ in a path, and a pattern."""
    refuse_secrets(reference)
