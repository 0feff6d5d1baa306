"""The client of a head."""

from __future__ import annotations

import json
import os
from functools import partial
from typing import Any, Callable, List, Mapping, Optional, Sequence, Union

from ..errors import InvalidArgument, Refused, SpecRefused
from .heads import HEAD_DEFAULT, Heads, read_token
from .job import Job
from .job_file import folder_of, read_job
from .status import JobStatus
from .uploads import UPLOADS_MAX, Files, find, opened, size_of

# Reasons for which a submission is refused that are not about the job itself.
_NOT_THE_JOB = ("Busy",)


class Client:
    """Submits jobs to a running head, and asks for them.

    Args:
        head: URL of the head's REST interface, as `http://127.0.0.1:7370`; of several heads all of them, as a list or with commas
            between: the one that leads is asked. Where it is left out, SHOAL_HEAD, else `http://127.0.0.1:7370`.
        token: The cluster's token, which a head beyond this machine asks for.
        token_file: File with the token. Where both are left out, SHOAL_TOKEN_FILE.
        tls_ca: File (PEM) with the authority that has signed the head's certificate, for `https`. Where it is left out,
            SHOAL_TLS_CA, else the authorities that this machine trusts.

        cluster: Name of a ShoalCluster on Kubernetes, in place of `head`: the `shoal` program (SHOAL_BIN, or on PATH) finds its head
            and token by the kubeconfig and forwards a port to it, as `shoal job --cluster` does, until this client is gone.
        namespace: Namespace of the ShoalCluster; that of the kubeconfig's context where it is left out.
        context: Context of the kubeconfig; its current one where it is left out.

    Nothing is sent to a head before something is asked.

    Raises:
        InvalidArgument: For what is no URL, no token, or does not go together.
        BinaryNotFound, VersionMismatch: With `cluster`, where there is no `shoal` program, or another version's.
        NotReachable, NotAllowed, Refused: With `cluster`, for what keeps its head from being found.
    """

    def __init__(
        self,
        head: Union[str, Sequence[str], None] = None,
        *,
        token: Optional[str] = None,
        token_file: Union[str, "os.PathLike[str]", None] = None,
        tls_ca: Union[str, "os.PathLike[str]", None] = None,
        cluster: Optional[str] = None,
        namespace: Optional[str] = None,
        context: Optional[str] = None,
    ) -> None:
        # Whether nobody will ever answer again; of a cluster of this process, that its head has ended.
        self.is_gone: Callable[[], bool] = lambda: False
        if cluster is not None:
            if head is not None or token is not None:
                raise InvalidArgument(
                    "`cluster` excludes `head` and `token`", next="name the ShoalCluster or its head; a token in a `token_file`"
                )
            # Whoever asks heads only needs no program.
            from ..machine.door import Door

            door = Door(cluster, namespace, context, token_file, tls_ca)
            self.heads = Heads([door.url], None, tls_ca, door)
            return
        if namespace is not None or context is not None:
            raise InvalidArgument(
                "`namespace` and `context` say where a ShoalCluster is, and none is named", next="name it with `cluster`"
            )
        if token is not None and token_file is not None:
            raise InvalidArgument("`token` and `token_file` exclude each other", next="pass one of them")
        if head is None:
            head = os.environ.get("SHOAL_HEAD") or HEAD_DEFAULT
        urls = head.split(",") if isinstance(head, str) else list(head)
        if token is None:
            token_file = token_file or os.environ.get("SHOAL_TOKEN_FILE") or None
            token = None if token_file is None else read_token(token_file)
        self.heads = Heads(urls, token, tls_ca or os.environ.get("SHOAL_TLS_CA") or None)

    @classmethod
    def _of(cls, heads: Heads, is_gone: Callable[[], bool]) -> "Client":
        """A client of heads that are known, whatever variables say."""
        client = cls.__new__(cls)
        client.heads, client.is_gone = heads, is_gone
        return client

    def __repr__(self) -> str:
        return f"Client({','.join(self.heads.urls)!r})"

    def submit(
        self,
        spec: Union[Mapping[str, Any], str, "os.PathLike[str]"],
        *,
        rerun: bool = False,
        fresh: bool = False,
    ) -> Job:
        """Submits a job, and gives it back as soon as the head has stored it.

        The same job again is the same job, which goes on where it has failed.

        Args:
            spec: What a job file has, as a dict, or the path of a job file in YAML or JSON. Relative paths in it start at the
                file's folder, of a dict at the working directory. Files of a Python function are uploaded where the cluster has
                them not; tables the head and its workers have to reach.
            rerun: Runs a finished job of that name again.
            fresh: Starts a job over that has failed: what it had done does not count.

        Raises:
            InvalidArgument: Where the file cannot be read or holds no job, or a file cannot be read that the job brings along.
            SpecRefused: Where the head refuses the job; `field` says which field is wrong.
            NotReachable, NotAllowed: Where no head answers, or not to this client.
            Refused: Where the head is at its limit of jobs.
        """
        job = read_job(spec)
        return self._submit(job, find(job, folder_of(spec)), rerun=rerun, fresh=fresh)

    def _submit(self, job: Mapping[str, Any], files: Files, *, rerun: bool = False, fresh: bool = False) -> Job:
        """Submits a job as it is, with the files that it names by what is in them."""
        try:
            body = json.dumps(job, allow_nan=False).encode()
        except (TypeError, ValueError) as error:
            raise InvalidArgument(
                f"the job cannot be written as JSON: {error}",
                next="use texts, numbers that are finite, lists and dicts only",
            ) from None
        self._upload(files)
        query = {"rerun": str(rerun).lower(), "fresh": str(fresh).lower()}
        try:
            return Job(self, self.heads.ask("POST", ["jobs"], JobStatus.of, query, body))
        except Refused as error:
            if error.failure is None or error.failure.reason in _NOT_THE_JOB:
                raise
            raise SpecRefused(str(error), failure=error.failure) from None

    def _upload(self, files: Files) -> int:
        """Uploads what the head has not, and says how many that were."""
        names, uploaded = sorted(files), 0
        for start in range(0, len(names), UPLOADS_MAX):
            query = json.dumps({"digests": names[start : start + UPLOADS_MAX]}).encode()
            missing = self.heads.ask("POST", ["blobs", "missing"], lambda answer: [str(name) for name in answer["missing"]], None, query)
            for name in missing:
                content = files[name]
                self.heads.upload(["blobs", name], partial(opened, content), size_of(content))
                uploaded += 1
        return uploaded

    def jobs(self) -> List[JobStatus]:
        """Where all jobs stand that the head lists, oldest first: the latest submission of each."""
        return self.heads.ask("GET", ["jobs"], lambda listed: [JobStatus.of(job) for job in listed["jobs"]])

    def job(self, name: str) -> Job:
        """The latest submission of the job of that name. Raises JobNotFound."""
        return Job(self, self.status(name))

    def status(self, name: str) -> JobStatus:
        """Where the latest submission of a job stands. Raises JobNotFound."""
        return self.heads.ask("GET", ["jobs", name], JobStatus.of)

    def version(self) -> str:
        """Version of the head's build, as `0.1.0`."""
        return self.heads.ask("GET", ["cluster"], lambda cluster: str(cluster["build"]))


