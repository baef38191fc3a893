"""Writes changes of a repository, each in the order that keeps what devices see whole.

Files of releases come first, then `N.targets.json`, `N.snapshot.json`, and `timestamp.json` at the
end. All of it is signed before the first file is written: a key that is missing leaves no trace.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import count

from tuf.api.metadata import Root, TargetFile

from edge.release.errors import RepositoryError
from edge.release.repository.keys import QUORUMS, Keys, SigningKey
from edge.release.repository.lifetimes import Lifetimes
from edge.release.repository.signatory import ROLES, Signatory, SignedChange
from edge.release.repository.signing import MissingKeys, assign_keys, sign
from edge.release.repository.state import TIMESTAMP, State, read_state, target_file
from edge.release.repository.storage import Conflict, Storage


@dataclass(frozen=True)
class Writer:
    """What it takes to write to a repository.

    Raises: RepositoryError: of every method: the storage or the keys cannot be used.
    """

    storage: Storage
    keys: Keys
    lifetimes: Lifetimes
    clock: Callable[[], datetime]  # UTC

    def state(self) -> State:
        """What is current.

        Raises: RepositoryError: there is no repository, or one that is damaged.
        """
        if state := read_state(self.storage):
            return state
        raise RepositoryError(f"there is no repository in {self.storage.url}: create it first")

    @contextmanager
    def changing(self, *, expired: bool = False) -> Iterator[State]:
        """What is current, with other publishers kept out.

        expired: also go on if the root is, so that devices take nothing.
        """
        self.state()  # or else the lock would make a folder
        with self.storage.lock():
            state = self.state()
            if state.stale:  # a rotation was killed between its new root and the rest
                self.write(self.sign(state, state.stale, (state.root,)), state)
                state = self.state()
            if not expired and state.root.is_expired(self.clock()):
                raise RepositoryError(
                    f"root expired on {state.root.expires:%Y-%m-%d}, and devices take nothing "
                    "until it is renewed with its keys"
                )
            yield state

    def create(self, root: Root, contents: Mapping[str, bytes]) -> None:
        """Write the first targets, by their paths."""
        signed = self.sign(None, ROLES, (root,), target_files(contents))
        self._put_targets(contents)
        self.write(signed, None)

    def change(self, state: State, contents: Mapping[str, bytes]) -> bool:
        """Write targets by their paths; whether anything changed."""
        old = state.targets.targets
        new = {**old, **target_files(contents)}
        signed = self.sign(state, ROLES, (state.root,), new) if new != old else None
        self._put_targets(contents)  # which also mends them
        if signed:
            self.write(signed, state)
        return signed is not None

    def sign(
        self,
        state: State | None,
        roles: Collection[str],
        roots: tuple[Root, ...],
        targets: Mapping[str, TargetFile] | None = None,
    ) -> SignedChange:
        """See `Signatory.sign`."""
        expires = {role: self.clock() + self.lifetimes.of(role) for role in ROLES}
        return Signatory(self.keys, roots, expires, self._free).sign(state, roles, targets)

    def write(self, change: SignedChange, state: State | None) -> list[str]:
        """Write metadata; the names of the files.

        Raises: Conflict: another publisher has written since `state` was read.
        """
        for file, content in change.files:
            self.storage.create(file, content)
        self.storage.replace(TIMESTAMP, change.timestamp, state.raw_timestamp if state else None)
        return [*(file for file, _ in change.files), TIMESTAMP]

    def first_root(self) -> Root:
        """Make all keys, and a root that names them."""
        root = Root(version=1, expires=self.clock() + self.lifetimes.root)
        for role in QUORUMS:
            assign_keys(root, role, self.keys.make(role))
        self._write_root(root, sign(root, (root,), self.keys))
        return root

    def renew_root(self, state: State) -> tuple[State, str]:
        """Write the same root with a new expiry; what is current then, and the file's name."""
        root = self._next_root(state)
        file = self._write_root(root, sign(root, (state.root, root), self.keys))
        return replace(state, root=root), file

    def hand_over(self, state: State, role: str, keys: Iterable[SigningKey]) -> None:
        """Let other keys sign for a role.

        What they sign is signed by the old ones as well and written before the new root, so that
        devices that know either root can go on. If too few of the old ones are left, the new root
        comes first; a device that reads in between refuses what it finds, until the rest is there.
        """
        root = self._next_root(state)
        assign_keys(root, role, keys)
        raw_root = sign(root, (state.root, root), self.keys)
        if role == "root":
            self._write_root(root, raw_root)
            return
        try:
            signed = self.sign(state, {role}, (state.root, root))
        except MissingKeys:
            signed = self.sign(state, {role}, (root,))
            self._write_root(root, raw_root)
            self.write(signed, state)
        else:
            self.write(signed, state)
            self._write_root(root, raw_root)

    def _put_targets(self, contents: Mapping[str, bytes]) -> None:
        for target in target_files(contents).values():
            file, content = target_file(target), contents[target.path]
            try:
                self.storage.create(file, content)
            except Conflict:
                # Its name holds the digest of the content: what is there is damaged.
                self.storage.replace(file, content, self.storage.read(file))

    def _write_root(self, root: Root, content: bytes) -> str:
        file = f"metadata/{root.version}.root.json"
        self.storage.create(file, content)
        return file

    def _next_root(self, state: State) -> Root:
        root = deepcopy(state.root)
        root.version += 1
        root.expires = self.clock() + self.lifetimes.root
        return root

    def _free(self, role: str, after: int) -> int:
        """The next version of a role; a killed publisher may have taken the one that follows."""
        return next(
            version
            for version in count(after + 1)
            if self.storage.read(f"metadata/{version}.{role}.json") is None
        )


def target_files(contents: Mapping[str, bytes]) -> dict[str, TargetFile]:
    """What the metadata says of these contents, by their paths."""
    return {path: TargetFile.from_data(path, data) for path, data in contents.items()}
