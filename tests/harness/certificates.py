"""Certificates for one test, made by openssl."""

import subprocess


class Certificates:
    """An authority of the test's own, and what it has signed."""

    def __init__(self, folder, name="authority"):
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.authority = folder / f"{name}.crt"
        self.authority_key = folder / f"{name}.key"
        self._openssl(
            "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
            "-subj", f"/CN={name}", "-keyout", self.authority_key, "-out", self.authority,
        )  # fmt: skip

    def signed(self, name, kind="rsa:2048"):
        """A certificate for this machine and its key, as two files."""
        certificate, key, request = (self.folder / f"{name}.{end}" for end in ("crt", "key", "csr"))
        curve = ["-pkeyopt", "ec_paramgen_curve:prime256v1"] if kind == "ec" else []
        self._openssl(
            "req", "-newkey", kind, *curve, "-nodes", "-subj", f"/CN={name}", "-keyout", key, "-out", request
        )
        names = self.folder / f"{name}.ext"
        names.write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
        self._openssl(
            "x509", "-req", "-in", request, "-days", "2", "-CA", self.authority, "-CAkey", self.authority_key,
            "-CAcreateserial", "-extfile", names, "-out", certificate,
        )  # fmt: skip
        return certificate, key

    @staticmethod
    def _openssl(*words):
        done = subprocess.run(["openssl", *map(str, words)], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
