"""Commands, options, files and links in README, docs and the other pages are those that there are.

Every command of a `sh` block is parsed as it stands, without doing its work; slow tests run the
examples of README, own-data, formats and results, training for a few steps.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from slr_accel import cli
from slr_accel.settings.group import may_change
from slr_accel.settings.health import HealthSettings
from slr_accel.settings.run import all_fields

ROOT = Path(__file__).parents[1]
PAGES = {
    str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
    for path in sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("benchmarks/*.md")])
}
FEW_STEPS = ["--max_steps", "2"]
OF_OTHERS = {".", "python3", "apt-get", "docker"}
"""First words of commands that are not the project's."""

every_page = pytest.mark.parametrize("page", PAGES)


def blocks(page: str, language: str, heading: str = "") -> list[str]:
    """The code blocks of a page, or of its section under `heading`."""
    text = PAGES[page]
    if heading:
        text = re.split(r"^## ", text[text.index(heading) + 3 :], flags=re.MULTILINE)[0]
    return re.findall(rf"^ *```{language}\n(.*?)^ *```$", text, re.DOTALL | re.MULTILINE)


def commands(page: str, heading: str = "") -> list[list[str]]:
    text = "".join(blocks(page, "sh", heading)).replace("\\\n", " ")
    lines = (shlex.split(line, comments=True) for line in text.splitlines())
    return [words for words in lines if words]


COMMANDS = [words for page in PAGES for words in commands(page)]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_parses(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    program = words[0].removeprefix("./")
    if program == "slr-accel":
        parse(words[1:], monkeypatch)
    elif program == "accelerate":
        parse(settings_of_launch(words[2:]), monkeypatch)
    elif program in ("launch/train.sh", "sbatch"):
        script = next(i for i, word in enumerate(words) if "launch/" in word)
        assert (ROOT / words[script]).is_file()
        rest = words[script + 1 :]
        parse(["train", *rest[rest.index("--") + 1 if "--" in rest else 0 :]], monkeypatch)
    elif program == "launch/evaluate.sh":
        parse(["evaluate", *words[1:]], monkeypatch)
    elif program == "python":
        source = (ROOT / words[1]).read_text()
        assert all(f'"{word}"' in source for word in words if word.startswith("--"))
    elif program.endswith("pip"):
        check_installs(words)
    else:
        assert program in OF_OTHERS or (ROOT / program).is_file()


def parse(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Parses a command line of slr-accel; the command itself does nothing."""
    train = import_module("slr_accel.train")
    monkeypatch.setattr(train, "train", lambda settings, start: 0)
    if words[0] != "train":
        command = import_module(f"slr_accel.commands.{words[0]}")
        monkeypatch.setattr(command, "run", lambda args: 0)
    with pytest.raises(SystemExit) as end:
        cli.main(words)
    assert end.value.code == 0


def settings_of_launch(words: list[str]) -> list[str]:
    from accelerate.commands.launch import launch_command_parser

    args = launch_command_parser().parse_args(words)
    assert (ROOT / args.config_file).is_file()
    assert (args.module, args.training_script) == (True, "slr_accel.train")
    return ["train", *args.training_script_args]


def check_installs(words: list[str]) -> None:
    """The constraints exist, and so do the extras of the clone."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    if "-c" in words:
        assert (ROOT / words[words.index("-c") + 1]).is_file()
        wanted = re.fullmatch(r"\.(?:\[([\w,]+)\])?", words[-1])
        assert wanted is not None
        assert set((wanted[1] or "dev").split(",")) <= set(project["optional-dependencies"])
    else:
        pins = {line for line in words if "==" in line}
        assert pins <= set((ROOT / "constraints.txt").read_text().splitlines())


@every_page
def test_installing_commands_in_the_text_parse_too(page: str) -> None:
    for command in re.findall(r"`(pip install [^`]+)`", PAGES[page]):
        check_installs(shlex.split(command))


@every_page
def test_every_option_named_exists(page: str) -> None:
    folders = ("slr_accel/commands", "slr_accel/importers", "slr_accel/settings", "benchmarks")
    files = (path for folder in folders for path in (ROOT / folder).rglob("*.py"))
    sources = "".join(path.read_text(encoding="utf-8") for path in files)
    scripts = "".join(path.read_text() for path in (ROOT / "launch").iterdir())
    text = re.sub(r"^ *```sh\n.*?^ *```$", "", PAGES[page], flags=re.DOTALL | re.MULTILINE)
    named = set(re.findall(r"(?<![\w-])--([a-z]\w+)", text))
    of_others = {"config_file", "num_processes", "machine_rank", "main_process_ip", "max_restarts"}
    of_others |= {"host", "help", "fix", "gpus", "shm"}
    for name in named - of_others:
        is_known = re.search(rf"\b{name}: |\"--{name}\"", sources) or f"--{name}" in scripts
        assert is_known, name


@every_page
def test_every_link_and_path_leads_somewhere(page: str) -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", PAGES[page])
    links += re.findall(r'src="([^"]+)"', PAGES[page])
    missing = [link for link in links if not (ROOT / page).parent.joinpath(link).exists()]
    folders = "slr_accel|launch|tests|benchmarks|docs|accelerate_configs"
    named = re.findall(rf"(?<![\w./-])((?:{folders})/[\w./]*\w\.(?:py|sh|md|yaml))", PAGES[page])
    missing += [path for path in named if "mine." not in path and not (ROOT / path).exists()]
    assert missing == []


def test_the_readme_is_short_and_its_tree_is_the_tree() -> None:
    text = PAGES["README.md"]
    assert len(text.splitlines()) <= 150 and len(text.split()) <= 900
    tree = text[text.index("slr_accel/\n") :].split("accelerate_configs/")[0]
    rooms = {path.name for path in (ROOT / "slr_accel").iterdir() if path.is_dir()}
    assert set(re.findall(r"(\w+)/", tree)) - {"slr_accel"} == rooms - {"__pycache__"}


def test_what_may_differ_when_a_run_is_continued_is_what_the_code_lets_differ() -> None:
    text = PAGES["docs/distributed.md"]
    table = text[text.index("These settings may differ") :].split("\n\n")[1]
    changing = [name for name, field in all_fields().items() if may_change(field)]
    changing = [n for n in changing if n == "on_collapse" or n not in HealthSettings.model_fields]
    assert sorted(re.findall(r"--(\w+)", table)) == sorted(changing)


# What follows runs the examples.


@pytest.fixture
def workplace(tmp_path: Path) -> Path:
    """A folder where the paths of the pages mean what they mean in a clone."""
    clone = tmp_path / "a clone"
    clone.mkdir()
    for name in ("accelerate_configs", "launch"):
        (clone / name).symlink_to(ROOT / name)
    return clone


def run(words: list[str], folder: Path) -> str:
    if "train" in words or "slr_accel.train" in words:
        words = [*words, *FEW_STEPS]
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(
        words, cwd=folder, env=environment, capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("page", "heading", "language"),
    [
        ("README.md", "## Your own data", "csv"),
        ("docs/own-data.md", "## The commands", "csv"),
        ("docs/own-data.md", "## The commands", "json"),
    ],
)
def test_a_first_corpus_ends_in_transcripts(
    page: str, heading: str, language: str, workplace: Path
) -> None:
    """With the page's own index and layout, and Python as README has it."""
    written = blocks(page, language)
    suffix = {"csv": "csv", "json": "jsonl"}[language]
    (workplace / "recordings").mkdir()
    (workplace / "new").mkdir()
    (workplace / "recordings" / f"index.{suffix}").write_text(written[0])
    (workplace / "new" / "index.csv").write_text("id,split,features\nr0,test,r0.npy\n")
    if language == "json":
        for folder in ("recordings", "new"):
            (workplace / folder / "layout.json").write_text(written[1])
    for name in ("recordings/s1", "recordings/s2", "recordings/s2a", "recordings/s2b"):
        save_array(workplace / f"{name}.npy")
    save_array(workplace / "recordings/s3.npy")
    save_array(workplace / "new/r0.npy")
    found = commands(page, heading)
    if language == "json":
        found = [
            [w.replace("recordings/index.csv", "recordings/index.jsonl") for w in words]
            for words in found
        ]
    outputs = [run(words, workplace) for words in found]
    assert "2 train, 1 dev" in outputs[0]
    assert re.search(r"^r0  ", outputs[-1], re.MULTILINE)
    (program,) = blocks("README.md", "python")
    assert run([sys.executable, "-c", program], workplace).startswith("r0")


def save_array(path: Path) -> None:
    random = np.random.default_rng([*path.stem.encode()])
    np.save(path, random.normal(size=(30, 8)).astype(np.float32))


@pytest.mark.slow
@pytest.mark.real_data
@pytest.mark.distributed
def test_the_commands_for_a_result_work(workplace: Path, shared_data: Path) -> None:
    (workplace.parent / "shared").symlink_to(shared_data.parent)
    outputs = [run(words, workplace) for words in commands("docs/results.md", "## How to read")]
    assert "137 train" in outputs[0] and "WER" in outputs[-1]


@pytest.mark.slow
@pytest.mark.real_data
def test_the_commands_for_other_formats_work(workplace: Path, shared_data: Path) -> None:
    (workplace.parent / "shared").symlink_to(shared_data.parent)
    page = "docs/formats.md"
    unshipped = commands(page, "## Recipes")  # corpora that cannot be had
    outputs = [run(words, workplace) for words in commands(page) if words not in unshipped]
    assert len(outputs) == 7 and len(unshipped) == 3
    assert outputs[0].count("to make a corpus of it:") == 4
    assert "600 train, 100 dev" in outputs[4]


@pytest.mark.slow
@pytest.mark.distributed
def test_the_quickstart_script_works(workplace: Path) -> None:
    """With this environment in place of a new one, and for a few steps."""
    for name in ("constraints.txt", "pyproject.toml", "slr_accel", "docs"):
        (workplace / name).symlink_to(ROOT / name)
    launch = workplace / "launch"
    launch.unlink()
    launch.mkdir()
    for script in (ROOT / "launch").iterdir():
        shutil.copy(script, launch / script.name)
    stamp = subprocess.run(
        "cat constraints.txt pyproject.toml | cksum",
        shell=True,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    fake = workplace / ".venv"
    fake.mkdir()
    (fake / "bin").symlink_to(Path(sys.executable).parent)
    (fake / "installed-from").write_text(stamp)
    output = run(["bash", "launch/quickstart.sh", *FEW_STEPS], workplace)
    assert "test: WER" in output
    assert re.search(r"^  train +\d+ s$", output, re.MULTILINE)
    assert (workplace / "runs" / "quickstart" / "eval" / "report.html").is_file()
    run([sys.executable, "docs/pictures/pipeline.py", "runs/quickstart", "p.png"], workplace)
    assert (workplace / "p.png").stat().st_size < 150_000


@pytest.mark.slow
def test_a_wheel_holds_what_the_commands_read(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        (source / name).symlink_to(ROOT / name)
    subprocess.run(["cp", "-r", str(ROOT / "slr_accel"), str(source)], check=True)
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--wheel-dir", str(tmp_path), str(source)], check=True)
    (wheel,) = tmp_path.glob("*.whl")
    held = set(zipfile.ZipFile(wheel).namelist())
    files = (path for path in (ROOT / "slr_accel").rglob("*") if path.is_file())
    assert {str(p.relative_to(ROOT)) for p in files if p.suffix != ".pyc"} <= held
