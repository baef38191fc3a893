"""Models and roles that several homes share in a database."""

import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa
from pydantic import SecretStr

from services.fraud.errors import ModelError, ModelsBusy, ModelsNotShared, ModelsUnavailable
from services.fraud.model_storage.database import FILES
from services.fraud.model_storage.standing import Standing
from services.fraud.scoring import store
from services.fraud.scoring.models import SHARE, Models
from services.fraud.scoring.registry import Registry

Home = Callable[[str], Models]


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """A folder with the files of a model, which nobody opens here."""
    folder = tmp_path / "made"
    folder.mkdir()
    for name in store.FILES:
        (folder / name).write_text(f"the content of {name}")
    return folder


@pytest.fixture
def home(tmp_path: Path, fresh_postgres_url: str) -> Home:
    """The models of a home, by its name; all homes have one database."""
    return lambda name: Models(tmp_path / name, SecretStr(fresh_postgres_url))


def execute(url: str, *statements: str) -> None:
    engine = sa.create_engine(url, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for statement in statements:
            connection.execute(sa.text(statement))


def content(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def test_model_that_one_home_saves_is_in_all(home, made):
    """With its description, as BentoML wrote it; fetched when it is asked for, and not before."""
    here, there = home("here"), home("there")
    tag = here.save(made, {"origin": "registered"})

    assert there.tags() == [tag] and there.fault(tag) is None
    assert not store.place(tag, there.home).exists()
    assert there.digests(tag) == store.digests(made)
    assert there.read(tag, store.CARD) == (made / store.CARD).read_bytes()
    assert content(there.folder(tag)) == content(here.folder(tag))
    assert b"origin: registered" in content(there.folder(tag))[store.ABOUT]


def test_roles_and_blocks_are_those_of_all_homes(home, made):
    """And no home has a registry of its own."""
    here, there = home("here"), home("there")
    first, second = here.save(made), there.save(made)
    here.registry().promote(first, "good")
    there.registry().promote(second, "better")
    there.registry().block("average precision fell")

    standing = here.registry().read()
    assert (standing.champion, standing.previous) == (second, (first,))
    assert here.registry().blocked() == "average precision fell"
    assert here.registry().rollback() == first
    assert not (here.home / "fraud").exists() and not (there.home / "fraud").exists()


@pytest.mark.parametrize("name", [*store.FILES, store.ABOUT])
def test_damaged_copy_is_fetched_anew(home, made, name):
    """Cut off, as by a full disk, overwritten, or gone."""
    here, there = home("here"), home("there")
    tag = here.save(made)
    whole = content(there.folder(tag))
    for damaged in (b"", b"\xff\x00", b"metadata: {sha256: }"):
        (store.place(tag, there.home) / name).write_bytes(damaged)
        assert content(there.folder(tag)) == whole
    (store.place(tag, there.home) / name).unlink()
    assert content(there.folder(tag)) == whole


def test_model_that_is_damaged_in_the_database_is_not_taken_up(home, made, fresh_postgres_url):
    """It is named, and the store of the home stays without it."""
    tag, there = home("here").save(made), home("there")
    execute(
        fresh_postgres_url, f"UPDATE {FILES.fullname} SET content = 'x' WHERE name LIKE '%lite'"
    )
    with pytest.raises(ModelError, match=f"model {tag} in database .*its model.tflite is not what"):
        there.folder(tag)
    assert store.tags(there.home) == []


def test_model_with_other_files_in_the_database_is_not_taken_up(home, made, fresh_postgres_url):
    """No name of a file leads out of the store."""
    tag, there = home("here").save(made), home("there")
    execute(
        fresh_postgres_url, f"UPDATE {FILES.fullname} SET name = '../../x' WHERE name LIKE '%k%'"
    )
    with pytest.raises(ModelError, match=r"is damaged: it has the files \.\./\.\./x, "):
        there.folder(tag)
    assert not list(there.home.rglob("x")) and store.tags(there.home) == []


def test_unknown_model_is_told_with_what_there_is_anywhere(home, made):
    tag = home("here").save(made)
    with pytest.raises(ModelError, match=f"in .*there.* and database .*; newest there: {tag}"):
        home("there").folder(f"{tag}-other")
    with pytest.raises(ModelError, match="no tag of a fraud model"):
        home("there").folder("fraud_detector:../../etc")


def test_workers_that_start_together_find_a_model_whole(home, made):
    """Each asks for it while another one is putting it into the store of their home."""
    tag = home("here").save(made)
    found: list[dict[str, bytes]] = []
    together = threading.Barrier(4)

    def start() -> None:
        models = home("there")
        together.wait()
        found.append(content(models.folder(tag)))

    workers = [threading.Thread(target=start) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()

    assert found == [content(home("here").folder(tag))] * 4
    assert {file.name for file in (home("there").home / "bentoml").iterdir()} == {
        "models",
        "incoming.lock",
    }


def test_what_a_killed_process_left_is_no_model(home, made):
    """Neither half of one, nor what it was writing aside."""
    tag, there = home("here").save(made), home("there")
    half = store.place(tag, there.home)
    half.mkdir(parents=True)
    (half / store.CARD).write_text("the content")
    (store.store_folder(there.home) / "incoming").mkdir()
    assert set(content(there.folder(tag))) == {*store.FILES, store.ABOUT}


def test_look_at_a_model_leaves_the_home_as_it_is(home, made):
    """A doctor changes nothing."""
    tag, there = home("here").save(made), home("there")
    with there.files_of(tag) as folder:
        assert store.digests(folder) == store.digests(made)
    assert not folder.exists() and not there.home.exists()
    with pytest.raises(ModelError, match="lacks"), there.files_of(f"{tag}-other"):
        pass


def test_model_of_one_home_alone_is_copied_before_it_gets_a_role(home, made):
    """One that was saved before the homes had a database: as champion, and as shadow."""
    here, there = home("here"), home("there")
    champion, shadow = (store.save(made, here.home) for _ in range(2))
    assert there.tags() == []
    here.registry().promote(champion, "good")
    here.registry().shadow(shadow)
    assert there.tags() == [shadow, champion]


def test_home_with_a_champion_is_not_taken_for_one_without(home, made, tmp_path):
    """What to type is told, to whoever reads or changes roles; then all of it is everywhere."""
    home("here").home.mkdir()
    tags = [store.save(made, tmp_path / "here") for _ in range(3)]
    own = Registry(tmp_path / "here")
    for tag in tags[:2]:
        own.promote(tag, "good")
    own.block("average precision fell")
    for ask in (
        lambda: home("here").registry().read(),
        lambda: home("here").registry().promote(tags[2], "", override_block=True),
        lambda: home("here").registry().shadow(tags[2]),
    ):
        with pytest.raises(ModelsNotShared, match=f"here {tags[1]} is champion: {SHARE}$"):
            ask()
    assert home("there").registry().read().champion is None  # it has none to lose

    done = home("here").share()

    assert (set(done.copied), done.damaged) == (set(tags), ())
    assert home("there").registry().read() == done.own == done.there == own.read()
    assert home("there").registry().blocked() == "average precision fell"
    assert home("there").tags() == tags[::-1]


def test_roles_in_the_database_stay_when_another_home_is_copied(home, made, tmp_path):
    """Its models come along; what was champion there is told."""
    champion = home("here").save(made)
    home("here").registry().promote(champion, "good")
    mine, bad = (store.save(made, tmp_path / "there") for _ in range(2))
    (store.place(bad, tmp_path / "there") / store.CARD).write_text("{}")
    Registry(tmp_path / "there").promote(mine, "mine")

    for copied in ((mine,), ()):
        done = home("there").share()
        assert (done.copied, done.own.champion, done.there.champion) == (copied, mine, champion)
        assert "card.json" in done.damaged[0]
    assert home("here").tags() == sorted([champion, mine], reverse=True)


@pytest.mark.parametrize("role", ["champion", "shadow"])
def test_role_of_a_damaged_model_is_not_copied(home, made, tmp_path, role):
    """No machine could answer with it; with another model in its place, all is copied."""
    own = Registry(tmp_path / "here")
    good, bad = (store.save(made, tmp_path / "here") for _ in range(2))
    own.promote(good, "good")
    own.promote(bad, "better") if role == "champion" else own.shadow(bad)
    network = store.place(bad, tmp_path / "here") / "model.tflite"
    network.write_bytes(network.read_bytes()[:-1])

    with pytest.raises(ModelError, match=rf"the {role} cannot be: .*model\.tflite"):
        home("here").share()
    assert home("there").registry().read() == Standing()
    own.rollback() if role == "champion" else own.shadow(None)
    assert home("here").share().there.champion == good


def test_nothing_is_shared_without_a_database(tmp_path):
    with pytest.raises(ModelError, match="TRIPTYCH_FRAUD_STATE_URL is not set"):
        Models(tmp_path).share()


def test_another_model_under_the_same_tag_is_refused(home, made, tmp_path):
    """Nothing that others may have answered with is replaced."""
    tag = home("here").save(made)
    copy = shutil.copytree(
        store.place(tag, tmp_path / "here"), store.place(tag, tmp_path / "there")
    )
    (copy / store.CARD).write_text("{}")
    with pytest.raises(ModelError, match=f"another model is {tag} in database"):
        home("there")._rows.put(tag, content(copy), home("here").shared()[tag].saved_at)


def test_model_that_is_deleted_is_gone_for_all(home, made):
    """But where it was fetched before."""
    here, there = home("here"), home("there")
    tags = [here.save(made) for _ in range(2)]
    there.folder(tags[0])
    here.delete_shared(tags)
    assert (there.tags(), there.shared()) == ([tags[0]], {})


def test_model_is_kept_at_home_while_the_database_is_away(home, made, postgres_restart):
    """It is told where it is, and copied later."""
    champion = home("here").save(made)
    home("here").registry().promote(champion, "good")
    postgres_restart.stop()
    with pytest.raises(ModelsBusy, match=rf"fraud_detector:\S+ is in the store of this .*{SHARE}"):
        home("here").save(made)
    with pytest.raises(ModelsBusy):
        home("here").registry().read()
    assert home("here").folder(champion)  # it is in the store
    with pytest.raises(ModelsBusy):
        home("there").folder(champion)
    postgres_restart.start()

    assert len(home("here").share().copied) == 1
    assert len(home("there").tags()) == 2


@pytest.mark.parametrize(
    "url",
    [
        *("sqlite:///models.db", "nonsense", "mysql://ann:s3cret@db/x"),
        "postgresql://ann:a@s3cret@db/x",
    ],
)
def test_address_that_is_wrong_is_told_in_one_line(tmp_path, url):
    """With the setting and what it has to be, and without its password."""
    with pytest.raises(
        ModelsUnavailable, match="STATE_URL is to be of the form postgresql"
    ) as told:
        Models(tmp_path, SecretStr(url)).tags()
    assert "\n" not in str(told.value) and "s3cret" not in str(told.value)


def test_database_without_rights_is_told_in_one_line(tmp_path, made, fresh_postgres_url, home):
    """Where it may make nothing, and where it may not read."""
    execute(fresh_postgres_url, "DROP ROLE IF EXISTS guest", "CREATE ROLE guest LOGIN")
    url = sa.make_url(fresh_postgres_url).set(username="guest")
    guest = Models(tmp_path / "guest", SecretStr(url.render_as_string(hide_password=False)))
    try:
        assert guest.tags() == []
        with pytest.raises(ModelsUnavailable, match="permission denied for database") as told:
            guest.save(made)
        home("here").save(made)
        with pytest.raises(ModelsUnavailable, match="permission denied for schema") as read:
            guest.registry().read()
        assert "\n" not in f"{told.value}{read.value}"
    finally:
        execute(fresh_postgres_url, "DROP ROLE guest")


def test_tables_of_another_version_are_refused(home, made, fresh_postgres_url):
    """Before anything is read from them, or written; both versions are named."""
    home("here").save(made)
    execute(
        fresh_postgres_url, "UPDATE fraud_models.registry SET content = 2 WHERE name = 'version'"
    )
    for ask in (lambda: home("here").registry().read(), lambda: home("here").save(made)):
        with pytest.raises(ModelsUnavailable, match=r"are of version 2, .* knows version 1: bring"):
            ask()
