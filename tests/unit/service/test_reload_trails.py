"""Where to listen: real folders, and every folder that holds a link on the way."""

import os

from engine.service.footprint import footprint
from engine.service.trails import places, trail


def made(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("")
    return folder


def folders(found):
    return {path for path, _ in found}


def test_a_plain_project_is_listened_to_in_its_folders_and_beside_them(tmp_path):
    root = made(tmp_path / "project", "engine.yaml", "pipelines/a.yaml", "secrets/key", "data/engine.db")
    found = places(root, footprint(root))
    assert folders(found.deep) >= {str(root / "pipelines"), str(root / "secrets")}
    assert folders(found.flat) == {str(root)}
    assert found.concerns(str(root / "engine.yaml"))
    assert found.concerns(str(root / "connections")), "a folder that is still to come"
    assert found.concerns(str(root / "pipelines/deep/x.yaml"))
    assert not found.concerns(str(root / "data"))
    assert not found.concerns(str(root / "engine.db-wal"))


def test_a_file_that_is_named_is_listened_to_in_its_folder(tmp_path):
    root = made(tmp_path / "project", "pipelines/a.yaml", "tables/units.csv", "tables/other.csv")
    found = places(root, footprint(root, [root / "tables/units.csv"]))
    assert str(root / "tables") in folders(found.flat)
    assert found.concerns(str(root / "tables/units.csv"))
    assert not found.concerns(str(root / "tables/other.csv"))


def test_the_folder_of_every_link_on_the_way_is_listened_to(tmp_path):
    """current -> releases/1, releases/1/pipelines -> ../../shared, shared/a.yaml -> ..data/a.yaml."""
    made(tmp_path, "releases/1/engine.yaml", "shared/..one/a.yaml")
    os.symlink("releases/1", tmp_path / "current")
    os.symlink("../../shared", tmp_path / "releases/1/pipelines")
    os.symlink("..one", tmp_path / "shared/..data")
    os.symlink("..data/a.yaml", tmp_path / "shared/a.yaml")
    root = tmp_path / "current"
    found = places(root, footprint(root))
    assert folders(found.deep) >= {str(tmp_path / "shared")}
    assert folders(found.flat) >= {str(tmp_path), str(tmp_path / "releases/1")}
    assert found.concerns(str(tmp_path / "current"))
    assert found.concerns(str(tmp_path / "releases/1/pipelines"))
    assert found.concerns(str(tmp_path / "shared/..data"))


def test_a_folder_put_in_the_place_of_another_is_another_place(tmp_path):
    root = made(tmp_path / "project", "pipelines/a.yaml")
    before = places(root, footprint(root))
    (root / "pipelines").rename(root / "old")
    made(root, "pipelines/a.yaml")
    assert places(root, footprint(root)) != before


def test_links_in_a_circle_end(tmp_path):
    os.symlink("b", tmp_path / "a")
    os.symlink("a", tmp_path / "b")
    assert len(list(trail(str(tmp_path / "a" / "x")))) < 60


def test_a_trail_ends_where_there_is_nothing(tmp_path):
    assert list(trail(str(tmp_path / "no" / "such")))[-1].name == "no"
