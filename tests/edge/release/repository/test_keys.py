"""Signing keys: made once, kept from others, never near what is served."""

import os
import stat
import subprocess

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge.release.errors import RepositoryError
from edge.release.repository.keys import QUORUMS, Keys
from tests.edge.releases import make_repository


def write_pem(path, key, passphrase=None):
    encryption = (
        serialization.BestAvailableEncryption(passphrase)
        if passphrase
        else serialization.NoEncryption()
    )
    content = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption
    )
    path.write_bytes(content)
    path.chmod(0o600)


def test_keys_are_made_for_their_role(tmp_path):
    """As many as the role has, numbered, each another one."""
    keys = Keys(tmp_path / "keys")
    made = {role: keys.make(role) for role in QUORUMS}

    assert [key.name for key in made["root"]] == ["root-1", "root-2", "root-3"]
    assert [key.name for key in made["targets"]] == ["targets-1", "targets-2"]
    assert [key.name for key in made["snapshot"]] == ["snapshot-1"]
    assert [key.name for key in made["timestamp"]] == ["timestamp-1"]
    everything = [key.public.keyid for group in made.values() for key in group]
    assert len(set(everything)) == 7
    assert all(key.public.keytype == "ed25519" for group in made.values() for key in group)


def test_keys_are_readable_by_their_owner_alone(tmp_path):
    """Whatever the umask of the process is."""
    before = os.umask(0)
    try:
        Keys(tmp_path / "deep" / "keys").make("root")
    finally:
        os.umask(before)

    folder = tmp_path / "deep" / "keys"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {0o600}
    assert all(file.read_bytes().startswith(b"-----BEGIN PRIVATE") for file in folder.iterdir())


def test_key_that_is_there_is_taken(tmp_path):
    """A call that was killed is taken up again, and no key is written over."""
    keys = Keys(tmp_path / "keys")
    first = keys.make("root")
    (tmp_path / "keys" / "root-3.pem").unlink()

    again = Keys(tmp_path / "keys").make("root")

    assert [key.public.keyid for key in again[:2]] == [key.public.keyid for key in first[:2]]
    assert again[2].public.keyid != first[2].public.keyid


def test_newest_keys_are_taken_for_a_new_repository(tmp_path):
    """Those that an earlier rotation replaced are not brought back."""
    keys = Keys(tmp_path / "keys")
    keys.make("targets")
    newer = keys.make("targets", after=2)

    assert [key.name for key in newer] == ["targets-3", "targets-4"]
    assert [key.public.keyid for key in keys.make("targets")] == [key.public.keyid for key in newer]


def test_key_is_found_by_its_id(tmp_path):
    """Whatever its file's number is; a folder that is not there has none."""
    keys = Keys(tmp_path / "keys")
    (made,) = keys.make("snapshot")
    (tmp_path / "keys" / "snapshot-1.pem").rename(tmp_path / "keys" / "snapshot-7.pem")

    assert [*keys.by_id()] == [made.public.keyid]
    assert Keys(tmp_path / "nowhere").by_id() == {}


@pytest.mark.parametrize(
    ("name", "mode", "right"),
    [("", 0o750, "700"), ("snapshot-1.pem", 0o640, "600"), ("snapshot-1.pem", 0o604, "600")],
)
def test_key_that_others_can_read_is_refused(tmp_path, name, mode, right):
    """It says what to do."""
    keys = Keys(tmp_path / "keys")
    keys.make("snapshot")
    (tmp_path / "keys" / name).chmod(mode)

    with pytest.raises(RepositoryError, match=f"open to others .* chmod {right}"):
        keys.by_id()


def test_keys_beside_releases_are_refused(tmp_path):
    """A web server would hand them out; a link does not hide it."""
    (tmp_path / "releases").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "releases")
    for folder in ("releases", "releases/keys", "link/keys"):
        with pytest.raises(RepositoryError, match="would be served with the releases"):
            Keys(tmp_path / folder).check_apart(tmp_path / "releases")
    Keys(tmp_path / "releases-keys").check_apart(tmp_path / "releases")


def test_keys_in_a_git_work_tree_are_refused(tmp_path):
    """Unless Git ignores their folder: a commit would publish them."""
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True, timeout=60)
    with pytest.raises(RepositoryError, match=r"Git work tree .* \.gitignore"):
        Keys(tmp_path / "var" / "keys").make("root")
    assert list((tmp_path / "var" / "keys").iterdir()) == []

    (tmp_path / ".gitignore").write_text("var/\n")
    assert len(Keys(tmp_path / "var" / "keys").make("root")) == 3


@pytest.mark.parametrize("kind", ["text", "other kind", "passphrase"])
def test_file_that_is_no_key_of_ours_is_named(tmp_path, kind):
    """It says what is needed."""
    folder = tmp_path / "keys"
    folder.mkdir(mode=0o700)
    file = folder / "root-1.pem"
    if kind == "text":
        file.write_text("no key")
        file.chmod(0o600)
    elif kind == "other kind":
        write_pem(file, ec.generate_private_key(ec.SECP256R1()))
    else:
        write_pem(file, Ed25519PrivateKey.generate(), b"a passphrase")

    message = "Ed25519 is needed" if kind == "other kind" else "no private key in PKCS8 PEM"
    with pytest.raises(RepositoryError, match=rf"root-1\.pem is .*{message}"):
        Keys(folder).make("root")


def test_key_of_ones_own_is_used(tmp_path):
    """One made by another program, put in its place before the repository is made."""
    folder = tmp_path / "keys"
    folder.mkdir(mode=0o700)
    own = Ed25519PrivateKey.generate()
    write_pem(folder / "timestamp-1.pem", own)

    (key,) = Keys(folder).make("timestamp")

    public = own.public_key().public_bytes_raw().hex()
    assert key.public.keyval["public"] == public


def test_private_keys_are_not_in_the_repository(tmp_path):
    """Neither as a file nor as bytes in one; nor in what is printed of a key."""
    make_repository(tmp_path)
    files = [file for file in (tmp_path / "releases").rglob("*") if file.is_file()]
    served = b"".join(file.read_bytes() for file in files)

    keys = sorted((tmp_path / "keys").iterdir())
    assert len(keys) == 7
    for file in keys:
        private = serialization.load_pem_private_key(file.read_bytes(), None)
        assert isinstance(private, Ed25519PrivateKey)
        secret = private.private_bytes_raw()
        assert private.public_key().public_bytes_raw().hex().encode() in served  # as it must be
        assert secret not in served and secret.hex().encode() not in served
    assert b"PRIVATE" not in served
    assert not [file for file in files if file.suffix == ".pem"]
    assert repr(Keys(tmp_path / "keys").make("snapshot")[0]) == "SigningKey(name='snapshot-1')"
