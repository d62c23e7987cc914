"""A certificate authority for one day and one program: a.klaviyo.com on this machine.

The keys are made by the `openssl` command, live in a folder that is gone afterwards, and are trusted by nobody but the
program that is told to.
"""

from __future__ import annotations

import os
import shutil
import ssl
import subprocess
from pathlib import Path
from typing import NamedTuple

HOSTS = ("a.klaviyo.com", "www.klaviyo.com", "klaviyo.com")

_CONFIG = """[req]
distinguished_name = name
prompt = no
[name]
CN = clavichord sandbox, for one day
[authority]
basicConstraints = critical, CA:TRUE, pathlen:0
keyUsage = critical, keyCertSign
subjectKeyIdentifier = hash
nameConstraints = critical, {permitted}
[server]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = {names}
"""
_CURVE = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


class NoCertificate(Exception):
    """No certificate can be made here; the text says why and what helps."""


class Certificates(NamedTuple):
    authority: Path
    """PEM"""
    chain: Path
    """PEM of the server's certificate, with its key"""

    def context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.chain)
        context.set_alpn_protocols(["http/1.1"])
        return context


def make(folder: Path) -> Certificates:
    """An authority that may speak for Klaviyo's hosts only, and the server's certificate. NoCertificate."""
    openssl = shutil.which("openssl")
    if openssl is None:
        raise NoCertificate("the openssl command is not on the path; install it, or set the client's base URL instead")
    config = folder / "openssl.cnf"
    names = ", ".join(f"DNS:{host}" for host in HOSTS)
    config.write_text(_CONFIG.format(names=names, permitted="permitted;DNS:klaviyo.com"))

    def run(*arguments: str) -> None:
        done = subprocess.run([openssl, *arguments], cwd=folder, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise NoCertificate(f"openssl {arguments[0]}: {done.stderr.strip()[-500:]}")

    own = ("-config", config.name)
    run("req", "-x509", *_CURVE, *own, "-extensions", "authority", "-days", "1", "-keyout", "ca.key", "-out", "ca.pem")
    run("req", "-new", *_CURVE, *own, "-keyout", "server.key", "-out", "server.csr", "-subj", f"/CN={HOSTS[0]}")
    signing = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "1")
    extensions = ("-extfile", config.name, "-extensions", "server")
    run("x509", "-req", "-in", "server.csr", *signing, *extensions, "-out", "server.pem")
    chain = folder / "chain.pem"
    chain.write_text((folder / "server.pem").read_text() + (folder / "server.key").read_text())
    (folder / "ca.key").unlink()  # nothing more is to be signed
    return Certificates(folder / "ca.pem", chain)


def bundle(folder: Path, authority: Path) -> Path:
    """What a program trusts anyway, and the authority: one file for the variables that replace everything."""
    paths = ssl.get_default_verify_paths()
    known = (
        os.environ.get("SSL_CERT_FILE"),
        os.environ.get("REQUESTS_CA_BUNDLE"),
        paths.cafile,
        paths.openssl_cafile,
        "/etc/ssl/certs/ca-certificates.crt",
    )
    trusted = next((Path(one).read_text() for one in known if one and Path(one).is_file()), "")
    file = folder / "bundle.pem"
    file.write_text(trusted + authority.read_text())
    return file
