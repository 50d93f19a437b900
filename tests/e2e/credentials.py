"""Password hashes by the system's own libcrypt, and an issuer of tokens by openssl."""

import base64
import ctypes
import json
import subprocess

_crypt = ctypes.CDLL("libcrypt.so.1").crypt
_crypt.restype = ctypes.c_char_p

BCRYPT = "$2b$04$abcdefghijklmnopqrstuu"
SLOW_BCRYPT = "$2b$10$abcdefghijklmnopqrstuu"  # tens of milliseconds
YESCRYPT = "$y$j9T$abcdefghijkl"
SHA512 = "$6$abcdefgh"


def hashed(password, setting=BCRYPT):
    return _crypt(password.encode(), setting.encode()).decode()


def users(**passwords):
    """A file's text: a user for each keyword."""
    return "".join(f"{user}:{hashed(password)}\n" for user, password in passwords.items())


def basic(user, password):
    token = base64.b64encode(f"{user}:{password}".encode()).decode()
    return f"Proxy-Authorization: Basic {token}"


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Issuer:
    """An RSA key, the set that it publishes, and tokens signed with it."""

    def __init__(self, directory, name="key"):
        self.key = directory / f"{name}.pem"
        self.name = name
        subprocess.run(["openssl", "genrsa", "-out", self.key, "2048"], check=True,
                       capture_output=True)

    def jwks(self):
        text = subprocess.run(["openssl", "rsa", "-in", self.key, "-noout", "-modulus"], check=True,
                              capture_output=True, text=True).stdout
        modulus = bytes.fromhex(text.strip().removeprefix("Modulus="))
        return json.dumps({"keys": [{"kty": "RSA", "kid": self.name, "use": "sig", "alg": "RS256",
                                     "n": base64url(modulus), "e": "AQAB"}]})

    def token(self, **claims):
        header = {"alg": "RS256", "kid": self.name, "typ": "JWT"}
        text = ".".join(base64url(json.dumps(part).encode()) for part in (header, claims))
        signature = subprocess.run(["openssl", "dgst", "-sha256", "-sign", self.key], check=True,
                                   input=text.encode(), capture_output=True).stdout
        return f"{text}.{base64url(signature)}"
