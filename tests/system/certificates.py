# SPDX-License-Identifier: BSD-3-Clause
"""A certificate authority for a test: certificates of servers and clients, a list of revoked ones, shared keys."""
import pathlib
import subprocess


class Authority:
    """Files as NBD's programs expect them: ca-cert.pem, {server,client}-{cert,key}.pem in a directory each."""

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir()
        self.key, self.certificate = self.directory / "ca-key.pem", self.directory / "ca-cert.pem"
        self.run("--generate-privkey", "--key-type", "ecdsa", "--outfile", self.key)
        self.run("--generate-self-signed", "--load-privkey", self.key, "--outfile", self.certificate,
                 "--template", self.template("ca", "cn = Authority\nca\ncert_signing_key\ncrl_signing_key\n"))

    @staticmethod
    def run(*words):
        done = subprocess.run(["certtool", *map(str, words)], capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, done.stderr

    def template(self, name, text):
        path = self.directory / f"{name}.template"
        path.write_text(text + "expiration_days = 365\n")
        return path

    def issue(self, directory, kind, name, extra=""):
        """{kind}-cert.pem and {kind}-key.pem beside a copy of the authority's certificate."""
        directory = pathlib.Path(directory)
        directory.mkdir(exist_ok=True)
        key = directory / f"{kind}-key.pem"
        purpose = "tls_www_server" if kind == "server" else "tls_www_client"
        self.run("--generate-privkey", "--key-type", "ecdsa", "--outfile", key)
        template = self.template(name, f"cn = {name}\norganization = Tests\n{purpose}\nsigning_key\n{extra}")
        self.run("--generate-certificate", "--load-privkey", key, "--load-ca-certificate", self.certificate,
                 "--load-ca-privkey", self.key, "--template", template, "--outfile", directory / f"{kind}-cert.pem")
        (directory / "ca-cert.pem").write_bytes(self.certificate.read_bytes())
        return directory

    def revoke(self, certificate, to):
        """A list with one revoked certificate."""
        self.run("--generate-crl", "--load-ca-privkey", self.key, "--load-ca-certificate", self.certificate,
                 "--load-certificate", certificate, "--outfile", to,
                 "--template", self.template("crl", "crl_next_update = 43\ncrl_number = 1\n"))


def shared_key(path, *users):
    for user in users:
        done = subprocess.run(["psktool", "-u", user, "-p", str(path)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    return path
