#!/usr/bin/env python3
"""What AWS's own command line does with `aws SERVICE OPERATION --OPTION VALUE … [--query EXPRESSION] [--output text|json]`, by the same
descriptions of its services: whatever they do not know is an error. For walks of pages, on stand-ins (AWS_ENDPOINT_URL_SERVICE)."""

import argparse
import json
import sys

import boto3
import jmespath
from botocore import xform_name


def main(words: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="aws", allow_abbrev=False)
    parser.add_argument("service")
    parser.add_argument("operation")
    parser.add_argument("--query")
    parser.add_argument("--output", choices=["json", "text"], default="json")
    arguments, rest = parser.parse_known_args(words)
    client = boto3.client(arguments.service)
    operation = arguments.operation.replace("-", "_")
    known = client.meta.method_to_api_mapping
    if operation not in known:
        parser.error(f"{arguments.service} has no operation {arguments.operation}")
    members = client.meta.service_model.operation_model(known[operation]).input_shape.members
    names = {"--" + xform_name(member, "-"): member for member in members}
    given = dict(zip(rest[::2], rest[1::2], strict=True))
    if unknown := given.keys() - names.keys():
        parser.error(f"{arguments.operation} has no {', '.join(sorted(unknown))}: it has {', '.join(sorted(names))}")
    answer = getattr(client, operation)(**{names[name]: value for name, value in given.items()})
    answer.pop("ResponseMetadata")
    if arguments.query:
        answer = jmespath.search(arguments.query, answer)
    # None is written as the command line writes it.
    print(answer if arguments.output == "text" else json.dumps(answer, indent=4, default=str))


if __name__ == "__main__":
    main(sys.argv[1:])
