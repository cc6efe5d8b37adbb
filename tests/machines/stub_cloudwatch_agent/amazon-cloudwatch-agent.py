# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stand-in for amazon-cloudwatch-agent and, under their names, for the programs that start it to translate and to download.

Manners and words are those of tool/downloader, tool/translator, translator/cmdutil, translator/jsonconfig and
cmd/start-amazon-cloudwatch-agent of aws/amazon-cloudwatch-agent. Of the JSON schema it knows a few types. It never is on EC2.
"""

import configparser
import importlib
import json
import os
import pathlib
import pwd
import signal
import sys
import time
import typing as t

BASE = pathlib.Path("/opt/aws/amazon-cloudwatch-agent")
ETC = BASE / "etc"
TOML, OLD_FILE, FOLDER = (
    ETC / "amazon-cloudwatch-agent.toml",
    ETC / "amazon-cloudwatch-agent.json",
    ETC / "amazon-cloudwatch-agent.d",
)
LOG = BASE / "logs" / "amazon-cloudwatch-agent.log"
SUBCOMMANDS = ("config-translator", "config-downloader")
NO_FILES = 99

# JSON's names for types, as the schema's validator tells them.
TYPES = {dict: "object", list: "array", str: "string", bool: "boolean", int: "integer", float: "number"}
SCHEMA = {
    ("agent",): "object",
    ("agent", "region"): "string",
    ("agent", "debug"): "boolean",
    ("agent", "metrics_collection_interval"): "integer",
    ("metrics",): "object",
    ("metrics", "namespace"): "string",
    ("metrics", "metrics_collected"): "object",
    ("logs",): "object",
    ("logs", "logs_collected"): "object",
}

Config = dict[str, t.Any]

# By its name, since it is not in every Python that these tests are checked for.
tomllib = importlib.import_module("tomllib")


class RefusedError(Exception):
    """What is said before the program ends with 1."""


def log(line: str) -> None:
    """Say something as Go's log package does."""
    print(f"{time.strftime('%Y/%m/%d %H:%M:%S')} {line}", file=sys.stderr)


def flags(arguments: list[str]) -> dict[str, str]:
    """Read flags, with one hyphen or two."""
    return {name.lstrip("-"): value for name, value in zip(arguments[::2], arguments[1::2], strict=True)}


def common_config(path: str) -> Config:
    """Read common-config.toml."""
    if not path:
        return {}
    try:
        content: Config = tomllib.loads(pathlib.Path(path).read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise RefusedError(f"failed to parse Common Config: {error}") from error
    return content


def agent_mode(mode: str) -> str:
    """Find out where it runs; the metadata service is out of reach."""
    return "onPrem" if mode == "auto" else mode


def profile_region(mode: str, credentials: Config) -> str:
    """Return the region of the profile; on premises there is one by default."""
    on_premises = mode in ("onPrem", "onPremise")
    profile = credentials.get("shared_credential_profile", "AmazonCloudWatchAgent" if on_premises else "")
    file = credentials.get("shared_credential_file")
    if not profile and not file:
        return ""
    home = pathlib.Path(pwd.getpwuid(os.getuid()).pw_dir) / ".aws"
    files = [pathlib.Path(file), pathlib.Path(file).with_name("config")] if file else [home / "credentials", home / "config"]
    read = configparser.ConfigParser(default_section="none")
    read.read(files, encoding="utf-8")
    names = [name for name in (f"profile {profile}", profile) if read.has_section(name)]
    return next((read.get(name, "region") for name in names if read.has_option(name, "region")), "")


def download(given: dict[str, str]) -> None:
    """Put a fragment into the folder as .tmp, or take one out of it."""
    credentials = common_config(given.get("config", "")).get("credentials", {})
    kind, _colon, place = given["download-source"].partition(":")
    mode = agent_mode(given["mode"])
    if kind != "default" and not profile_region(mode, credentials):
        if mode == "ec2":
            raise RefusedError("please check if you can access the metadata service.")
        raise RefusedError("please make sure the credentials and region set correctly on your hosts")
    folder = pathlib.Path(given["output-dir"])
    for path in folder.glob("*.tmp"):
        path.unlink()
    if kind != "file":
        raise RefusedError(f"location type {kind} is not supported")
    name = "file_" + pathlib.Path(place).name.replace(" ", "_").replace(":", "_")
    try:
        if given["multi-config"] == "remove":
            (folder / name).unlink()
        else:
            (folder / f"{name}.tmp").write_bytes(pathlib.Path(place).read_bytes())
    except OSError as error:
        raise RefusedError(f"fail to fetch/remove json config: {error}") from error


def fragments(given: dict[str, str]) -> dict[str, Config]:
    """Read the files that count: .tmp for default, both for append, the others for remove."""
    multi = given.get("multi-config", "remove")
    folder = pathlib.Path(given["input-dir"])
    paths = sorted(path for path in folder.iterdir() if path.is_file()) if folder.is_dir() else []
    old = pathlib.Path(given.get("input", ""))
    existing = [path for path in [old, *paths] if path.is_file() and path.suffix != ".tmp"] if multi != "default" else []
    new = [path for path in paths if path.suffix == ".tmp"] if multi != "remove" else []
    found: dict[str, Config] = {}
    for path in [*existing, *new]:
        log(f"Reading json config file path: {path} ...")
        try:
            found[str(path).removesuffix(".tmp")] = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise RefusedError(f"unable to parse json, error: {error}") from error
    if not found and multi == "remove":
        sys.exit(NO_FILES)
    return found or {"default": {"metrics": {"metrics_collected": {"mem": {}}}}}


def merge(into: Config, other: Config, path: str, problems: list[str]) -> None:
    """Lay one object over another; two that say different things are a problem."""
    for key, value in other.items():
        there = into.get(key)
        if isinstance(there, dict) and isinstance(value, dict):
            merge(there, value, f"{path}{key}/", problems)
        elif isinstance(there, list) and isinstance(value, list):
            there += [item for item in value if item not in there]
        elif key not in into:
            into[key] = value
        elif there != value:
            problems.append(f"Under path : {path}{key} | Error : Different values are specified for {key}")


def schema_problems(config: Config) -> list[str]:
    """Say what is of another type than it should be."""
    found = []
    for path, wanted in SCHEMA.items():
        value: t.Any = config
        for key in path:
            value = value.get(key) if isinstance(value, dict) else None
        if value is not None and TYPES[type(value)] != wanted:
            found.append(f"Under path : /{'/'.join(path)} | Error : Invalid type. Expected: {wanted}, given: {TYPES[type(value)]}")
    return found


def refuse(line: str, problems: list[str]) -> t.NoReturn:
    """Say what the translator says when it panics."""
    for text in (line, *problems):
        log(text)
    raise RefusedError(
        "configuration validation first phase failed. Agent version: 1.0. Verify the JSON input is only using features supported by"
        " this version"
    )


def translate(given: dict[str, str]) -> None:
    """Make of all fragments what the agent reads, in the folder of the output."""
    common = common_config(given.get("config", ""))
    mode = agent_mode(given["mode"])
    config: Config = {}
    problems: list[str] = []
    for _path, fragment in sorted(fragments(given).items()):
        merge(config, fragment, "/", problems)
    if problems:
        refuse("Failed to merge multiple json config files.", problems)
    if problems := schema_problems(config):
        refuse("E! Invalid Json input schema.", problems)
    log("I! Valid Json input schema.")
    region = config.get("agent", {}).get("region") or profile_region(mode, common.get("credentials", {}))
    if not region:
        missing = f"Under path : /agent/ruleRegion/ | Error : Region info is missing for mode: {mode}"
        raise RefusedError(f"failed to generate TOML configuration validation content: [{missing}]")
    output = pathlib.Path(given["output"])
    output.write_text(f"# region {region}\n# {json.dumps(config)}\n", encoding="utf-8")
    output.with_suffix(".yaml").write_text("exporters: {}\n", encoding="utf-8")
    log("Configuration validation first phase succeeded")
    proxy = {name.upper(): value for name, value in common.get("proxy", {}).items()}
    (output.parent / "env-config.json").write_text(json.dumps(proxy), encoding="utf-8")


def schema_test(path: str) -> None:
    """Be the second phase."""
    if not pathlib.Path(path).is_file():
        raise RefusedError(f"Error loading config file {path}")


def start() -> None:
    """Translate what there is, as it does each time it starts, and run until stopped."""
    given = {"input": str(OLD_FILE), "input-dir": str(FOLDER), "output": str(TOML), "mode": "auto"}
    try:
        translate({**given, "config": str(ETC / "common-config.toml")})
    except SystemExit:
        return
    config = json.loads(TOML.read_text(encoding="utf-8").splitlines()[1].removeprefix("# "))
    user = config.get("agent", {}).get("run_as_user", "root")
    try:
        pwd.getpwnam(user)
    except KeyError as error:
        raise RefusedError(f"Failed to ChangeUser: user: unknown user {user}") from error
    LOG.parent.mkdir(parents=True, exist_ok=True)
    with LOG.open("a", encoding="utf-8") as file:
        file.write(f"I! Starting AmazonCloudWatchAgent {(BASE / 'bin/CWAGENT_VERSION').read_text(encoding='utf-8')}")
    signal.sigwait({signal.SIGTERM, signal.SIGINT})


def main(name: str, arguments: list[str]) -> int:
    """Do what the name or the first argument says."""
    wrapped = name in SUBCOMMANDS
    subcommand = name if wrapped else arguments[0] if arguments and arguments[0] in SUBCOMMANDS else ""
    if wrapped:
        print(f"Starting {name}, this will map back to a call to amazon-cloudwatch-agent")
        print(f"Executing {BASE}/bin/amazon-cloudwatch-agent with arguments: {[name, *arguments]}", end="")
    try:
        if subcommand:
            given = flags(arguments if wrapped else arguments[1:])
            (translate if subcommand == "config-translator" else download)(given)
        elif arguments[:1] == ["-schematest"]:
            schema_test(arguments[2])
        else:
            start()
    except RefusedError as refused:
        log(f"E! {refused}")
        if wrapped:
            print(f"E! {name} process exited with non-zero status: 1")
        return 1
    return 0


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    sys.exit(main(pathlib.Path(sys.argv[0]).name, sys.argv[1:]))
