# SPDX-License-Identifier: Apache-2.0
"""The Dockerfile and the compose files, without Docker: the build does nothing but targets of
make, the tree it ends in runs on a bare system, and each key that is set is one we have."""

import json
import os
import re
import shlex
import shutil
import subprocess

import pytest
import yaml

from conftest import Served
from core import BINARY, SRC, Core
from servers import free_port

PACKAGING = os.path.join(SRC, "packaging")
COMPOSE = os.path.join(PACKAGING, "compose")
DATABASES = sorted(name.split(".")[0] for name in os.listdir(COMPOSE))
# Where other names of a database's settings than ours are set, on its own service.
IMAGES = {
    "postgres": {"POSTGRES_USER", "POSTGRES_PASSWORD", "POSTGRES_DB"},
    "mysql": {"MYSQL_USER", "MYSQL_PASSWORD", "MYSQL_DATABASE", "MYSQL_RANDOM_ROOT_PASSWORD"},
    "mongo": set(),
}


def steps():
    """The instructions of the Dockerfile as (name, rest), continuation lines joined."""
    with open(os.path.join(PACKAGING, "Dockerfile"), encoding="utf-8") as f:
        text = re.sub(r"^#.*\n", "", f.read(), flags=re.M).replace("\\\n", " ")
    return [tuple(line.split(None, 1)) for line in text.splitlines() if line.strip()]


def step(name):
    return [rest for n, rest in steps() if n == name]


# ---- the Dockerfile


def test_known_instructions():
    known = {"FROM", "WORKDIR", "COPY", "RUN", "USER", "ENV", "EXPOSE", "VOLUME", "STOPSIGNAL",
             "HEALTHCHECK", "ENTRYPOINT", "CMD"}
    assert {n for n, _ in steps()} <= known
    for name in ("ENTRYPOINT", "CMD"):
        assert all(isinstance(json.loads(rest), list) for rest in step(name))


def test_runs_only_targets_that_exist():
    targets = [shlex.split(rest) for rest in step("RUN")]
    assert targets
    for words in targets:
        assert words[0] == "make" and len(words) == 2, words
        r = subprocess.run(["make", "--no-print-directory", "-n", "-o", "all", words[1]], cwd=SRC,
                           capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
                           env={k: v for k, v in os.environ.items() if not k.startswith("MAKE")})
        assert r.returncode == 0, r.stderr
        with open(os.path.join(SRC, "mk", "dev.mk"), encoding="utf-8") as f, \
                open(os.path.join(SRC, "Makefile"), encoding="utf-8") as g:
            assert re.search(rf"^{words[1]}:", f.read() + g.read(), re.M)


def test_copies_what_is_made():
    [context, made] = step("COPY")
    assert context == ". ."
    assert made == "--from=build /src/build/image/ /" and step("WORKDIR") == ["/src"]
    [build, final] = step("FROM")
    assert build.endswith(":bookworm AS build") and final.endswith(":bookworm-slim")
    with open(os.path.join(SRC, ".dockerignore"), encoding="utf-8") as f:
        assert {".git", "build"} <= set(f.read().split())


def image_environment():
    return dict(word.split("=", 1) for line in step("ENV") for word in shlex.split(line))


def health(port):
    """The command of HEALTHCHECK, pointed at a port of ours."""
    [line] = step("HEALTHCHECK")
    argv = json.loads(line.split(" CMD ", 1)[1])
    argv[-1] = argv[-1].replace("/3567", f"/{port}").replace("\\\\", "\\")
    return subprocess.run(argv, capture_output=True, check=False, timeout=30).returncode


def test_health_check():
    with Core() as core:
        assert health(core.port) == 0
        port = core.port
    assert health(port) != 0


def test_image_runs_on_a_bare_system(image, roots, tmp_path):
    """Nothing of this system is below it but libc, as in the slim image."""
    base = tmp_path / "base"
    shutil.copytree(image, base, symlinks=True)
    for lib in ("libc.so.6", "libm.so.6", "libdl.so.2", "libpthread.so.0", "librt.so.1",
                "libresolv.so.2"):
        found = subprocess.run(["gcc", f"-print-file-name={lib}"], capture_output=True, text=True,
                               check=True).stdout.strip()
        to = base / "usr" / os.path.realpath(found).lstrip("/").removeprefix("usr/")
        to = to.with_name(lib)
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(os.path.realpath(found), to)
    loader = os.path.realpath("/lib64/ld-linux-x86-64.so.2")
    (base / "lib64").mkdir()
    shutil.copy(loader, base / "lib64" / "ld-linux-x86-64.so.2")
    (base / "lib").symlink_to("usr/lib")
    root, port = roots(str(base)), free_port()
    [user] = step("USER")
    env = dict(image_environment(), SUPERTOKENS_PORT=str(port))
    argv = json.loads(step("ENTRYPOINT")[0]) + json.loads(step("CMD")[0])
    argv[0] = "/usr/bin/" + argv[0]
    for plugin in ("postgresql", "mysql", "mongodb", "sqlite"):
        out = subprocess.run(root.argv("/usr/bin/supertokens", "plugins", plugin), text=True,
                             capture_output=True, check=False)
        assert out.returncode == 0 and f"name: {plugin}" in out.stdout, out.stdout + out.stderr
    with Served(root, argv=argv, port=port, user=user, env=env) as client:
        client.post("/recipe/signup", {"email": "a@b.co", "password": "secret12"}).ok()


def known_keys():
    """Names of environment variables that mean a setting of the core or of a plugin."""
    def run(*words):
        return subprocess.run([BINARY, *words], capture_output=True, text=True, check=True).stdout

    keys = set(re.findall(r"^([a-z0-9_]+): ", run("config", "show"), re.M))
    for plugin in DATABASES:
        keys |= set(re.findall(r"^option\.([a-z0-9_]+): ", run("plugins", plugin), re.M))
    assert {"api_keys", "slow_query_threshold_ms", "mongodb_connection_uri"} <= keys
    names = {k.upper() for k in keys} - {"HOST", "PORT"} | {"SUPERTOKENS_HOST", "SUPERTOKENS_PORT"}
    return names | {n + "_FILE" for n in names}


def test_environment_of_the_image():
    env = image_environment()
    assert set(env) <= known_keys()
    assert step("VOLUME") == [env["STATE_DIR"]]
    assert step("EXPOSE") == ["3567"] and "SUPERTOKENS_PORT" not in env


# ---- the compose files


@pytest.fixture(params=DATABASES)
def compose(request):
    with open(os.path.join(COMPOSE, request.param + ".yaml"), encoding="utf-8") as f:
        return request.param, yaml.safe_load(f)


def test_one_for_each_database():
    plugins = sorted(n for n in os.listdir(os.path.join(SRC, "plugins")))
    assert DATABASES == plugins


def test_services(compose):
    name, file = compose
    assert set(file) == {"services", "volumes"}
    services = file["services"]
    assert set(services) == {"supertokens"} | ({"database"} if name != "sqlite" else set())
    core = services["supertokens"]
    assert os.path.realpath(os.path.join(COMPOSE, core["build"]["context"])) == os.path.realpath(SRC)
    assert os.path.exists(os.path.join(SRC, core["build"]["dockerfile"]))
    assert core["ports"] == ["127.0.0.1:3567:3567"]
    assert set(core.get("depends_on", {})) <= set(services)
    for service in services.values():
        assert set(service) <= {"build", "image", "restart", "ports", "environment", "volumes",
                                "depends_on", "command", "healthcheck"}
        for volume in service.get("volumes", []):
            assert volume.split(":")[0] in file["volumes"]
        for other in service.get("depends_on", {}):
            assert "healthcheck" in services[other]


def test_keys_are_known(compose):
    name, file = compose
    unknown = set(file["services"]["supertokens"]["environment"]) - known_keys()
    assert unknown == set()
    if name != "sqlite":
        database = file["services"]["database"]
        [allowed] = [keys for image, keys in IMAGES.items() if database["image"].startswith(image + ":")]
        assert set(database.get("environment", {})) == allowed


def test_settings_are_taken(compose, tmp_path):
    """As the container gets them: valid, each read from the environment, and the database is
    the one of the file's name."""
    name, file = compose

    def value(text):
        return re.sub(r"\$\{(\w+):([?-])([^}]*)\}",
                      lambda m: "a-key-of-twenty-characters" if m[2] == "?" else m[3], text)

    env = {k: value(v) for k, v in file["services"]["supertokens"]["environment"].items()}
    env = dict(image_environment(), **env, STATE_DIR=str(tmp_path))
    full = dict(PATH=os.environ["PATH"], **env)
    check = subprocess.run([BINARY, "config", "check"], env=full, capture_output=True, text=True,
                           check=False)
    assert check.returncode == 0, check.stdout + check.stderr
    assert "WARN" not in check.stdout + check.stderr
    shown = subprocess.run([BINARY, "config", "show"], env=full, capture_output=True, text=True,
                           check=True).stdout
    assert re.search(rf"^# storage +{name} \(", shown, re.M)
    for key, text in env.items():
        if text:
            setting = key.removeprefix("SUPERTOKENS_").lower()
            assert re.search(rf"^{setting}: .*  # environment variable {key}$", shown, re.M), key


@pytest.mark.parametrize("compose", ["postgresql", "mysql"], indirect=True)
def test_same_password_on_both_sides(compose):
    name, file = compose
    core, database = (file["services"][s]["environment"] for s in ("supertokens", "database"))
    theirs = {"postgresql": "POSTGRES", "mysql": "MYSQL"}[name]
    for ours, other in (("USER", "USER"), ("PASSWORD", "PASSWORD"),
                        ("DATABASE_NAME", "DB" if name == "postgresql" else "DATABASE")):
        assert core[f"{name.upper()}_{ours}"] == database[f"{theirs}_{other}"]
    assert core[f"{name.upper()}_HOST"] == "database"
