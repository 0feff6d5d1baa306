"""What documents show is run as it stands there."""

import os
import pathlib
import re
import subprocess
import sys

import pandas

ROOT = pathlib.Path(__file__).parent.parent.parent


def snippets(document):
    return re.findall(r"```python\n(.*?)```", (ROOT / document).read_text(), re.DOTALL)


def run(code, tmp_path, binary):
    """As somebody who has copied it into a file, in the checkout's root."""
    (tmp_path / "snippet.py").write_text(code)
    ran = subprocess.run(
        [sys.executable, str(tmp_path / "snippet.py")],
        cwd=ROOT,
        env={**os.environ, "SHOAL_BIN": binary},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def test_the_first_five_minutes_are_true(tmp_path, binary):
    said = run(snippets("python/README.md")[0], tmp_path, binary)
    assert [store in said for store in ("north", "south", "west")] == [True] * 3 and said.count(" ok ") == 3, said


def test_the_snippet_of_the_readme_is_true(tmp_path, binary):
    (snippet,) = [snippet for snippet in snippets("README.md") if "group_apply" in snippet]
    said = run(snippet + "\nprint(models.to_csv(index=False))", tmp_path, binary)
    rows = [line.split(",") for line in said.strip().splitlines()]
    oracle = pandas.read_csv(ROOT / "examples/data/grunfeld.csv").groupby("firm")["invest"].agg(["max", "size"])
    assert [row[:3] for row in rows[1:]] == [[firm, str(most), str(years)] for firm, most, years in oracle.itertuples()]


def test_the_jobs_of_the_readme_are_true(tmp_path, client):
    snippet = snippets("python/README.md")[2].replace('"http://127.0.0.1:7370"', f'"{client.heads.urls[0]}", token=TOKEN')
    yaml = (ROOT / "examples/grunfeld.yaml").read_text().replace("name: grunfeld", "name: of-the-readme").replace("../target/demo/models", str(tmp_path / "models"))
    (tmp_path / "grunfeld.yaml").write_text(yaml.replace("data/grunfeld.csv", str(ROOT / "examples/data/grunfeld.csv")))
    import shoal

    names = {"shoal": shoal, "TOKEN": client.heads._token}
    exec(snippet.replace("examples/grunfeld.yaml", str(tmp_path / "grunfeld.yaml")), names)
    assert len(names["models"]) == 11
