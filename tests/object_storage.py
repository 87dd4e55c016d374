"""An S3-compatible server on loopback: moto in a process of its own, found in an environment that has it."""

from __future__ import annotations

import os
import socket
import subprocess
import time
import urllib.request
from pathlib import Path
from typing import Self


class ObjectStorage:
    """Serve S3 on 127.0.0.1 while the ``with`` block runs.

    Parameters
    ----------
    python : str
        Of an environment with ``moto[server]``.

    Attributes
    ----------
    environment : dict
        What a client needs to know, as the SDKs of the cloud take it: address, region, credentials.
    """

    def __init__(self, python: str) -> None:
        self._python = python
        with socket.socket() as found:
            found.bind(("127.0.0.1", 0))
            self._port = found.getsockname()[1]
        self.environment = os.environ | {
            "AWS_ENDPOINT_URL_S3": f"http://127.0.0.1:{self._port}",
            "AWS_ACCESS_KEY_ID": "an-id",
            "AWS_SECRET_ACCESS_KEY": "A-SECRET-THAT-NOBODY-PRINTS",
            "AWS_DEFAULT_REGION": "us-east-1",
        }

    def __enter__(self) -> Self:
        command = [self._python, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self._port)]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(300):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self._port}/moto-api/", timeout=1).close()
                return self
            except OSError:
                time.sleep(0.1)
        self._process.kill()
        raise RuntimeError("the object storage does not answer")

    def __exit__(self, *exc: object) -> None:
        self._process.kill()
        self._process.wait()

    def run(self, code: str, *args: str) -> str:
        """Run a few lines with ``s3`` as the file system; what they print."""
        lines = f"import sys, s3fs\ns3 = s3fs.S3FileSystem()\n{code}"
        done = subprocess.run(
            [self._python, "-c", lines, *args], env=self.environment, capture_output=True, text=True, check=True
        )
        return done.stdout

    def upload(self, folder: Path, bucket: str) -> None:
        """Put a folder into a new bucket, under its own name."""
        self.run("s3.mkdir(sys.argv[2]); s3.put(sys.argv[1], sys.argv[2] + '/', recursive=True)", str(folder), bucket)

    def download(self, address: str, folder: Path) -> None:
        """Fetch a folder."""
        self.run("s3.get(sys.argv[1] + '/', sys.argv[2], recursive=True)", address, str(folder))
