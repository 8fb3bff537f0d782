"""The image and Compose, held to their rules; no container engine is needed."""

import fnmatch
import re
import tomllib
from pathlib import Path

import pytest

from tests.deployment.shipped import COMPOSE, README, ROOT, SERVICES, copied, instructions, last_stage

# Keys of the Compose specification that this project uses or may well use; a misspelt one is in none of them.
SERVICE_KEYS = {
    *("build", "command", "depends_on", "entrypoint", "env_file", "environment", "healthcheck", "image", "init"),
    *("ports", "profiles", "read_only", "restart", "stop_grace_period", "user", "volumes", "working_dir"),
}
CONDITIONS = {"service_started", "service_healthy", "service_completed_successfully"}
DURATION = re.compile(r"(\d+(h|ms|us|m|s))+")


def let_in(path: str) -> bool:
    """Whether .dockerignore lets a path through: the last pattern that matches it, or a folder of it, decides."""
    ignored = False
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        pattern = line.removeprefix("!").removeprefix("**/")
        parts = [*Path(path).parents, Path(path)]
        if any(fnmatch.fnmatch(str(part), pattern) or fnmatch.fnmatch(part.name, pattern) for part in parts):
            ignored = not line.startswith("!")
    return not ignored


@pytest.mark.parametrize("source", copied())
def test_everything_that_the_image_copies_exists_and_is_let_in(source: str) -> None:
    assert (ROOT / source).exists()
    assert let_in(source)


def test_nothing_but_what_is_copied_reaches_the_build() -> None:
    assert not any(
        let_in(path) for path in (".env", "etl.toml", "secrets.env", ".etl/postgres", ".git/config", "tests")
    )
    assert not let_in("etl/__pycache__")


def test_the_build_has_all_that_the_wheel_is_made_of() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    wanted = {project["project"]["readme"], *wheel["packages"], *wheel["force-include"], "pyproject.toml"}
    assert wanted <= set(copied())


def test_the_image_installs_what_the_lock_file_names_and_runs_as_nobody_special() -> None:
    runs = " ".join(arguments for name, arguments in instructions() if name == "RUN")
    assert "--require-hashes" in runs
    assert all("--no-index" in part for part in re.findall(r"pip (?:install|wheel) [^&]*", runs) if "lock" not in part)
    [user] = [arguments for name, arguments in last_stage() if name == "USER"]
    assert f" {user}" in dict(last_stage())["RUN"]
    assert user not in ("root", "0")


def test_the_image_has_a_python_that_the_project_supports() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    [python, *others] = {arguments.split()[0] for name, arguments in instructions() if name == "FROM"}
    assert not others, "both stages must be of one image: a virtual environment is taken from the first to the second"
    version = python.removeprefix("python:").removesuffix("-slim")
    assert f"Programming Language :: Python :: {version}" in project["classifiers"]


def test_compose_has_no_key_that_it_would_not_know() -> None:
    assert {key for key in COMPOSE if not key.startswith("x-")} == {"services", "volumes"}
    assert set().union(*SERVICES.values()) <= SERVICE_KEYS


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_follows_the_rules_of_compose(name: str) -> None:
    service = SERVICES[name]
    assert "image" in service or "build" in service
    assert service["restart"] in ("no", "always", "on-failure", "unless-stopped")
    assert isinstance(service.get("init", False), bool)
    if "build" in service:
        assert (ROOT / service["build"] / "Dockerfile").exists()
    assert all(isinstance(value, str) for value in service.get("environment", {}).values())
    assert DURATION.fullmatch(service.get("stop_grace_period", "10s"))
    for port in service.get("ports", []):
        assert re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port), "the warehouse is for this machine only"
    for volume in service.get("volumes", []):
        if isinstance(volume, str):
            assert volume.split(":")[0] in COMPOSE["volumes"]
        else:
            assert volume["type"] == "bind"
            assert volume["read_only"]
            assert volume["bind"] == {"create_host_path": False}


def test_images_come_from_wherever_the_engine_is_set_up_to_look() -> None:
    images = [service["image"] for service in SERVICES.values()]
    images += [arguments.split()[0] for name, arguments in instructions() if name == "FROM"]
    assert "postgres:17" in images
    assert not any("/" in image for image in images), "no registry is named"


def test_services_wait_for_what_they_need() -> None:
    for service in SERVICES.values():
        for needed, how in service.get("depends_on", {}).items():
            assert how["condition"] in CONDITIONS
            assert how["condition"] != "service_healthy" or "healthcheck" in SERVICES[needed]
            assert how["condition"] != "service_completed_successfully" or SERVICES[needed]["restart"] == "no"
    assert SERVICES["migrate"]["depends_on"] == {"postgres": {"condition": "service_healthy"}}
    assert SERVICES["nightly"]["depends_on"] == {"migrate": {"condition": "service_completed_successfully"}}


def test_the_health_check_waits_for_the_real_server() -> None:
    check = SERVICES["postgres"]["healthcheck"]
    environment = SERVICES["postgres"]["environment"]
    kind, program, *options = check["test"]
    assert (kind, program) == ("CMD", "pg_isready")
    # While it makes the cluster the image runs a server that listens on the socket only.
    assert "--host=127.0.0.1" in options
    assert f"--username={environment['POSTGRES_USER']}" in options
    assert f"--dbname={environment['POSTGRES_DB']}" in options
    assert all(DURATION.fullmatch(check[key]) for key in ("interval", "timeout"))


def test_the_services_reach_the_warehouse_that_postgres_makes() -> None:
    made = SERVICES["postgres"]["environment"]
    for name in ("migrate", "nightly"):
        dsn = SERVICES[name]["environment"]["ETL_WAREHOUSE_DSN"]
        secret = made["POSTGRES_PASSWORD"]
        assert dsn == f"postgresql://{made['POSTGRES_USER']}:{secret}@postgres:5432/{made['POSTGRES_DB']}"


def test_the_configuration_is_mounted_where_the_image_looks_for_it() -> None:
    [environment] = [arguments for name, arguments in last_stage() if name == "ENV"]
    config = dict(pair.split("=", 1) for pair in environment.split())["ETL_CONFIG"]
    for name in ("migrate", "nightly"):
        [mount] = SERVICES[name]["volumes"]
        assert (mount["source"], mount["target"]) == ("./etl.toml", config)


def test_every_variable_that_compose_takes_is_documented() -> None:
    names = set(re.findall(r"\$\{([A-Z_]+)", (ROOT / "docker-compose.yml").read_text()))
    assert names == {"POSTGRES_PASSWORD", "ETL_NIGHTLY_AT"}
    assert all(name in README for name in names)
