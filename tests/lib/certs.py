# SPDX-License-Identifier: Apache-2.0
"""Certificates for tests of TLS.

    ca = Authority(folder)
    cert, key = ca.issue("localhost")            # files in folder
    cert, key = ca.issue("localhost", days=-1)   # expired yesterday
    ca.path                                      # the certificate to trust
"""

import datetime
import ipaddress
import os

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


class Authority:
    """A certificate authority whose files are in one folder, readable by all."""

    def __init__(self, folder, name="Test CA"):
        self.folder = str(folder)
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.count = 0
        cert = self._build(self.name, self.key, 30).add_extension(
            x509.BasicConstraints(ca=True, path_length=0), critical=True).sign(
                self.key, hashes.SHA256())
        self.path = self._write(name.replace(" ", "-") + ".pem", _pem(cert))

    def _build(self, subject, key, days):
        now = datetime.datetime.now(datetime.timezone.utc)
        return x509.CertificateBuilder().subject_name(subject).issuer_name(self.name).public_key(
            key.public_key()).serial_number(x509.random_serial_number()).not_valid_before(
                now - datetime.timedelta(days=30)).not_valid_after(
                    now + datetime.timedelta(days=days))

    def _write(self, name, data, mode=0o644):
        path = os.path.join(self.folder, name)
        with open(path, "wb") as f:
            f.write(data)
        os.chmod(path, mode)
        return path

    def issue(self, *hosts, days=30, owner=None):
        """A server's certificate and key for these names or addresses, as two files."""
        self.count += 1
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, hosts[0])])
        cert = self._build(subject, key, days).add_extension(
            x509.SubjectAlternativeName([_general_name(h) for h in hosts]), critical=False).sign(
                self.key, hashes.SHA256())
        secret = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                   serialization.NoEncryption())
        files = (self._write(f"{self.count}.crt", _pem(cert)),
                 self._write(f"{self.count}.key", secret, 0o600))
        if owner:
            os.chown(files[1], owner.pw_uid, owner.pw_gid)
        return files


def _pem(cert):
    return cert.public_bytes(serialization.Encoding.PEM)


def _general_name(host):
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
