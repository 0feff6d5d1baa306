"""A job as it is submitted: read from a file where it is one, its local paths absolute."""

from __future__ import annotations

import copy
import json
import os
import re
from typing import Any, Dict, Iterator, Mapping, Tuple, Union

from ..errors import InvalidArgument, PackageMissing

# Bytes, as the head takes them. A file that is larger is data, which belongs in a table.
JOB_FILE_BYTES_MAX = 1 << 20

# Fields of a kind of job that hold a path, each by the keys that lead to it.
_PATHS = (
    ("groupedTraining", "input", "table"),
    ("groupedTraining", "output", "table"),
    ("groupedTraining", "model", "python", "file"),
    ("groupedTraining", "model", "python", "environment", "requirements"),
    ("groupedTraining", "model", "python", "environment", "wheels"),
    ("groupedScoring", "models", "table"),
    ("groupedScoring", "input", "table"),
    ("groupedScoring", "output", "table"),
    ("groupedScoring", "python", "file"),
    ("groupedScoring", "python", "environment", "requirements"),
    ("groupedScoring", "python", "environment", "wheels"),
)


def read_job(spec: Union[Mapping[str, Any], str, "os.PathLike[str]"]) -> Dict[str, Any]:
    """The job of a mapping or of a file, YAML or JSON.

    Relative paths in it start at the file's folder, or for a mapping at the working directory.
    """
    if isinstance(spec, Mapping):
        return with_absolute_paths(copy.deepcopy(dict(spec)), os.getcwd())
    if not isinstance(spec, (str, os.PathLike)):
        raise InvalidArgument(
            f"a job is a dict or the path of a job file, not a {type(spec).__name__}",
            next='pass what a job file has as a dict, or its path, as "examples/grunfeld.yaml"',
        )
    path = os.path.realpath(spec)
    try:
        with open(path, "rb") as file:
            text = file.read(JOB_FILE_BYTES_MAX + 1)
    except OSError as error:
        raise InvalidArgument(
            f"the job file `{os.fspath(spec)}` cannot be read: {error.strerror}", next="name a job file that is there"
        ) from None
    if len(text) > JOB_FILE_BYTES_MAX:
        raise InvalidArgument(
            f"`{os.fspath(spec)}` has more than {JOB_FILE_BYTES_MAX} bytes: it is no job file",
            next="put the data into a table, and the table's path into the job file",
        )
    return with_absolute_paths(_parsed(text, os.fspath(spec)), os.path.dirname(path))


def with_absolute_paths(job: Dict[str, Any], folder: str) -> Dict[str, Any]:
    """The job with its relative paths made absolute: they start at `folder`. Whatever is no job stays as it is."""
    for holder, key in _places(job):
        path = holder[key]
        if isinstance(path, str) and path and "://" not in path:
            holder[key] = os.path.normpath(os.path.join(folder, path)) if not os.path.isabs(path) else path
    return job


def _places(job: Dict[str, Any]) -> Iterator[Tuple[Dict[str, Any], str]]:
    for kind, *middle, last in _PATHS:
        holder: Any = job.get("spec")
        for key in (kind, *middle):
            holder = holder.get(key) if isinstance(holder, dict) else None
        if isinstance(holder, dict) and last in holder:
            yield holder, last


def _parsed(text: bytes, name: str) -> Dict[str, Any]:
    try:
        job = _yaml(text.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise InvalidArgument(f"`{name}` is no UTF-8 text: {error}") from None
    except ValueError as error:
        raise InvalidArgument(f"`{name}` is no YAML or JSON: {error}") from None
    if not isinstance(job, dict):
        raise InvalidArgument(f"`{name}` holds no job", next="a job file begins with `apiVersion: shoal.dev/v1alpha1`")
    return job


def _yaml(text: str) -> Any:
    """What a text of YAML holds, as Shoal's own reader takes it; raises ValueError."""
    try:
        return json.loads(text)
    except ValueError:
        pass
    try:
        import yaml
    except ModuleNotFoundError:
        raise PackageMissing(
            "there is no package `PyYAML`, which job files in YAML need", next="pip install pyyaml, or pass a dict"
        ) from None

    class Loader(yaml.SafeLoader):  # type: ignore[misc]
        """YAML 1.2: only `true` and `false` are booleans, `1e-3` is a number, and nothing is a date."""

        yaml_implicit_resolvers: Dict[str, Any] = {}

        def construct_mapping(self, node: Any, deep: bool = False) -> Dict[Any, Any]:
            keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
            twice = next((key for place, key in enumerate(keys) if key in keys[:place] and key != "<<"), None)
            if twice is not None:
                raise ValueError(f"`{twice}` is there twice in one mapping, in line {node.start_mark.line + 1}")
            made: Dict[Any, Any] = super().construct_mapping(node, deep)
            return made

    for tag, pattern, first in (
        ("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", "tTfF"),
        ("null", r"^(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
        ("int", r"^[-+]?[0-9]+$", "-+0123456789"),
        ("float", r"^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$", "-+0123456789."),
        ("merge", r"^(?:<<)$", "<"),
    ):
        Loader.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(pattern), list(first))
    Loader.add_constructor("tag:yaml.org,2002:int", lambda loader, node: int(loader.construct_scalar(node)))
    Loader.add_constructor("tag:yaml.org,2002:float", lambda loader, node: float(loader.construct_scalar(node)))
    try:
        return yaml.load(text, Loader)  # noqa: S506: it is a safe loader
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from None
