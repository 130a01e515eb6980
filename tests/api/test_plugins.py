# SPDX-License-Identifier: Apache-2.0
"""A plugin is dropped into HOME/plugins, named in config.yaml, and serves; and what is said
of those that are not fit, word for word."""

import os
import re
import shutil

import pytest

from core import BUILD, PLUGINS, Core
from sdk import build_template

TEST_PLUGINS = os.path.join(BUILD, "tests", "plugins")
BAD = os.path.join(TEST_PLUGINS, "bad.so")


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    return build_template(str(tmp_path_factory.mktemp("template")))


class Home:
    """An installation directory with plugins/ and config.yaml."""

    def __init__(self, path):
        self.path = str(path)
        self.plugins = os.path.join(self.path, "plugins")
        os.makedirs(self.plugins, 0o755)
        os.chmod(self.path, 0o755)

    def drop(self, so, name=None):
        return shutil.copy(so, os.path.join(self.plugins, name or os.path.basename(so)))

    def core(self, config="", **env):
        with open(os.path.join(self.path, "config.yaml"), "w", encoding="utf-8") as f:
            f.write(config)
        core = Core(home=self.path, env=env)
        del core.settings["plugin_dir"]
        return core

    def refusal(self, name="template", command="start", **env):
        """What is said on standard error when the core is to start with this plugin."""
        core = self.core(f"storage_plugin: {name}\n", **env)
        r = core.run(command)
        assert r.returncode in (1, 2), r.stdout + r.stderr
        return r.stderr


@pytest.fixture
def home(tmp_path):
    return Home(tmp_path / "home")


def says(text, wanted):
    assert wanted in text, text


# --------------------------------------------------------------------- it serves


def test_drop_in(home, template):
    home.drop(template)
    with home.core("storage_plugin: template\ntemplate_wait_ms: 5000\n") as core:
        app = core.app()
        body = {"email": "Some@Example.com", "password": "secret12"}
        user = app.post("/recipe/signup", body).ok()["user"]
        assert app.post("/recipe/signup", body).is_status("EMAIL_ALREADY_EXISTS_ERROR")
        assert app.post("/recipe/signin", body).ok()["user"]["id"] == user["id"]
        assert app.post("/recipe/signin", {"email": "some@example.com", "password": "wrong123"}) \
            .is_status("WRONG_CREDENTIALS_ERROR")
        session = app.post("/recipe/session", {
            "userId": user["id"], "userDataInJWT": {"a": 1}, "userDataInDatabase": {"b": 2},
            "enableAntiCsrf": False, "useDynamicSigningKey": True}).ok()
        refreshed = app.post("/recipe/session/refresh", {
            "refreshToken": session["refreshToken"]["token"], "enableAntiCsrf": False,
            "useDynamicSigningKey": True}).ok()
        verified = app.post("/recipe/session/verify", {
            "accessToken": refreshed["accessToken"]["token"], "doAntiCsrfCheck": False,
            "enableAntiCsrf": False, "checkDatabase": True}).ok()
        assert verified["session"]["userId"] == user["id"]
        assert app.get("/users/count").ok()["count"] == 1
        assert [u["id"] for u in app.get("/users").ok()["users"]] == [user["id"]]
        app.post("/user/remove", {"userId": user["id"]}).ok()
        assert app.get("/users/count").ok()["count"] == 0
    assert "template" in core_log(home)


def core_log(home):
    with open(os.path.join(home.path, "core.log"), encoding="utf-8") as f:
        return f.read()


def test_by_path(home, template):
    with home.core(f"storage_plugin: {template}\n") as core:
        assert core.get("/hello").status == 200


def test_catalogue_too_old_with_auto_schema(home, tmp_path):
    """A plugin of no script creates what the catalogue has by itself."""
    def edit(folder):
        os.remove(os.path.join(folder, "migration_scripts/template/001_initial_schema.json"))

    home.drop(build_template(str(tmp_path), edit))
    with home.core("storage_plugin: template\n") as core:
        core.app().post("/recipe/signup", {"email": "a@b.cc", "password": "secret12"}).ok()


# ---------------------------------------------------------------------- refused


def test_catalogue_too_old(home, tmp_path):
    def edit(folder):
        os.remove(os.path.join(folder, "migration_scripts/template/001_initial_schema.json"))
        path = os.path.join(folder, "src/plugin.c")
        with open(path, encoding="utf-8") as f:
            text = f.read()
        assert " | STK_CAP_AUTO_SCHEMA" in text
        with open(path, "w", encoding="utf-8") as f:
            f.write(text.replace(" | STK_CAP_AUTO_SCHEMA", ""))

    so = home.drop(build_template(str(tmp_path), edit))
    said = home.refusal()
    assert re.search(rf"template: plugin {re.escape(so)} 1\.0\.0 brings migrations up to version 0, "
                     r"this core needs \d+\. Install a newer plugin", said), said


def test_other_major(home):
    so = home.drop(os.path.join(TEST_PLUGINS, "bad_major.so"), "bad.so")
    wanted = (f"plugin {so} is not loaded: it is built for plugin ABI 2, this core has ABI 1. "
              "Install the plugin's release for ABI 1")
    says(home.refusal("bad"), wanted)
    home.drop(BAD)
    says(home.refusal("bad", STK_BAD="major"), wanted)


def test_newer_minor(home):
    so = home.drop(BAD)
    says(home.refusal("bad", STK_BAD="need_minor"),
         f"plugin {so} is not loaded: it needs plugin ABI 1.1 or newer, this core has 1.0. "
         "Install a newer core or an older plugin")
    r = home.core("storage_plugin: bad\n", STK_BAD="newer").run("plugins", "bad")
    assert r.returncode == 0 and "abi: 1.5, needs 1.0, this core has 1.0\n" in r.stdout


def test_missing_callback(home):
    so = home.drop(BAD)
    says(home.refusal("bad", STK_BAD="exec"),
         f"plugin {so} is not loaded: its exec is missing. Ask its maker for a complete one")
    says(home.refusal("bad", STK_BAD="short"),
         f"plugin {so} is not loaded: its verify is missing. Ask its maker for a complete one")


def test_writable_file(home, template):
    so = home.drop(template)
    os.chmod(so, 0o757)
    says(home.refusal(), f"plugin file {so} is not loaded: everyone may write to it. "
                         f"Run: chmod o-w {so}")


def test_writable_folder(home, template):
    home.drop(template)
    os.chmod(home.plugins, 0o757)
    says(home.refusal(), f"plugin folder {home.plugins} is not loaded: everyone may write to it. "
                         f"Run: chmod o-w {home.plugins}")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to give files away")
def test_foreign_owner(home, template):
    so = home.drop(template)
    os.chown(so, 65534, 65534)
    says(home.refusal(), f"plugin file {so} is not loaded: it belongs to user 65534, neither to "
                         f"root nor to user 0, who runs this. Run: chown root {so}")


def test_group_may_write(home, template):
    so = home.drop(template)
    os.chmod(so, 0o775)
    r = home.core("storage_plugin: template\n").run("plugins", "template")
    assert r.returncode == 0 and f"Run: chmod g-w {so}" in r.stdout + r.stderr


def test_not_elf(home):
    so = os.path.join(home.plugins, "text.so")
    with open(so, "w", encoding="utf-8") as f:
        f.write("not a program\n")
    says(home.refusal("text"),
         f"{so} is not a storage plugin: it is no shared object (no ELF file)")


def test_unresolved_symbol(home):
    so = home.drop(os.path.join(TEST_PLUGINS, "bad_symbol.so"), "bad.so")
    said = home.refusal("bad")
    says(said, f"plugin {so} is not loaded: a symbol it needs is nowhere: ")
    says(said, "stk_nobody_defines_this")
    says(said, "Link the plugin against all of its libraries")


def test_no_entry(home):
    libc = next(p for p in ("/lib/x86_64-linux-gnu/libm.so.6", "/lib/aarch64-linux-gnu/libm.so.6",
                            "/usr/lib64/libm.so.6") if os.path.exists(p))
    so = home.drop(os.path.realpath(libc), "libm.so")
    says(home.refusal("libm"), f"{so} is not a storage plugin: it does not export stk_plugin_v1")


def test_name_clash(home, template):
    so = home.drop(template, "other.so")
    says(home.refusal("other"), f'plugin {so} is not loaded: it calls itself "template". Rename '
                                "the file to template.so, or give its path")
    first = home.drop(template)
    r = home.core().run("plugins", first, so)
    assert r.returncode == 1
    says(r.stderr, f'plugin {so} is not loaded: its name "template" is taken by {first}. Use one '
                   "of the two")


def test_not_found(home, template):
    says(home.refusal("absent"),
         f'storage plugin "absent" was not found: tried {home.plugins}/absent.so (No such file or '
         f"directory). There are no plugins in {home.plugins}. Set plugin_dir, or "
         "storage_plugin to the path of a .so")
    home.drop(template)
    home.drop(BAD)
    says(home.refusal("absent"), f" Plugins in {home.plugins}: bad, template. Set storage_plugin "
                                 "to one of these, or to the path of a .so")
    says(home.refusal("/no/where.so"), 'storage plugin "/no/where.so" was not found: tried '
                                       "/no/where.so (No such file or directory)")


def test_load_fails(home):
    so = home.drop(BAD)
    says(home.refusal("bad", STK_BAD="load"),
         f"plugin {so} is not loaded: bad: load() was told to fail")


def test_unknown_setting_of_the_plugin(home, template):
    home.drop(template)
    core = home.core("storage_plugin: template\ntemplate_wait_ms: soon\n")
    r = core.run("config", "check")
    assert r.returncode == 2 and "template_wait_ms" in r.stderr, r.stdout + r.stderr


# -------------------------------------------------------- supertokens plugins


def test_list(home, template):
    home.drop(template)
    home.drop(os.path.join(PLUGINS, "sqlite.so"))
    r = home.core().run("plugins")
    assert r.returncode == 0, r.stderr
    lines = r.stdout.splitlines()
    assert lines[0] == f"# {home.plugins}"
    assert [line.split()[0] for line in lines[1:]] == ["sqlite", "template"]
    assert re.fullmatch(r"template +1\.0\.0 +ABI 1\.0  1 migrations  1 options  "
                        r"\[txn auto_schema\]  Rows in memory.*", lines[2])


def test_list_with_a_wrong_one(home, template):
    home.drop(template)
    with open(os.path.join(home.plugins, "text.so"), "w", encoding="utf-8") as f:
        f.write("text\n")
    r = home.core().run("plugins")
    assert r.returncode == 1
    assert "\ntemplate " in r.stdout and "text.so is not a storage plugin" in r.stderr


@pytest.mark.parametrize("by", ["name", "path"])
def test_describe(home, template, by):
    so = home.drop(template)
    r = home.core().run("plugins", "template" if by == "name" else so)
    assert r.returncode == 0, r.stderr
    said = dict(line.split(": ", 1) for line in r.stdout.splitlines())
    assert said["name"] == "template" and said["path"] == so
    assert said["version"] == "1.0.0" and said["license"] == "Apache-2.0"
    assert said["abi"] == "1.0, needs 1.0, this core has 1.0"
    assert said["threads"] == "parallel" and said["caps"] == "txn auto_schema"
    assert said["max_in_list"] == "1000" and said["max_batch"] == "1000"
    assert said["option.template_wait_ms"].startswith("integer 1..600000, default 10000: ")
    assert re.fullmatch(r"[0-9a-f]{64}", said["migration.001_initial_schema"])
    assert not os.path.exists(os.path.join(home.path, ".started")), "a database was opened"


def test_describe_without_a_secret(home):
    home.drop(BAD)
    r = home.core(STK_BAD="options", BAD_PASSWORD="hunter22").run("plugins", "bad")
    assert r.returncode == 0
    assert "option.bad_key: integer 0..9, default 5, also bad_old_key: A key\n" in r.stdout
    assert "option.bad_password: text, secret: A secret\n" in r.stdout
    assert "hunter22" not in r.stdout + r.stderr
