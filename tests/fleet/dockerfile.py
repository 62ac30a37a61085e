"""Follows a Dockerfile without a container engine: its steps run one by one in a folder of this machine."""

from __future__ import annotations

import json
import os
import re
import shutil
import string
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

FOLDERS = re.compile(r"(?<![\w.-])/(opt/meltano|project|tmp)\b")
"""Folders of the image. In the test they are below the folder of the image."""

OURS = ("TAP_CXONE", "CXONE", "MELTANO", "PYTHON", "VIRTUAL_ENV", "HOME")


def instructions(text: str) -> list[tuple[str, str]]:
    """Return the instructions of a Dockerfile and their arguments."""
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    pairs = (line.partition(" ") for line in joined.splitlines() if line.strip())
    return [(name, arguments.strip()) for name, _, arguments in pairs]


def in_context(folder: Path) -> list[Path]:
    """Return the files of a folder that its .dockerignore lets into the image, relative to the folder."""
    lines = (folder / ".dockerignore").read_text().splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    files = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return sorted(path for path in files if not _is_ignored(path, rules))


def _is_ignored(path: Path, rules: list[str]) -> bool:
    # As Docker: the last rule that matches the file or a folder above it decides.
    names = [path.as_posix(), *(parent.as_posix() for parent in path.parents)]
    ignored = False
    for rule in rules:
        pattern = re.escape(rule.removeprefix("!")).replace(r"\*\*/", "(?:.*/)?").replace(r"\*", "[^/]*")
        if any(re.fullmatch(pattern, name) for name in names):
            ignored = not rule.startswith("!")
    return ignored


def _provide_python(folder: Path) -> None:
    """Provide what the base image has: a Python that every user may start."""
    base = Path(sys.base_prefix).resolve()
    program = Path("bin", f"python{sys.version_info.major}.{sys.version_info.minor}")
    (folder / "bin").mkdir(parents=True)
    if all(parent.stat().st_mode & 0o001 for parent in (base, *base.parents)):
        (folder / "bin" / "python").symlink_to(base / program)
        return
    # Someone's own Python, in a home folder.
    left_out = shutil.ignore_patterns("test", "site-packages", "__pycache__", "config-*", "*.a")
    shutil.copytree(base / "lib", folder / "lib", symlinks=True, ignore=left_out)
    shutil.copy(base / program, folder / program)
    (folder / "bin" / "python").symlink_to(program.name)


@dataclass
class Image:
    """What the steps of a Dockerfile made.

    Attributes:
        root: the folder that stands for the file system of the image.
        environment: the variables of the machine and of the image.
        user: the user and the group of a run.
        entry_point: the command that a run begins with.
    """

    root: Path
    environment: dict[str, str] = field(default_factory=dict)
    folder: Path = Path()
    user: tuple[int, int] = (0, 0)
    entry_point: list[str] = field(default_factory=list)

    def build(self, checkout: Path) -> None:
        """Run the steps of a checkout's Dockerfile."""
        (self.root / "tmp").mkdir()
        (self.root / "tmp").chmod(0o1777)
        _provide_python(self.root / "base")
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
        self.environment = inherited | {"PATH": f"{self.root}/base/bin:/usr/local/bin:/usr/bin:/bin"}
        if (self.root / "base" / "lib").exists():
            self.environment["LD_LIBRARY_PATH"] = f"{self.root}/base/lib"
        for name, arguments in instructions((checkout / "Dockerfile").read_text()):
            self._step(name, self.path(arguments), checkout)

    def path(self, text: str) -> str:
        """Return a text of the Dockerfile with the folders of this machine."""
        return FOLDERS.sub(rf"{self.root}/\1", text)

    def _step(self, name: str, arguments: str, checkout: Path) -> None:
        match name:
            case "ENV":
                pairs = (pair.partition("=") for pair in arguments.split())
                known = self.environment
                new = {key: string.Template(value).substitute(known) for key, _, value in pairs}
                # What the machine has downloaded before need not be downloaded or copied again.
                self.environment = known | {key: new[key] for key in new if key not in {"UV_NO_CACHE", "UV_LINK_MODE"}}
            case "WORKDIR":
                self.folder = Path(arguments)
                self.folder.mkdir(parents=True)
            case "COPY":
                assert arguments == ". ."
                for path in in_context(checkout):
                    (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(checkout / path, self.folder / path)
            case "RUN":
                done = self._run_as_root(arguments)
                assert done.returncode == 0, f"RUN {arguments}\n{done.stdout}"
            case "USER":
                user, _, group = arguments.partition(":")
                self.user = (int(user), int(group))
            case "ENTRYPOINT":
                self.entry_point = json.loads(arguments)
            case _:
                assert name in {"FROM", "VOLUME", "CMD"}, name

    def _run_as_root(self, command: str) -> subprocess.CompletedProcess[str]:
        folder = self.folder if self.folder != Path() else self.root
        return subprocess.run(
            ["sh", "-c", command],
            cwd=folder,
            env=self.environment | {"HOME": os.environ.get("HOME", "/")},
            umask=0o022,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )

    def start(
        self, *arguments: str, entry_point: list[str] | None = None, settings: dict[str, str] | None = None
    ) -> subprocess.Popen[str]:
        """Start a container's only process as the user of the image; standard error goes to standard output."""
        user, group = self.user
        return subprocess.Popen(
            [*(entry_point or self.entry_point), *arguments],
            cwd=self.folder,
            env=self.environment | (settings or {}),
            user=user,
            group=group,
            extra_groups=(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(
        self, *arguments: str, entry_point: list[str] | None = None, settings: dict[str, str] | None = None
    ) -> tuple[int, str]:
        """Run to the end; return the exit code and what was written."""
        process = self.start(*arguments, entry_point=entry_point, settings=settings)
        out, _ = process.communicate(timeout=120)
        return process.returncode, out

    def processes(self) -> list[int]:
        """Return the processes of the image's user."""
        return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit() and self._is_ours(path)]

    def _is_ours(self, path: Path) -> bool:
        try:
            return path.stat().st_uid == self.user[0]
        except FileNotFoundError:
            return False
