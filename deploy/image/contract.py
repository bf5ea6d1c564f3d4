"""What the image promises to whoever starts it. The Dockerfile says it once more, and `check` compares the two."""

BINARY = "/millstream"
# Nobody's number, as distroless images have it; also in the task definitions and manifests beside this folder.
UID = GID = 65532
SECOND = 1_000_000_000

# Where certificates of Amazon DocumentDB are verified with. Not below /etc/millstream: deployments mount their files there.
DOCUMENTDB_AUTHORITIES = "/usr/share/millstream/global-bundle.pem"
AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"
BILL_OF_MATERIALS = "/usr/share/doc/millstream/sbom.cdx.json"

# Other names of the program: by the search path, and as the images of Kafka Connect call what starts a worker.
LINKS = ("/usr/bin/millstream", "/etc/confluent/docker/run")

CONFIG = {
    "User": f"{UID}:{GID}",
    "Entrypoint": [BINARY],
    # No command: the variables say which is meant (docs/environment.md).
    "Env": ["PATH=/usr/bin", f"DOCDB_CA_FILE={DOCUMENTDB_AUTHORITIES}"],
    "ExposedPorts": {"8083/tcp": {}, "18083/tcp": {}},
    "Volumes": {"/tmp": {}},
    # The one folder that may be written to, so that what is named without a folder is there.
    "WorkingDir": "/tmp",
    "StopSignal": "SIGTERM",
    # Of Docker's; ECS and Kubernetes have their own. More than one word after CMD: there is no shell.
    "Healthcheck": {
        "Test": ["CMD", BINARY, "healthcheck", "--once"],
        "Interval": 15 * SECOND,
        "Timeout": 5 * SECOND,
        "StartPeriod": 60 * SECOND,
        "Retries": 3,
    },
    "Labels": {
        "org.opencontainers.image.title": "millstream",
        "org.opencontainers.image.description": "Kafka Connect sinks in one small program",
        "org.opencontainers.image.licenses": "Apache-2.0",
    },
}

# What a registry sends; a start on Fargate waits for it.
MAX_COMPRESSED_BYTES = 40 * 1024 * 1024
