"""What scenario differential draws at random: records, converters, chains of transforms, sinks, and settings gone wrong.

Every draw is a function of the random numbers alone, so that a seed repeats it. Left out is what cannot be compared: the
wall clock, random ids, a topic renamed before the S3 sink (Java loses those records, ours refuses them), and texts written
with the zone that a text before them named.
"""

import json
import random
import struct
from collections.abc import Callable

CONNECT = "org.apache.kafka.connect"
TRANSFORMS = f"{CONNECT}.transforms"
STRING = f"{CONNECT}.storage.StringConverter"
JSON = f"{CONNECT}.json.JsonConverter"
BYTES = f"{CONNECT}.converters.ByteArrayConverter"
SIMPLE = f"{CONNECT}.storage.SimpleHeaderConverter"
STORAGE = "io.confluent.connect.storage.partitioner"
S3 = "io.confluent.connect.s3"
S3_SINK = f"{S3}.S3SinkConnector"
MONGO = "com.mongodb.kafka.connect.sink"
MONGO_SINK = "com.mongodb.kafka.connect.MongoSinkConnector"
LOGICAL = f"{CONNECT}.data"

FIELDS = ["a", "b", "n", "s", "t", "é", "x.y", "id"]
TEXTS = [
    "", "text", "12", "-3.5", "true", "2024-02-29", "2024-02-29 12:30 PDT", "grüße", "水車", "🦀", "tab\tquote\" \\", "\u0000\u001f", "null",
    '{"a":1}', '{"_id":7,"a":"x"}', "Infinity", "NaN", " padded ", "1e3", "a,b", "٣",
]  # fmt: skip
NUMBERS = ["0", "-0", "7", "300", "-129", "1.5", "-0.0", "1e2", "1.10", "1e400", "1E-7", "12345678.9", "2147483648", "12345678901234567890", "1700000000000"]
BROKEN = [b"", b" ", b"nope", b"{", b'{"a":', b'{"a":1,}', b'"\xed\xb0\x80"', b"\xff\xfe", b"[1,2", b'{"a":NaN}', b"1 2", b"007", b"[" * 120 + b"]" * 120]
# Now and then a record is much older or newer than its neighbours. None lies in the future: brokers refuse its dead letter.
MOMENTS = [0, 1, 86_399_999, 951_782_400_000, 1_583_023_445_123, 1_583_031_600_000, 1_603_587_600_000, 1_700_000_000_000]


def number(rng: random.Random) -> str:
    if rng.random() < 0.5:
        return rng.choice(NUMBERS)
    # Few digits: before release 19 Java prints more of some numbers than are needed.
    return rng.choice((str(rng.randint(-1000, 1000)), f"{rng.uniform(-1e4, 1e4):.3f}", f"{rng.uniform(-1, 1) * 10 ** rng.randint(-20, 20):.6g}"))


def text(rng: random.Random) -> str:
    return rng.choice(TEXTS) if rng.random() < 0.6 else "".join(rng.choices("abcäß水🦀 \"\\{}:,", k=rng.randint(1, 12)))


def quoted(rng: random.Random, value: str) -> str:
    if rng.random() < 0.06:
        return '"half \\ud83d"'
    return json.dumps(value, ensure_ascii=rng.random() < 0.5)


def plain(rng: random.Random, depth: int = 0) -> str:
    """Any JSON value, as text."""
    kind = rng.random()
    if kind < 0.3 or depth > 3:
        return quoted(rng, text(rng))
    if kind < 0.6:
        return number(rng)
    if kind < 0.72:
        return rng.choice(("null", "true", "false"))
    if kind < 0.84:
        return "[" + ",".join(plain(rng, depth + 1) for _ in range(rng.randint(0, 3))) + "]"
    return document(rng, depth + 1)


def document(rng: random.Random, depth: int = 0) -> str:
    blank = rng.choice(("", "", " ", "\n"))
    names = rng.sample(FIELDS, rng.randint(0 if depth else 1, 5))
    if rng.random() < 0.05:
        names.append(names[0] if names else "a")
    return "{" + f",{blank}".join(f"{json.dumps(name)}:{blank}{plain(rng, depth)}" for name in names) + blank + "}"


def json_value(rng: random.Random) -> bytes:
    kind = rng.random()
    if kind < 0.06:
        return rng.choice(BROKEN)
    return (document(rng) if kind < 0.9 else plain(rng)).encode("utf-8", "surrogatepass")


def schema(rng: random.Random, depth: int = 0) -> dict:
    """A schema as JsonConverter reads it."""
    simple = ["int8", "int16", "int32", "int64", "float", "double", "boolean", "string", "bytes"]
    kind = rng.choice(simple + (["struct", "array", "map"] if depth < 2 else []))
    made: dict = {"type": kind, "optional": rng.random() < 0.6}
    logical = {"int32": ["Date", "Time"], "int64": ["Timestamp"], "bytes": ["Decimal"]}.get(kind)
    if logical and rng.random() < 0.4:
        made |= {"name": f"{LOGICAL}.{rng.choice(logical)}", "version": 1}
        if kind == "bytes":
            made["parameters"] = {"scale": "2"}
    elif rng.random() < 0.1:
        made |= {"name": "some.Name", "version": rng.randint(1, 3), "doc": "words"}
    if kind == "struct":
        made["fields"] = [{**schema(rng, depth + 1), "field": name} for name in rng.sample(FIELDS[:6], rng.randint(1, 4))]
    elif kind == "array":
        made["items"] = schema(rng, depth + 1)
    elif kind == "map":
        made |= {"keys": {"type": rng.choice(("string", "string", "int32")), "optional": False}, "values": schema(rng, depth + 1)}
    elif kind in ("int32", "int64", "string") and "name" not in made and rng.random() < 0.2:
        made["default"] = "d" if kind == "string" else 5
    return made


def payload(rng: random.Random, of: dict) -> str:
    """A value of the schema, as JSON text; now and then one that does not fit."""
    if rng.random() < 0.03 and of["type"] != "float":
        return plain(rng)
    if rng.random() < (0.25 if of["optional"] else 0.02):
        return "null"
    name = of.get("name", "").removeprefix(f"{LOGICAL}.")
    match of["type"]:
        case "struct":
            kept = [field for field in of["fields"] if rng.random() < 0.95 or not field["optional"]]
            return "{" + ",".join(f"{json.dumps(field['field'])}:{payload(rng, field)}" for field in kept) + "}"
        case "array":
            return "[" + ",".join(payload(rng, of["items"]) for _ in range(rng.randint(0, 3))) + "]"
        case "map" if of["keys"]["type"] == "string":
            return "{" + ",".join(f"{json.dumps(key)}:{payload(rng, of['values'])}" for key in rng.sample(FIELDS, rng.randint(0, 3))) + "}"
        case "map":
            return "[" + ",".join(f"[{rng.randint(0, 9)},{payload(rng, of['values'])}]" for _ in range(rng.randint(0, 3))) + "]"
        case "string":
            return quoted(rng, text(rng))
        case "boolean":
            return rng.choice(("true", "false"))
        case "bytes":
            return rng.choice(('"AQL/"', '"Dw=="', '"/w=="', '"AAEC"'))
        case "int32" if name == "Date":
            return str(rng.choice((0, 19000, -1, 11016)))
        case "int32" if name == "Time":
            return str(rng.choice((0, 1000, 86_399_999)))
        case "int64" if name == "Timestamp":
            return str(rng.choice(MOMENTS))
        case "float":
            return rng.choice(("0", "7", "1.5", "-300", "0.25"))
        case "double":
            return number(rng)
        case _:
            return rng.choice(("0", "7", "-1", "100", "300", "1.5"))


def envelopes(rng: random.Random) -> Callable[[], bytes]:
    """Records of a topic with a few schemas, structs mostly."""
    known = []
    for _ in range(rng.randint(1, 2)):
        fields = [{**schema(rng, 1), "field": name} for name in rng.sample(FIELDS[:6], rng.randint(1, 5))]
        known.append({"type": "struct", "optional": rng.random() < 0.3, "fields": fields})
    if rng.random() < 0.2:
        known.append(schema(rng))

    def draw() -> bytes:
        if rng.random() < 0.05:
            return rng.choice((*BROKEN, b'{"payload":1}', b'{"schema":{"type":"zork"},"payload":1}', b'{"schema":null,"payload":{"a":1}}'))
        of = rng.choice(known)
        return f'{{"schema":{json.dumps(of)},"payload":{payload(rng, of)}}}'.encode("utf-8", "surrogatepass")

    return draw


def some_bytes(rng: random.Random) -> bytes:
    return rng.choice((rng.randbytes(rng.randint(0, 12)), text(rng).encode(), rng.choice(BROKEN), document(rng).encode("utf-8", "surrogatepass")))


PRIMITIVES = {"Integer": ">i", "Long": ">q", "Short": ">h", "Double": ">d", "Boolean": ">?"}


def converter(rng: random.Random, role: str, kinds: list[str]) -> tuple[str, dict[str, str], Callable[[], bytes]]:
    """Kind, settings, and what makes the bytes for it."""
    kind = rng.choice(kinds)
    prefix = f"{role}.converter"
    match kind:
        case "string":
            return kind, {prefix: STRING}, lambda: rng.choice((text(rng).encode(), some_bytes(rng)))
        case "document":
            return kind, {prefix: STRING}, lambda: json_value(rng)
        case "json":
            return kind, {prefix: JSON, f"{prefix}.schemas.enable": "false"}, lambda: json_value(rng)
        case "schema":
            more = {f"{prefix}.decimal.format": "NUMERIC"} if rng.random() < 0.2 else {}
            if rng.random() < 0.2:
                more[f"{prefix}.replace.null.with.default"] = "false"
            return kind, {prefix: JSON, f"{prefix}.schemas.enable": "true", **more}, envelopes(rng)
        case "bytes":
            return kind, {prefix: BYTES}, lambda: some_bytes(rng)
        case _:
            form = PRIMITIVES[kind]
            size = struct.calcsize(form)
            return kind, {prefix: f"{CONNECT}.converters.{kind}Converter"}, lambda: rng.randbytes(size if rng.random() < 0.9 else size + 1)


def a_stage(rng: random.Random, routes: bool) -> tuple[str, dict[str, str]]:
    """A transform and its settings."""
    field = lambda: rng.choice(FIELDS)  # noqa: E731
    some = lambda most=3: ",".join(rng.sample(FIELDS, rng.randint(1, most)))  # noqa: E731
    part = rng.choice(("$Value", "$Value", "$Value", "$Key"))
    types = ["int8", "int16", "int32", "int64", "float32", "float64", "boolean", "string"]
    formats = ["yyyy-MM-dd", "yyyy-MM-dd HH:mm z", "yyyyMMddHHmmssSSS", "EEE, d MMM yyyy", "YYYY-'W'ww-u", "dd/MM/yy hh:mm a", "yyyy-DDD HH:mm:ss.SSSXXX"]
    choices: list[Callable[[], tuple[str, dict[str, str]]]] = [
        lambda: (f"Cast{part}", {"spec": rng.choice(types) if rng.random() < 0.25 else ",".join(
            f"{name}:{rng.choice(types)}" for name in rng.sample(FIELDS, 2))}),
        lambda: ("DropHeaders", {"headers": rng.choice(("h", "h,i", "none"))}),
        lambda: (f"ExtractField{part}", {"field": field(), **({"field.syntax.version": "V2"} if rng.random() < 0.3 else {})}),
        lambda: ("Filter", {}),
        lambda: (f"Flatten{part}", {"delimiter": rng.choice((".", "_", "", "--"))}),
        lambda: (f"HeaderFrom{part}", {"fields": (name := field()), "headers": f"from-{name}", "operation": rng.choice(("copy", "move"))}),
        lambda: (f"HoistField{part}", {"field": rng.choice(("x", "a"))}),
        lambda: (f"InsertField{part}", rng.choice((
            {"static.field": field(), "static.value": rng.choice(("v", "1"))}, {"offset.field": "off!", "partition.field": "part"},
            {"timestamp.field": rng.choice(("ts", "a")), "topic.field": "topic?"}))),
        lambda: ("InsertHeader", {"header": rng.choice(("h", "j")), "value.literal": rng.choice(("1", "1.5", "text", '{"a":[1]}', "2024-01-01", "true", "null", "[1,2"))}),
        lambda: (f"MaskField{part}", {"fields": some(), **rng.choice(({}, {}, {"replacement": "9"}, {"replacement": "xxx"}))}),
        lambda: (f"ReplaceField{part}", rng.choice(({"exclude": some()}, {"include": some()}, {"renames": f"{field()}:z,b:y"}, {"exclude": "a", "renames": "n:a"}))),
        lambda: (f"SetSchemaMetadata{part}", rng.choice(({"schema.name": "named"}, {"schema.version": "2"}, {"schema.name": "named", "schema.version": "3"}))),
        lambda: (f"TimestampConverter{part}", {
            **({} if rng.random() < 0.2 else {"field": field()}), "target.type": (target := rng.choice(("string", "unix", "Date", "Time", "Timestamp"))),
            "format": rng.choice([each for each in formats if target != "string" or "z" not in each]), "unix.precision": rng.choice(("milliseconds", "seconds", "microseconds", "nanoseconds"))}),
        lambda: ("ValueToKey", {"fields": some(2)}),
    ]  # fmt: skip
    if routes:
        choices.append(lambda: ("RegexRouter", {"regex": rng.choice(("(.*)", "d(.*)-(.*)", "none")), "replacement": rng.choice(("$1x", "fixed", "${1}"))}))
        choices.append(lambda: ("TimestampRouter", {"topic.format": "${topic}-${timestamp}", "timestamp.format": rng.choice(("yyyyMMdd", "yyyy-MM"))}))
    return rng.choice(choices)()


def chain(rng: random.Random, routes: bool) -> dict[str, str]:
    stages = rng.choices((0, 1, 2, 3), (3, 4, 3, 2))[0]
    settings, predicates = {}, {}
    for place in range(stages):
        kind, own = a_stage(rng, routes)
        settings[f"transforms.t{place}.type"] = f"{TRANSFORMS}.{kind}"
        settings |= {f"transforms.t{place}.{name}": value for name, value in own.items()}
        if kind == "Filter" or rng.random() < 0.3:
            condition = rng.choice(("HasHeaderKey", "RecordIsTombstone", "TopicNameMatches"))
            predicates[f"predicates.p{place}.type"] = f"{TRANSFORMS}.predicates.{condition}"
            if condition == "HasHeaderKey":
                predicates[f"predicates.p{place}.name"] = rng.choice(("h", "i"))
            elif condition == "TopicNameMatches":
                predicates[f"predicates.p{place}.pattern"] = rng.choice(("d.*", ".*x", "[a-z]+-\\d+"))
            settings[f"transforms.t{place}.predicate"] = f"p{place}"
            if rng.random() < 0.5:
                settings[f"transforms.t{place}.negate"] = rng.choice(("true", "false", "TRUE"))
    if stages:
        settings["transforms"] = ",".join(f"t{place}" for place in range(stages))
    if predicates:
        settings["predicates"] = ",".join(sorted({key.split(".")[1] for key in predicates}))
    return settings | predicates


def s3_settings(rng: random.Random, kind: str) -> dict[str, str]:
    as_json = f"{S3}.format.json.JsonFormat"
    settings = {
        "connector.class": S3_SINK,
        "s3.region": "us-east-1",
        "flush.size": str(rng.randint(1, 6)),
        "storage.class": f"{S3}.storage.S3Storage",
        "format.class": f"{S3}.format.bytearray.ByteArrayFormat" if kind == "bytes" and rng.random() < 0.7 or rng.random() < 0.03 else as_json,
        "behavior.on.null.values": rng.choice(("ignore", "ignore", "write", "fail")),
        "schema.compatibility": rng.choice(("NONE", "NONE", "BACKWARD", "FORWARD", "FULL")),
    }
    match rng.randint(0, 5):
        case 0:
            names = rng.choice((["a"], ["n", "s"], ["t"]))
            settings |= {"partitioner.class": f"{STORAGE}.FieldPartitioner", "partition.field.name": ",".join(names)}
        case 1 | 2:
            extractor = rng.choice(("Record", "Record", "RecordField"))
            settings |= {
                "partitioner.class": f"{STORAGE}.{rng.choice(('TimeBasedPartitioner', 'HourlyPartitioner', 'DailyPartitioner'))}",
                "partition.duration.ms": rng.choice(("3600000", "86400000", "60000")),
                "path.format": rng.choice(("'year'=YYYY/'month'=MM/'day'=dd", "YYYY-MM-dd-HH", "yyyy/DDD/mm", "EEE/MMM")),
                "locale": "en-US",
                "timezone": rng.choice(("UTC", "America/Denver", "Europe/Berlin", "Asia/Kolkata", "+05:30")),
                "timestamp.extractor": extractor,
            }
            if extractor == "RecordField":
                settings["timestamp.field"] = rng.choice(("n", "t", "s"))
            if rng.random() < 0.4:
                settings["rotate.interval.ms"] = rng.choice(("1000", "3600000"))
    optional = {
        "topics.dir": rng.choice(("topics", "a/b", "t")), "filename.offset.zero.pad.width": rng.choice(("1", "10", "20")), "file.delim": rng.choice(("+", "_", "--")),
        "directory.delim": "/", "format.bytearray.extension": rng.choice((".bin", ".x")), "format.bytearray.separator": rng.choice(("|", "\\n")),
        "json.decimal.format": rng.choice(("NUMERIC", "BASE64")), "report.null.values.to.dlq": rng.choice(("true", "false")),
        "store.kafka.keys": "true", "store.kafka.headers": "true", "partition.field.format.path": rng.choice(("true", "false")),
        "s3.compression.type": rng.choice(("none", "gzip")), "schemas.cache.config": "10", "enhanced.avro.schema.support": "true",
    }  # fmt: skip
    for key, value in optional.items():
        if rng.random() < 0.25:
            settings[key] = value
    for part in ("keys", "headers"):
        if settings.get(f"store.kafka.{part}") == "true":
            settings[f"{part}.format.class"] = as_json
    return settings


def mongo_settings(rng: random.Random, number: int) -> dict[str, str]:
    strategies = f"{MONGO}.processor.id.strategy"
    models = f"{MONGO}.writemodel.strategy"
    settings = {
        "connector.class": MONGO_SINK,
        "database": f"d{number}",
        "document.id.strategy": f"{strategies}." + rng.choice((
            "KafkaMetaDataStrategy", "KafkaMetaDataStrategy", "FullKeyStrategy", "ProvidedInValueStrategy", "ProvidedInKeyStrategy", "PartialValueStrategy",
            "PartialKeyStrategy")),
        "writemodel.strategy": f"{models}." + rng.choice((
            "DefaultWriteModelStrategy", "ReplaceOneDefaultStrategy", "InsertOneDefaultStrategy", "ReplaceOneBusinessKeyStrategy", "UpdateOneTimestampsStrategy",
            "UpdateOneDefaultStrategy", "DeleteOneDefaultStrategy")),
        # Retries would only make a failure late.
        "max.num.retries": "0",
    }  # fmt: skip
    # Timestamps of the wall clock cannot be compared.
    if settings["writemodel.strategy"].endswith("TimestampsStrategy"):
        settings["writemodel.strategy"] = f"{models}.ReplaceOneDefaultStrategy"
    if "Partial" in settings["document.id.strategy"]:
        part = "value" if "Value" in settings["document.id.strategy"] else "key"
        settings |= {f"document.id.strategy.partial.{part}.projection.type": rng.choice(("allowlist", "blocklist")),
                     f"document.id.strategy.partial.{part}.projection.list": ",".join(rng.sample(["a", "b", "n", "id"], 2))}  # fmt: skip
    chosen = [f"{MONGO}.processor.DocumentIdAdder"]
    if rng.random() < 0.3:
        kind = rng.choice(("AllowList", "BlockList"))
        chosen.append(f"{MONGO}.processor.{kind}ValueProjector")
        settings |= {"value.projection.type": kind.lower(), "value.projection.list": ",".join(rng.sample(["_id", "a", "b", "n", "s.*", "**.t"], 3))}
    if rng.random() < 0.2:
        chosen.append(f"{MONGO}.processor.KafkaMetaAdder")
    if rng.random() < 0.2:
        chosen.append(f"{MONGO}.processor.field.renaming.RenameByMapping")
        settings["field.renamer.mapping"] = '[{"oldName":"value.a","newName":"z"},{"oldName":"key.a","newName":"y"}]'
    settings["post.processor.chain"] = ",".join(chosen)
    optional = {
        "delete.on.null.values": "true", "max.batch.size": rng.choice(("1", "2", "5")), "bulk.write.ordered": "false", "collection": "fixed",
        "document.id.strategy.overwrite.existing": "true", "namespace.mapper": f"{MONGO}.namespace.mapping.FieldPathNamespaceMapper",
        "mongo.errors.tolerance": rng.choice(("all", "none")), "mongo.errors.log.enable": "true",
    }  # fmt: skip
    for key, value in optional.items():
        if rng.random() < 0.2:
            settings[key] = value
    if "namespace.mapper" in settings:
        settings |= {"namespace.mapper.value.collection.field": rng.choice(("a", "s")), "namespace.mapper.error.if.invalid": rng.choice(("true", "false"))}
    return settings


def header(rng: random.Random) -> tuple[str, bytes | None]:
    return rng.choice(("h", "i", "j", "")), rng.choice((None, b"1", b"1.5", b"text", b'{"a":1}', b"[1,", b"true", b"\xff", b"", b"2024-01-01", "grüße".encode()))


# Values for settings that somebody got wrong.
WRONG = [
    "", " ", "abc", "0", "-1", "1.5", "99999999999", " true ", "TRUE", "maybe", "a,,b", "a,a", ",", "java.lang.Integer", STRING, f"{STORAGE}.DefaultPartitioner",
    f" {TRANSFORMS}.Filter ", f"{TRANSFORMS}.Cast", "no.such.Class", "${file:/nowhere:x}", "é", "(", "a:b:c", "http://x y", "[1,2]", "none", "ALL",
]  # fmt: skip


def mutated(rng: random.Random, config: dict[str, str]) -> dict[str, str]:
    """The configuration with a few mistakes."""
    config = dict(config)
    for _ in range(rng.randint(1, 4)):
        key = rng.choice(sorted(config))
        if key in ("connector.class", "name"):
            continue
        match rng.randint(0, 4):
            case 0:
                del config[key]
            case 1:
                config[f"{key}x"] = config[key]
            case 2:
                config[key] = f" {config[key]} "
            case _:
                config[key] = rng.choice(WRONG)
    return config
