"""What schemas do not say about the files of deploy/: that what one names is there, and that what has to agree agrees.

files.py FOLDER also writes what workflow and buildspec run as scripts into a new folder.
"""

import json
import re
import sys
from pathlib import Path

import yaml

HERE = Path(__file__).resolve().parent
sys.dont_write_bytecode = True
sys.path.insert(0, str(HERE / "image"))

from contract import CONFIG  # noqa: E402

problems = []


def load(name):
    return list(yaml.safe_load_all((HERE / name).read_text()))


def check(is_right, problem):
    if not is_right:
        problems.append(problem)


def compose():
    """Files that are mounted exist, images have exact versions, ports are this machine's, ours are without rights."""
    (file,) = load("compose.yaml")
    for name, service in file["services"].items():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            if source.startswith("."):
                check((HERE / source).exists(), f"compose.yaml: {name} mounts {source}, which is not there")
            else:
                check(source in file["volumes"], f"compose.yaml: {name} has a volume {source} that is not declared")
        for port in service.get("ports", []):
            check(port.startswith("127.0.0.1:"), f"compose.yaml: {name} opens {port} to other machines")
        image = service["image"]
        if image.startswith("${"):
            check(service["read_only"] and service["cap_drop"] == ["ALL"], f"compose.yaml: {name} may write or has capabilities")
            check(service["healthcheck"]["test"][0] == "CMD", f"compose.yaml: {name} is checked with a shell, which it lacks")
        else:
            tag = image.rpartition(":")[2]
            check(tag.count(".") >= 2, f"compose.yaml: {image} is no exact version")
        for other in service.get("depends_on", {}):
            check(other in file["services"], f"compose.yaml: {name} waits for {other}, which is not there")
    (scrape,) = load("compose/prometheus.yml")
    for target in scrape["scrape_configs"][0]["static_configs"][0]["targets"]:
        host, port = target.split(":")
        check(host in file["services"] and port == "18083", f"prometheus.yml: nobody is at {target}")


def connectors():
    """Each file of connectors is one, as POST /connectors takes it, with texts for values."""
    for name in ("compose/connectors.json", "kubernetes/connect/connectors.json"):
        connector = json.loads((HERE / name).read_text())
        check(set(connector) == {"name", "config"}, f"{name}: it has a name and a config")
        wrong = [key for key, value in connector["config"].items() if not isinstance(value, str)]
        check(not wrong, f"{name}: {wrong} are no texts")


def kubernetes():
    """Probes at the health port, what the autoscaler and the budget name is there, and nobody has rights."""
    for part in ("connect", "stream"):
        documents = load(f"kubernetes/{part}/deployment.yaml")
        by_kind = {document["kind"]: document for document in documents}
        deployment = by_kind["Deployment"]
        pod = deployment["spec"]["template"]["spec"]
        (container,) = pod["containers"]
        where = f"kubernetes/{part}"
        ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        check(ports["health"] == 18083, f"{where}: the health port is 18083")
        for probe, path in (("livenessProbe", "/live"), ("readinessProbe", "/ready")):
            check(container[probe]["httpGet"] == {"path": path, "port": "health"}, f"{where}: {probe} asks {path} at the health port")
        security = container["securityContext"]
        check(security["readOnlyRootFilesystem"] and not security["allowPrivilegeEscalation"], f"{where}: it may write or gain rights")
        check(security["capabilities"] == {"drop": ["ALL"]}, f"{where}: it has capabilities")
        check(pod["securityContext"]["runAsNonRoot"], f"{where}: it may be root")
        labels = deployment["spec"]["template"]["metadata"]["labels"]
        check(by_kind["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"] == labels, f"{where}: the budget is for other pods")
        check(deployment["spec"]["selector"]["matchLabels"] == labels, f"{where}: the selector is for other pods")
        (scaler,) = load(f"{where}/scaling.yaml")
        check(scaler["spec"]["scaleTargetRef"]["name"] == deployment["metadata"]["name"], f"{where}: something else is scaled")
        kinds = [metric["type"] for metric in scaler["spec"]["metrics"]]
        check(kinds == ["External", "Resource"], f"{where}: it is scaled by lag and CPU")
        grace = [int(entry["value"]) for entry in container["env"] if entry["name"] == "CONNECT_TASK_SHUTDOWN_GRACEFUL_TIMEOUT_MS"]
        check(all(it / 1000 < pod["terminationGracePeriodSeconds"] for it in grace), f"{where}: it is killed while it stops")


def pipeline(scripts):
    """The workflow builds for the processor of the stacks' tasks, each output that is read is written, each script that is called is
    there; what its steps and those of the buildspec run is written to files below `scripts`, for the checkers of shells."""
    (workflow,) = load("pipeline/github-actions.yml")
    jobs = workflow["jobs"]
    default = re.search(r"^  architecture: '(\w+)',$", (HERE / "cdk/lib/settings.ts").read_text(), re.MULTILINE)[1]
    runner = jobs["image"]["runs-on"]
    check(runner.endswith("-arm") == (default == "ARM64"), f"pipeline/github-actions.yml: the image is built on {runner}, and tasks are {default}")
    texts = {}
    for name, job in jobs.items():
        steps = {step["id"]: step for step in job["steps"] if "id" in step}
        for output, value in job.get("outputs", {}).items():
            for step, key in re.findall(r"steps\.(\w+)\.outputs\.(\w+)", value):
                written = step in steps and f"{key}=" in steps[step].get("run", "")
                check(written, f"pipeline/github-actions.yml: {name}.{output} is {key} of the step {step}, which does not write it")
        for other, output in re.findall(r"needs\.(\w+)\.outputs\.(\w+)", json.dumps(job)):
            given = other == job["needs"] and output in jobs[other].get("outputs", {})
            check(given, f"pipeline/github-actions.yml: {name} reads {output} of {other}, which does not give it")
        for number, step in enumerate(job["steps"]):
            if "run" in step:
                texts[f"workflow-{name}-{number}.sh"] = step["run"]
    (build,) = load("pipeline/buildspec.yml")
    check(list(build["phases"]) == ["pre_build", "build", "post_build"], "pipeline/buildspec.yml: its phases are those of CodeBuild, in their order")
    # One shell runs all of it.
    commands = "\n".join(command for phase in build["phases"].values() for command in phase["commands"])
    texts["buildspec.sh"] = commands
    for file in build["artifacts"]["files"]:
        check(f"> {file}" in commands, f"pipeline/buildspec.yml: nothing writes {file}")
    for name, text in texts.items():
        for called in re.findall(r"(?:^|\s)(\./\w+|deploy/[\w./-]+)", text):
            path = HERE.parent / called
            check(path.exists(), f"pipeline: {name} names {called}, which is not there")
        (scripts / name).write_text(text + "\n")


def named():
    """Names of variables and flags, each with the folders that name it."""
    found = {}

    def add(name, where):
        found.setdefault(name, set()).add(where)

    def command(words, where):
        for word in words:
            if word.startswith("--"):
                add(word.partition("=")[0], where)

    for path in sorted(HERE.glob("cdk/cdk.out/*/*.template.json")):
        for resource in json.loads(path.read_text())["Resources"].values():
            if resource["Type"] == "AWS::ECS::TaskDefinition":
                for container in resource["Properties"]["ContainerDefinitions"]:
                    for variable in container["Environment"]:
                        add(variable["Name"], "cdk")
                    command(container["Command"] + container.get("HealthCheck", {}).get("Command", []), "cdk")
    for name in ("connect/deployment", "stream/deployment", "strimzi/connect"):
        for document in load(f"kubernetes/{name}.yaml"):
            if document["kind"] == "Deployment":
                for container in document["spec"]["template"]["spec"]["containers"]:
                    for variable in container["env"]:
                        add(variable["name"], "kubernetes")
                    command(container.get("args", []), "kubernetes")
    (file,) = load("compose.yaml")
    for service in file["services"].values():
        if service["image"].startswith("${"):
            for variable in service["environment"]:
                add(variable, "compose")
            command(service["command"] + service["healthcheck"]["test"], "compose")
    for variable in CONFIG["Env"]:
        if not variable.startswith("PATH="):
            add(variable.partition("=")[0], "image")
    command(CONFIG["Healthcheck"]["Test"], "image")
    for path in sorted(HERE.glob("systemd/*.env")):
        for name in re.findall(r"^(?:# )?([A-Z][A-Z0-9_]+)=", path.read_text(), re.MULTILINE):
            add(name, "systemd")
    for path in sorted(HERE.glob("systemd/*.service")):
        for line in re.findall(r"^ExecStart=(.*)", path.read_text(), re.MULTILINE):
            command(line.split(), "systemd")
    return found


def table():
    """The README lists every name, and where it is."""
    text = (HERE / "README.md").read_text().partition("## Every variable and flag")[2]
    rows = {}
    for names, where in re.findall(r"^\| (`.*?) \| .*? \| (.*?) \|$", text, re.MULTILINE):
        for name in re.findall(r"`([^`]+)`", names):
            rows[name] = set(where.split(", "))
    found = named()
    if not any("cdk" in where for where in found.values()):
        # Without Node.js there are no templates.
        rows = {name: where - {"cdk"} for name, where in rows.items() if where != {"cdk"}}
    for name in sorted(found.keys() | rows.keys()):
        here, there = sorted(found.get(name, [])), sorted(rows.get(name, []))
        check(here == there, f"README.md: {name} is named by {', '.join(here) or 'nothing'}, and the table says {', '.join(there) or 'nothing'}")


compose()
connectors()
kubernetes()
scripts = Path(sys.argv[1])
scripts.mkdir(parents=True)
pipeline(scripts)
table()
for problem in problems:
    print(f"deploy/{problem}", file=sys.stderr)
sys.exit(1 if problems else 0)
