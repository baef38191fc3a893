"""The private keys that sign a repository: Ed25519 in PKCS8 PEM files, in a folder of their own.

Files are named after role and number (`root-1.pem`), of mode 0600 in a folder of mode 0700; other
modes are refused, and so is a folder that a web server would serve or that Git would carry away.
A role signs with whichever of its keys are here: keys of root are needed to rotate keys and to
renew root once in months, so they belong on a medium in a drawer, and are copied here for that.
The names are also in the repository's root metadata, so that a missing file can be named.
"""

import os
import re
import stat
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from securesystemslib.signer import CryptoSigner, Key

from edge.release.errors import OpenKeysError, RepositoryError
from services.storage.files import write_bytes

NAME_FIELD = "x-triptych-name"  # of a public key in root metadata; TUF lets us add fields


@dataclass(frozen=True)
class Quorum:
    """How many keys a role has, and how many of them must sign."""

    keys: int
    threshold: int


QUORUMS = {
    "root": Quorum(keys=3, threshold=2),
    "targets": Quorum(keys=2, threshold=2),
    "snapshot": Quorum(keys=1, threshold=1),
    "timestamp": Quorum(keys=1, threshold=1),
}
_FILE = re.compile(r"(root|targets|snapshot|timestamp)-([1-9]\d{0,5})\.pem")


@dataclass(frozen=True)
class SigningKey:
    """A private key; name: of its file, without `.pem`."""

    name: str
    signer: CryptoSigner = field(repr=False)

    @property
    def public(self) -> Key:
        """The public half, which carries the name."""
        return self.signer.public_key


class Keys:
    """A folder of signing keys.

    Raises: RepositoryError: of every method: the folder or a file in it cannot be used as it is.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()

    def by_id(self) -> dict[str, SigningKey]:
        """All keys whose files are here."""
        loaded = (_load(file) for _, _, file in self._files())
        return {key.public.keyid: key for key in loaded}

    def make(self, role: str, after: int | None = None) -> tuple[SigningKey, ...]:
        """As many keys as the role has, numbered from `after` + 1 on.

        Files that are here already are taken: an earlier call was interrupted. None: the newest
        ones that are here, completed to the number that is needed.
        """
        count = QUORUMS[role].keys
        if after is None:
            numbers = [number for found, number, _ in self._files() if found == role]
            after = max([count, *numbers]) - count
        files = [self.folder / f"{role}-{after + step}.pem" for step in range(1, count + 1)]
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            _check_mode(self.folder, 0o700)
            _check_unversioned(files[0])
            for file in files:
                if not file.exists():
                    write_bytes(file, _new_pem(), 0o600)
        except OSError as error:
            raise RepositoryError(f"{self.folder} cannot be written: {error}") from error
        return tuple(_load(file) for file in files)

    def check_apart(self, served: Path) -> None:
        """Raises: RepositoryError: the keys would be served with the releases."""
        if self.folder.resolve().is_relative_to(served.resolve()):
            raise RepositoryError(
                f"the keys in {self.folder} would be served with the releases in {served}: "
                "keep them in another folder"
            )

    def _files(self) -> list[tuple[str, int, Path]]:
        """Role, number and path of every key."""
        if not self.folder.is_dir():
            return []
        _check_mode(self.folder, 0o700)
        named = ((_FILE.fullmatch(file.name), file) for file in self.folder.iterdir())
        return sorted((match[1], int(match[2]), file) for match, file in named if match)


def key_name(key: Key) -> str:
    """The file name of a key in root metadata, without `.pem`."""
    return str(key.unrecognized_fields.get(NAME_FIELD, key.keyid[:12]))


def key_number(key: Key) -> int:
    """The number in a key's name; 0 where it has none."""
    match = _FILE.fullmatch(f"{key_name(key)}.pem")
    return int(match[2]) if match else 0


def _new_pem() -> bytes:
    return Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _load(file: Path) -> SigningKey:
    _check_mode(file, 0o600)
    try:
        private = serialization.load_pem_private_key(file.read_bytes(), password=None)
    except OSError as error:
        raise RepositoryError(f"{file} cannot be read: {error}") from error
    except (ValueError, TypeError) as error:
        raise RepositoryError(
            f"{file} is no private key in PKCS8 PEM without a passphrase: {error}"
        ) from error
    if not isinstance(private, Ed25519PrivateKey):
        raise RepositoryError(f"{file} is a key of another kind: Ed25519 is needed")
    signer = CryptoSigner(private)
    signer.public_key.unrecognized_fields[NAME_FIELD] = file.stem
    return SigningKey(file.stem, signer)


def _check_mode(path: Path, mode: int) -> None:
    found = stat.S_IMODE(path.stat().st_mode)
    if found & ~mode:
        raise OpenKeysError(
            f"{path} is open to others (mode {found:04o}): run chmod {mode:o} '{path}', and "
            "rotate the keys if somebody may have read them"
        )


def _check_unversioned(file: Path) -> None:
    """Git must not carry a key away: its folder is outside of a work tree, or ignored there."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    command = ["git", "-C", str(file.parent), "check-ignore", "--quiet", str(file)]
    try:
        answer = subprocess.run(command, env=environment, capture_output=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return  # without Git there is nothing to be carried away by
    if answer.returncode == 1:  # 0: ignored; 128: no work tree
        raise RepositoryError(
            f"{file.parent} lies in a Git work tree that does not ignore it: keep signing keys "
            "elsewhere, or add the folder to .gitignore"
        )
