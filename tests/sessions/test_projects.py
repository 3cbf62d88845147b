"""A task or service that builds a project with code in it names that code, by its hash."""

from __future__ import annotations

from forensics.model import Value
from tests.sessions.factory import Scene

MSBUILD = "C:\\Windows\\Microsoft.NET\\Framework64\\v4.0.30319\\MSBuild.exe"
SHA = "ab" * 32


def project(scene: Scene, path: str = "C:\\ProgramData\\hello.xml", **fields: Value) -> str:
    about: dict[str, Value] = {"inline_task": "ClassExample", "code_language": "cs", "code_sha256": SHA}
    (event,) = scene.file(
        "msbuild.inline_task", path.replace("\\", "/"), {"Content Modification Time": -50}, "UsingTask 1",
        file_path=path, file_sha256="cd" * 32, **{**about, **fields},
    )  # fmt: skip
    return event.id


def task(scene: Scene, command: str) -> None:
    scene.file(
        "task.defined", "C:/Windows/System32/Tasks/Hello", {"Creation Time": 2}, task_name="\\Hello",
        command_line=command, task_run_as="S-1-5-18",
    )  # fmt: skip


def test_a_task_names_the_code_that_it_builds() -> None:
    for word in ("C:\\ProgramData\\hello.xml", '"c:\\programdata\\HELLO.XML" /nologo', "%ProgramData%\\hello.xml"):
        scene = Scene()
        ident = project(scene)
        task(scene, f"{MSBUILD} {word}")
        (entry,) = scene.build().persistence
        (reason,) = (item for item in entry.reasons if item.startswith("PER-60"))
        assert SHA in reason
        assert ident in reason
        assert ident in entry.events
        assert entry.score > 40


def test_a_name_without_a_folder_fits_one_project_only() -> None:
    scene = Scene()
    project(scene)
    task(scene, f"{MSBUILD} hello.xml")
    assert any("PER-60" in item for item in scene.build().persistence[0].reasons)
    project(scene, "C:\\Users\\Public\\hello.xml")
    assert not any("PER-60" in item for item in scene.build().persistence[0].reasons)


def test_another_program_and_another_file_name_no_project() -> None:
    for command in ("notepad.exe C:\\ProgramData\\hello.xml", f"{MSBUILD} C:\\ProgramData\\other.xml"):
        scene = Scene()
        project(scene)
        task(scene, command)
        assert not any("PER-60" in item for item in scene.build().persistence[0].reasons)
