"""A bucket that remembers what was written into it, and how often."""

from collections import Counter
from typing import Any


class OwnBucket:
    """An empty bucket that keeps each version of an object."""

    def __init__(self, name: str) -> None:
        import boto3

        self.name = name
        self.client: Any = boto3.client("s3", region_name="us-east-1")
        self.client.create_bucket(Bucket=name)
        enabled = {"Status": "Enabled"}
        self.client.put_bucket_versioning(Bucket=name, VersioningConfiguration=enabled)

    @staticmethod
    def environment(server: str) -> dict[str, str]:
        """What leads a process to the server."""
        return {
            "AWS_ENDPOINT_URL": server,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
        }

    def objects(self, prefix: str = "") -> dict[str, bytes]:
        """What is there, by the name behind a prefix."""
        pages = self.client.get_paginator("list_objects_v2")
        keys = [
            each["Key"]
            for page in pages.paginate(Bucket=self.name, Prefix=prefix)
            for each in page.get("Contents", ())
        ]
        return {
            key.removeprefix(prefix): self.client.get_object(Bucket=self.name, Key=key)[
                "Body"
            ].read()
            for key in keys
        }

    def writes(self) -> Counter[str]:
        """How often each object was written, under its whole name."""
        pages = self.client.get_paginator("list_object_versions")
        return Counter(
            each["Key"]
            for page in pages.paginate(Bucket=self.name)
            for each in page.get("Versions", ())
        )
