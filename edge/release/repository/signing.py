"""Signed metadata: bytes in, accepted or refused; values in, signed bytes out. No file is touched.

- A root is accepted if the one before it and it itself have signed it, and its version follows.
- Any other role is accepted if its threshold of keys, as a root names them, has signed it.
- Expiry is not looked at here: a publisher goes on from what has expired.
"""

from collections.abc import Iterable
from typing import Any, TypeVar, cast

from tuf.api.exceptions import RepositoryError as TufError
from tuf.api.metadata import Key, Metadata, Role, Root, Signed, Snapshot, Targets, Timestamp
from tuf.api.serialization import DeserializationError

from edge.release.errors import RepositoryError
from edge.release.repository.keys import QUORUMS, Keys, SigningKey, key_name

T = TypeVar("T", Root, Snapshot, Targets, Timestamp)


class MissingKeys(RepositoryError):
    """Too few of a role's keys are in the folder; the message names the others."""


def sign(signed: Signed, roots: Iterable[Root], keys: Keys) -> bytes:
    """Sign for a role as each of these roots asks; gives the file.

    Raises: MissingKeys: below the threshold of one of them.
    """
    metadata: Metadata[Any] = Metadata(signed)
    signers = {
        key.public.keyid: key for root in roots for key in signing_keys(signed.type, root, keys)
    }
    for key in signers.values():
        metadata.sign(key.signer, append=True)
    return metadata.to_bytes()


def signing_keys(role: str, root: Root, keys: Keys) -> tuple[SigningKey, ...]:
    """The keys that sign for a role, of those a root names.

    Raises: MissingKeys: fewer than the threshold are here.
    """
    wanted = root.roles[role]
    here = keys.by_id()
    found = tuple(here[keyid] for keyid in wanted.keyids if keyid in here)
    if len(found) >= wanted.threshold:
        return found
    missing = [f"{key_name(key)}.pem" for key in role_keys(role, root) if key.keyid not in here]
    raise MissingKeys(
        f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} not in {keys.folder}, or "
        f"not the right key: {role} is signed by {wanted.threshold} of {len(wanted.keyids)} keys"
    )


def role_keys(role: str, root: Root) -> tuple[Key, ...]:
    """The public keys of a role."""
    return tuple(root.get_key(keyid) for keyid in root.roles[role].keyids)


def assign_keys(root: Root, role: str, keys: Iterable[SigningKey]) -> None:
    """Let a role be signed by these keys, and no longer by those it had."""
    for keyid in tuple(root.roles[role].keyids):
        root.revoke_key(keyid, role)
    root.roles[role] = Role([], QUORUMS[role].threshold)
    for key in keys:
        root.add_key(key.public, role)


def read_root(content: bytes, previous: Root | None) -> Root:
    """A root that follows `previous`, or the first one, which vouches for itself.

    Raises: RepositoryError: it does not.
    """
    metadata = _parse(Root, content)
    root: Root = metadata.signed
    version = previous.version + 1 if previous else 1
    if root.version != version:
        raise RepositoryError(f"{version}.root.json has version {root.version}")
    for authority in filter(None, (previous, root)):
        _verify(metadata, authority, f"{version}.root.json")
    return root


def read_role(kind: type[T], content: bytes, root: Root) -> T:
    """Metadata of another role.

    Raises: RepositoryError: it is damaged, or its keys have not signed it.
    """
    metadata = _parse(kind, content)
    _verify(metadata, root, f"{kind.type} metadata")
    return cast(T, metadata.signed)


def _parse(kind: type[T], content: bytes) -> Metadata[Any]:
    try:
        metadata: Metadata[Any] = Metadata.from_bytes(content)
    except DeserializationError as error:
        raise RepositoryError(f"{kind.type} metadata is damaged: {error.__cause__}") from error
    if not isinstance(metadata.signed, kind):
        raise RepositoryError(f"{kind.type} metadata says that it is {metadata.signed.type}")
    return metadata


def _verify(metadata: Metadata[Any], root: Root, what: str) -> None:
    signed = metadata.signed
    try:
        root.verify_delegate(signed.type, metadata.signed_bytes, metadata.signatures)
    except TufError as error:
        raise RepositoryError(
            f"{what} is not signed by the keys that root {root.version} names: {error}"
        ) from error
