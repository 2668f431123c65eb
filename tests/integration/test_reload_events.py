"""Changes as tools make them: each is followed, with events of the system alone and with looks alone."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.integration.reload_rig import QUICK, SILENT, Followed, following, pipeline, renamed_into, until, write


@pytest.fixture(params=[QUICK, SILENT], ids=["events", "looks"])
def pace(request):
    return request.param


@pytest.fixture
def root(tmp_path):
    project = tmp_path / "project"
    write(project / "pipelines/a.yaml", pipeline("a"))
    write(project / "pipelines/b.yaml", pipeline("b"))
    return project


def settled(one, **descriptions):
    return lambda: one.descriptions == descriptions and not one.reloader.problems


async def test_a_file_written_in_place_is_followed(root, pace):
    async with following(Followed(root), pace) as one:
        write(root / "pipelines/a.yaml", pipeline("a", "second"))
        await until(settled(one, a="second", b="first"))
        assert one.reloads[-1].changed == ("a",)


async def test_a_file_renamed_into_place_is_followed(root, pace):
    async with following(Followed(root), pace) as one:
        for label in ("second", "third", "fourth"):
            renamed_into(root / "pipelines/a.yaml", pipeline("a", label))
            await until(settled(one, a=label, b="first"))


async def test_new_folders_are_followed_into(root, pace):
    """Also one that comes with its files, by a rename, and one whose kind was not there before."""
    async with following(Followed(root), pace) as one:
        write(root / "pipelines/deep/er/c.yaml", pipeline("c"))
        await until(settled(one, a="first", b="first", c="first"))
        write(root / "pipelines/deep/er/c.yaml", pipeline("c", "second"))
        await until(settled(one, a="first", b="first", c="second"))
        write(root.parent / "elsewhere/d.yaml", pipeline("d"))
        (root.parent / "elsewhere").rename(root / "presets")
        await until(settled(one, a="first", b="first", c="second", d="first"))
        write(root / "presets/d.yaml", pipeline("d", "second"))
        await until(settled(one, a="first", b="first", c="second", d="second"))


async def test_a_deleted_file_takes_its_pipeline_out(root, pace):
    async with following(Followed(root), pace) as one:
        (root / "pipelines/b.yaml").unlink()
        await until(settled(one, a="first"))
        assert one.reloads[-1].removed == ("b",)


async def test_a_whole_folder_put_in_the_place_of_another_is_followed(root, pace):
    async with following(Followed(root), pace) as one:
        write(root / "new/a.yaml", pipeline("a", "second"))
        (root / "pipelines").rename(root / "old")
        (root / "new").rename(root / "pipelines")
        await until(settled(one, a="second"))
        write(root / "pipelines/a.yaml", pipeline("a", "third"))
        await until(settled(one, a="third"))


def config_map(folder: Path, generation: int, files: dict[str, str]) -> None:
    """Write a folder as kubelet does: a new folder, one link put in the place of another, the old folder removed."""
    new = folder / f"..2026_11_22_{generation:02}"
    new.mkdir(parents=True)
    for name, text in files.items():
        (new / name).write_text(text)
    data = folder / "..data"
    old = data.resolve() if data.exists() else None
    os.symlink(new.name, folder / "..data_tmp")
    os.rename(folder / "..data_tmp", data)
    for name in files:
        if not (folder / name).is_symlink():
            os.symlink(f"..data/{name}", folder / name)
    if old is not None:
        shutil.rmtree(old)


async def test_a_config_map_is_followed_again_and_again(tmp_path, pace):
    root = tmp_path / "project"
    write(root / "engine.yaml", "engine: 1\n")
    config_map(root / "pipelines", 0, {"a.yaml": pipeline("a", "v0"), "b.yaml": pipeline("b")})
    async with following(Followed(root), pace) as one:
        for generation in range(1, 5):
            texts = {"a.yaml": pipeline("a", f"v{generation}"), "b.yaml": pipeline("b")}
            config_map(root / "pipelines", generation, texts)
            await until(settled(one, a=f"v{generation}", b="first"))
            assert one.reloads[-1].changed == ("a",)


async def test_a_secret_mounted_by_kubernetes_is_followed(root, pace):
    config_map(root / "secrets", 0, {"token": "first-secret"})
    write(
        root / "connections/hub.yaml",
        'connections: {hub: {http: {base_url: "http://localhost:1", auth: {bearer: "${secret:token}"}}}}\n',
    )
    async with following(Followed(root), pace) as one:
        assert one.project.secrets == {"first-secret"}
        for generation, value in enumerate(("second-secret", "third-secret"), 1):
            config_map(root / "secrets", generation, {"token": value})
            await until(lambda value=value: one.project.secrets == {value})


async def test_a_project_that_is_a_link_is_followed_where_it_points(root, tmp_path, pace):
    """As release folders work: current -> releases/2."""
    shutil.copytree(root, tmp_path / "second")
    write(tmp_path / "second/pipelines/a.yaml", pipeline("a", "second"))
    current = tmp_path / "links" / "current"
    current.parent.mkdir()
    os.symlink(root, current)
    async with following(Followed(current), pace) as one:
        os.symlink(tmp_path / "second", current.with_name("next"))
        os.rename(current.with_name("next"), current)
        await until(settled(one, a="second", b="first"))
        write(tmp_path / "second/pipelines/a.yaml", pipeline("a", "third"))
        await until(settled(one, a="third", b="first"))


async def test_a_file_behind_a_link_is_followed(root, tmp_path, pace):
    write(tmp_path / "shared/c.yaml", pipeline("c"))
    os.symlink(tmp_path / "shared/c.yaml", root / "pipelines/c.yaml")
    async with following(Followed(root), pace) as one:
        write(tmp_path / "shared/c.yaml", pipeline("c", "second"))
        await until(settled(one, a="first", b="first", c="second"))
        renamed_into(tmp_path / "shared/c.yaml", pipeline("c", "third"))
        await until(settled(one, a="first", b="first", c="third"))


async def test_the_dotenv_is_followed(root, pace):
    write(root / "pipelines/c.yaml", pipeline("c", "${LABEL}"))
    write(root / ".env", "LABEL=first\n")
    async with following(Followed(root), pace) as one:
        write(root / ".env", "LABEL=second\n")
        await until(settled(one, a="first", b="first", c="second"))
        assert one.reloads[-1].changed == ("c",)


async def test_a_secret_is_followed(root, pace):
    text = 'connections: {hub: {http: {base_url: "http://localhost:1", auth: {bearer: "${secret:token}"}}}}\n'
    write(root / "connections/hub.yaml", text)
    write(root / "pipelines/c.yaml", pipeline("c").replace("console: {}", "http: {connection: hub, path: /}"))
    write(root / "secrets/token", "first-secret")
    async with following(Followed(root), pace) as one:
        write(root / "secrets/token", "second-secret")
        await until(lambda: one.project.secrets == {"second-secret"})
        assert one.reloads[-1].changed == ("c",), "who uses the connection"


async def test_a_file_that_a_pipeline_names_is_followed(root, pace):
    """Also where it comes to be after the text that names it: the project is mended by it."""
    async with following(Followed(root), pace) as one:
        write(root / "pipelines/c.yaml", pipeline("c", "${file:texts/label.txt}"))
        await until(lambda: one.codes() == {"missing-file"})
        write(root / "texts/label.txt", "first")
        await until(settled(one, a="first", b="first", c="first"))
        write(root / "texts/label.txt", "second")
        await until(settled(one, a="first", b="first", c="second"))


async def test_settings_are_followed_and_those_that_wait_are_named(root, pace):
    write(root / "engine.yaml", "engine: 1\nlisten: {port: 8080}\nvars: {region: sul}\n")
    async with following(Followed(root), pace) as one:
        write(root / "engine.yaml", "engine: 1\nlisten: {port: 9090}\nvars: {region: norte}\n")
        await until(lambda: one.reloads)
        assert one.reloads[-1].ignored == ("listen.port",)
        assert one.project.settings["vars"] == {"region": "norte"}
        assert one.project.settings["listen"]["port"] == 8080, "what is in force"
        write(root / "engine.yaml", "engine: 1\nlisten: {port: 8080}\nvars: {region: leste}\n")
        await until(lambda: one.project.settings["vars"] == {"region": "leste"})
        assert one.reloads[-1].ignored == (), "back to what the engine started with"


def git(folder: Path, *arguments: str) -> None:
    who = ("-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "init.defaultBranch=main")
    environ = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    subprocess.run(["git", *who, "-C", folder, *arguments], check=True, capture_output=True, env=environ, timeout=60)


async def test_a_checkout_of_500_files_is_a_few_reloads(tmp_path, pace):
    root = tmp_path / "project"
    for label in ("first", "second"):
        for number in range(500):
            write(root / f"pipelines/group-{number % 7}/p{number}.yaml", pipeline(f"p{number}", label))
        if label == "first":
            git(tmp_path, "init", "project")
        git(root, "add", ".")
        git(root, "commit", "-m", label)
    async with following(Followed(root), pace) as one:
        for revision, label in (("HEAD~1", "first"), ("main", "second"), ("HEAD~1", "first")):
            before = len(one.reloads)
            git(root, "checkout", "-q", revision)
            await until(lambda label=label: set(one.descriptions.values()) == {label}, 60)
            assert len(one.descriptions) == 500
            assert len(one.reloads) - before <= 3, "a few reloads, not hundreds"
    assert not one.failures
    assert all(len(project.pipelines) == 500 for project in one.applied), "no pipeline was ever gone"


async def test_what_editors_leave_and_the_store_writes_reads_nothing(root, pace):
    async with following(Followed(root), pace) as one:
        for number in range(50):
            write(root / "data/engine.db", "x" * number)
            write(root / "pipelines/.a.yaml.swp", "x" * number)
            write(root / "pipelines/a.yaml~", "x" * number)
        write(root / "pipelines/a.yaml", pipeline("a", "second"))
        await until(settled(one, a="second", b="first"))
        assert one.loads == 1
