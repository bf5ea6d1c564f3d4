"""The configurations of scenario mongodb, each with the records that suit it.

Records are drawn where a round has others, and fixed where their errors are recorded. A case says which document servers can hold its
documents at all, what is in the collection before, and, where that is a sentence, what a plain program makes of the records.
"""

import json
import random
from collections.abc import Callable
from dataclasses import dataclass

from bson import Int64
from pymongo import DeleteOne, InsertOne, ReplaceOne, UpdateOne

from . import draws
from .dead_letters import JSON, STRING, Record

SINK = draws.MONGO
IDS = f"{SINK}.processor.id.strategy"
MODELS = f"{SINK}.writemodel.strategy"
STEPS = f"{SINK}.processor"
ALL = {"errors.tolerance": "all"}
# The servers that a case may ask for.
BOTH = ("java", "ferretdb")
# mongo-java-server over TLS, whose certificate only its own trust stores know. STORE is its folder.
TLS_ONLY = ("tls",)
# FerretDB holds no decimals, refuses some second writes under an id that is a document, and tells no place of a failed update.
JAVA_ONLY = ("java",)


@dataclass
class Case:
    name: str
    config: dict[str, str]
    # The records by topic, where a topic is named by what stands behind the case's name.
    records: Callable[[random.Random], dict[str, list[Record]]]
    stores: tuple[str, ...] = BOTH
    # Databases that the records name, instead of the one of the settings.
    databases: tuple[str, ...] = ()
    # Run against the database first.
    setup: Callable | None = None
    # Pymongo's own requests for one record, given its place as `topic#partition#offset`, or None for a record that is refused.
    model: Callable[[str, Record], list | None] | None = None
    # Offsets, classes and messages of the dead letters are in document_letters.json.
    recorded: bool = False
    # Ids of Java's kinds come from the records. Elsewhere they are made at run time, and told by their type alone.
    kept_ids: bool = False


def text(value) -> bytes | None:
    return None if value is None else json.dumps(value, ensure_ascii=False).encode()


def simple(rng: random.Random, depth: int = 0):
    """A value that every document server can hold, and that Java and Python print alike."""
    kind = rng.random()
    if kind < 0.3:
        return rng.choice((0, 1, -7, 300, 2**31, -(2**40)))
    if kind < 0.4:
        return rng.choice((0.5, -2.25, 1e10))
    if kind < 0.7 or depth > 1:
        return rng.choice(("", "text", "grüße", "水車", "a b", '"quoted"', "2024-02-29"))
    if kind < 0.8:
        return rng.choice((True, False, None))
    if kind < 0.9:
        return [rng.choice((1, "x", None, {"p": 2})) for _ in range(rng.randint(0, 3))]
    return {name: simple(rng, depth + 1) for name in rng.sample(["p", "q", "r"], rng.randint(0, 3))}


def document(rng: random.Random, *always: str) -> dict:
    names = [*always, *rng.sample(["a", "b", "n", "s"], rng.randint(1, 4))]
    rng.shuffle(names)
    return {name: simple(rng) for name in names}


def keyed(rng: random.Random, count: int = 24, nulls: float = 0.1, **always) -> list[Record]:
    """Documents under a few keys, so that each key comes again; some without a value, where that means a delete."""
    records = []
    for number in range(count):
        name = rng.randrange(6)
        value = document(rng) | {part: make(rng, number) for part, make in always.items()}
        records.append(Record(None if rng.random() < nulls else text(value), text({"_id": name, "c": f"k{name % 3}"}), []))
    return records


def one(make: Callable[[random.Random], list[Record]]) -> Callable[[random.Random], dict[str, list[Record]]]:
    return lambda rng: {"": make(rng)}


def fixed(*values, keys=None) -> Callable[[random.Random], dict[str, list[Record]]]:
    keys = keys or [None] * len(values)
    made = [Record(value if isinstance(value, bytes) else text(value), text(key), []) for value, key in zip(values, keys)]
    return lambda _: {"": made}


def converter(part: str, schemas: bool | None) -> dict[str, str]:
    """Text, JSON without schemas, or JSON with them."""
    if schemas is None:
        return {f"{part}.converter": STRING}
    return {f"{part}.converter": JSON, f"{part}.converter.schemas.enable": str(schemas).lower()}


SCHEMALESS = {**converter("key", False), **converter("value", False)}
TEXTS = {**converter("key", None), **converter("value", None)}


def wide(value):
    """As Connect's JSON reads it: whole numbers are long."""
    match value:
        case bool() | None | str() | float():
            return value
        case int():
            return Int64(value)
        case list():
            return [wide(item) for item in value]
        case dict():
            return {name: wide(item) for name, item in value.items()}


def parsed(part: bytes | None):
    return None if part is None else wide(json.loads(part))


def pick(rng: random.Random, *choices) -> Callable:
    return lambda _rng, _number: rng.choice(choices)


def ids() -> list[Case]:
    def with_ids(rng: random.Random, count: int = 20, nulls: tuple = ()) -> list[Record]:
        """Some values, and some keys, have an id of their own."""
        records = []
        for number in range(count):
            value, key = document(rng), {"k": rng.randrange(4), "c": "x"}
            if rng.random() < 0.6:
                value["_id"] = rng.choice((number, f"v{number}", {"p": number}, *nulls))
            if rng.random() < 0.6:
                key["_id"] = rng.choice((number, f"k{number}", {"q": 1.5}, *nulls))
            records.append(Record(text(value), rng.choice((text(key), text(key), None)), []))
        return records

    def uuids(rng: random.Random) -> list[Record]:
        def identity():
            plain = f"{rng.getrandbits(128):032x}"
            dashed = "-".join((plain[:8], plain[8:12], plain[12:16], plain[16:20], plain[20:]))
            return rng.choice((dashed, dashed, dashed.upper(), plain, "no uuid", 5, None, {"$binary": {"base64": "AQIDBAUGBwgJCgsMDQ4PEA==", "subType": "04"}}))

        return [Record(text(document(rng) | {"_id": identity()}), text({"_id": identity()}), []) for _ in range(20)]

    def replace(_place: str, record: Record) -> list | None:
        value = parsed(record.value)
        return [ReplaceOne({"_id": value["_id"]}, value, upsert=True)]

    def by_place(place: str, record: Record) -> list:
        value = {**parsed(record.value), "_id": place}
        return [ReplaceOne({"_id": value["_id"]}, value, upsert=True)]

    def by_key(_place: str, record: Record) -> list | None:
        key = parsed(record.key)
        value = {**parsed(record.value), "_id": key if key is not None else {}}
        return [ReplaceOne({"_id": value["_id"]}, value, upsert=True)]

    def strategy(name: str, **more: str) -> dict[str, str]:
        return {**SCHEMALESS, **ALL, "document.id.strategy": f"{IDS}.{name}", **{key.replace("__", "."): value for key, value in more.items()}}

    overwrite = {"document.id.strategy.overwrite.existing": "true"}
    own = one(lambda rng: [Record(text(document(rng) | {"_id": rng.randrange(8)}), None, []) for _ in range(20)])

    def partial(part: str, kind: str, names: str) -> dict[str, str]:
        prefix = f"document.id.strategy.partial.{part}.projection"
        return {**strategy(f"Partial{part.title()}Strategy"), **overwrite, f"{prefix}.type": kind, f"{prefix}.list": names}

    return [
        Case("id-own", strategy("BsonOidStrategy"), own, model=replace),
        Case("id-oid", strategy("BsonOidStrategy"), one(lambda rng: [Record(text(document(rng)), None, []) for _ in range(8)])),
        Case("id-oid-overwrite", strategy("BsonOidStrategy") | overwrite, own),
        Case("id-uuid", strategy("UuidStrategy"), own),
        Case("id-uuid-overwrite", strategy("UuidStrategy") | overwrite, own),
        Case("id-uuid-binary", strategy("UuidStrategy") | overwrite | {"document.id.strategy.uuid.format": "binary"}, own),
        Case("id-provided-key", strategy("ProvidedInKeyStrategy"), one(with_ids)),
        Case("id-provided-key-overwrite", strategy("ProvidedInKeyStrategy") | overwrite, one(with_ids)),
        Case("id-provided-value", strategy("ProvidedInValueStrategy"), one(with_ids)),
        Case("id-provided-null", strategy("ProvidedInValueStrategy"), one(lambda rng: with_ids(rng, nulls=(None, None))), JAVA_ONLY),
        Case("id-full-key", strategy("FullKeyStrategy") | overwrite, one(with_ids), JAVA_ONLY, model=by_key),
        Case("id-full-key-text", strategy("FullKeyStrategy") | overwrite | TEXTS, one(with_ids), JAVA_ONLY),
        Case("id-place", strategy("KafkaMetaDataStrategy") | overwrite, own, model=by_place),
        Case("id-partial-key-allow", partial("key", "allowlist", "_id,k"), one(with_ids), JAVA_ONLY),
        Case("id-partial-key-block", partial("key", "blocklist", "k"), one(with_ids), JAVA_ONLY),
        Case("id-partial-value-allow", partial("value", "allowlist", "a,s.p"), one(with_ids)),
        Case("id-partial-value-block", partial("value", "blocklist", "_id,b,n"), one(with_ids)),
        Case("id-uuid-key", strategy("UuidProvidedInKeyStrategy") | TEXTS | overwrite, one(uuids), JAVA_ONLY, kept_ids=True),
        Case("id-uuid-value", strategy("UuidProvidedInValueStrategy") | TEXTS | overwrite, one(uuids), JAVA_ONLY, kept_ids=True),
    ]


def writes() -> list[Case]:
    def strategy(name: str, **more: str) -> dict[str, str]:
        return {**SCHEMALESS, **ALL, "writemodel.strategy": f"{MODELS}.{name}", **{key.replace("__", "."): value for key, value in more.items()}}

    in_key = {"document.id.strategy": f"{IDS}.ProvidedInKeyStrategy", "document.id.strategy.overwrite.existing": "true"}
    business = {
        "document.id.strategy": f"{IDS}.PartialValueStrategy", "document.id.strategy.overwrite.existing": "true",
        "document.id.strategy.partial.value.projection.type": "allowlist", "document.id.strategy.partial.value.projection.list": "g,h",
    }  # fmt: skip
    deletes = {"delete.on.null.values": "true"}
    tombstones = {**deletes, "delete.writemodel.strategy": f"{MODELS}.DeleteOneTombstoneBusinessKeyStrategy", "document.id.strategy": f"{IDS}.PartialKeyStrategy",
                  "document.id.strategy.partial.key.projection.type": "allowlist", "document.id.strategy.partial.key.projection.list": "c"}  # fmt: skip
    records = one(keyed)
    full = one(lambda rng: keyed(rng, nulls=0))

    def grouped(rng: random.Random) -> list[Record]:
        return keyed(rng, nulls=0, g=pick(rng, 1, 2, "x"), h=pick(rng, True, 0.5))

    def with_id(record: Record) -> dict:
        return {**parsed(record.value), "_id": parsed(record.key)["_id"]}

    def replaced(_place: str, record: Record) -> list | None:
        if record.value is None:
            return None
        value = with_id(record)
        return [ReplaceOne({"_id": value["_id"]}, value, upsert=True)]

    def replaced_or_gone(place: str, record: Record) -> list | None:
        return replaced(place, record) if record.value is not None else [DeleteOne({"_id": parsed(record.key)["_id"]})]

    def inserted(_place: str, record: Record) -> list | None:
        return [InsertOne(with_id(record))]

    def updated(_place: str, record: Record) -> list | None:
        value = with_id(record)
        name = value.pop("_id")
        return [UpdateOne({"_id": name}, {"$set": value}, upsert=True)]

    def gone(_place: str, record: Record) -> list | None:
        return [DeleteOne({"_id": parsed(record.key)["_id"]})]

    def there(database, topic: str):
        database[topic].insert_many([{"_id": Int64(n), "g": Int64(n % 3), "old": True} for n in range(8)])

    return [
        Case("write-default", {**SCHEMALESS, **ALL, **in_key}, records, model=replaced),
        Case("write-replace", strategy("ReplaceOneDefaultStrategy") | in_key, records, model=replaced),
        Case("write-replace-business", strategy("ReplaceOneBusinessKeyStrategy") | business, one(grouped)),
        Case("write-insert", strategy("InsertOneDefaultStrategy", bulk__write__ordered="false") | in_key, full, model=inserted),
        Case("write-insert-ordered", strategy("InsertOneDefaultStrategy") | in_key, one(lambda rng: keyed(rng, count=6, nulls=0))),
        Case("write-update", strategy("UpdateOneDefaultStrategy") | in_key, full, model=updated),
        Case("write-update-times", strategy("UpdateOneTimestampsStrategy") | in_key, full),
        Case("write-update-business-times", strategy("UpdateOneBusinessKeyTimestampStrategy") | business, one(grouped)),
        Case("write-delete", strategy("DeleteOneDefaultStrategy"), records, setup=there),
        Case("write-delete-business", strategy("DeleteOneBusinessKeyStrategy") | business, one(grouped), setup=there),
        Case("delete-on-null", {**SCHEMALESS, **ALL, **in_key, **deletes}, one(lambda rng: keyed(rng, nulls=0.4)), model=replaced_or_gone),
        Case("delete-only", {**SCHEMALESS, **ALL, **in_key, **deletes}, one(lambda rng: keyed(rng, nulls=1)), setup=there, model=gone),
        Case("delete-full-key", {**SCHEMALESS, **ALL, **deletes, "document.id.strategy": f"{IDS}.FullKeyStrategy"}, one(lambda rng: keyed(rng, nulls=0.4)), JAVA_ONLY),
        Case("delete-tombstone-business", {**SCHEMALESS, **ALL, **tombstones}, one(lambda rng: keyed(rng, nulls=0.3)), setup=there),
        Case("batches-of-one", strategy("ReplaceOneDefaultStrategy", max__batch__size="1") | in_key | deletes, records),
        Case("batches-of-three", strategy("UpdateOneDefaultStrategy", max__batch__size="3", bulk__write__ordered="true") | in_key, full, model=updated),
    ]


def processors() -> list[Case]:
    place = {"document.id.strategy": f"{IDS}.KafkaMetaDataStrategy"}

    def chain(*steps: str, **more: str) -> dict[str, str]:
        names = ",".join(f"{STEPS}.{step}" for step in ("DocumentIdAdder", *steps))
        return {**SCHEMALESS, **ALL, **place, "post.processor.chain": names, **{key.replace("__", "."): value for key, value in more.items()}}

    def nested(rng: random.Random) -> list[Record]:
        def value():
            deep = {"p": simple(rng), "q": {"r": simple(rng), "p": None}, "list": [{"p": 1, "q": None}, simple(rng, 2)]}
            return document(rng) | {"s": deep, "a_ms": simple(rng), "in_ms": {"b_ms": 1}}

        return [Record(text(value()), text({"a": simple(rng), "s": {"p": 1, "q": 2}, "_id": number}), []) for number in range(16)]

    full_key = {"document.id.strategy": f"{IDS}.FullKeyStrategy"}
    mapping = json.dumps([{"oldName": "value.a", "newName": "alpha"}, {"oldName": "value.s.p", "newName": "beta"}, {"oldName": "value.s.list", "newName": "l"},
                          {"oldName": "key.s.p", "newName": "kp"}])  # fmt: skip
    expressions = json.dumps([{"regexp": "^value\\..*_ms$", "pattern": "_ms$", "replace": "Millis"}, {"regexp": "^value\\.s\\..*$", "pattern": "(p|q)", "replace": "$1$1"}])

    def renaming_first(kind: str) -> dict[str, str]:
        return {"post.processor.chain": f"{STEPS}.field.renaming.{kind},{STEPS}.DocumentIdAdder"}

    def projected(kind: str, part: str, names: str) -> dict[str, str]:
        return {f"{part}.projection.type": kind, f"{part}.projection.list": names}

    return [
        Case("step-allow-value", chain("AllowListValueProjector") | projected("allowlist", "value", "_id,a,s.p,s.q.r,s.list.p"), one(nested)),
        Case("step-allow-wild", chain("AllowListValueProjector") | projected("allowlist", "value", "_id,s.*,**.p"), one(nested)),
        Case("step-block-value", chain("BlockListValueProjector") | projected("blocklist", "value", "a,s.q,s.list.p"), one(nested)),
        Case("step-block-wild", chain("BlockListValueProjector") | projected("blocklist", "value", "s.*.p,**.r"), one(nested)),
        Case("step-whitelist-names", chain("WhitelistValueProjector") | projected("whitelist", "value", "_id,a,n"), one(nested)),
        Case("step-blacklist-names", chain("BlacklistValueProjector") | projected("blacklist", "value", "a,n"), one(nested)),
        Case("step-allow-key", chain() | full_key | projected("allowlist", "key", "a,s.p")
             | {"post.processor.chain": f"{STEPS}.AllowListKeyProjector,{STEPS}.DocumentIdAdder"}, one(nested)),
        Case("step-block-key", chain() | full_key | projected("blocklist", "key", "a,s.p")
             | {"post.processor.chain": f"{STEPS}.BlockListKeyProjector,{STEPS}.DocumentIdAdder"}, one(nested)),
        Case("step-rename", chain("field.renaming.RenameByMapping", field__renamer__mapping=mapping), one(nested)),
        Case("step-rename-key", chain(field__renamer__mapping=mapping) | full_key | renaming_first("RenameByMapping"), one(nested)),
        Case("step-rename-regexp", chain("field.renaming.RenameByRegExp", field__renamer__regexp=expressions), one(nested)),
        Case("step-no-nulls", chain("NullFieldValueRemover"), one(nested)),
        Case("step-meta", chain("KafkaMetaAdder"), one(nested)),
        Case("step-all", chain("BlockListValueProjector", "field.renaming.RenameByRegExp", "NullFieldValueRemover", "KafkaMetaAdder",
                               field__renamer__regexp=expressions) | projected("blocklist", "value", "n"), one(nested)),
    ]  # fmt: skip


def namespaces() -> list[Case]:
    mapper = {**SCHEMALESS, **ALL, "document.id.strategy": f"{IDS}.KafkaMetaDataStrategy", "namespace.mapper": f"{SINK}.namespace.mapping.FieldPathNamespaceMapper"}

    def routed(rng: random.Random) -> list[Record]:
        def value():
            return document(rng) | {"to": rng.choice(("red", "blue", {"coll": "green"}, 5, "", None)), "m": {"c": rng.choice(("red", "blue"))}}

        return [Record(text(value()), text({"db": rng.choice(("mapped-a", "mapped-b")), "n": rng.choice(("x", 1))}), []) for _ in range(16)]

    def two(rng: random.Random) -> dict[str, list[Record]]:
        return {suffix: [Record(text({"_id": number, **document(rng)}), text({"_id": f"k{number}"}), []) for number in range(start, start + 8)]
                for suffix, start in (("-one", 0), ("-two", 100), ("-three", 200))}  # fmt: skip

    base = {**SCHEMALESS, **ALL}
    overrides = {
        "topic.override.TOPIC-one.collection": "first",
        "topic.override.TOPIC-one.document.id.strategy": f"{IDS}.ProvidedInKeyStrategy",
        "topic.override.TOPIC-one.document.id.strategy.overwrite.existing": "true",
        "topic.override.TOPIC-two.writemodel.strategy": f"{MODELS}.UpdateOneDefaultStrategy",
        "topic.override.TOPIC-two.post.processor.chain": f"{STEPS}.DocumentIdAdder,{STEPS}.BlockListValueProjector",
        "topic.override.TOPIC-two.value.projection.type": "blocklist",
        "topic.override.TOPIC-two.value.projection.list": "a,b",
    }
    return [
        Case("namespace-field", mapper | {"namespace.mapper.value.collection.field": "m.c"}, one(routed)),
        Case("namespace-field-lenient", mapper | {"namespace.mapper.value.collection.field": "to", "collection": "other"}, one(routed)),
        Case("namespace-field-strict", mapper | {"namespace.mapper.value.collection.field": "to", "namespace.mapper.error.if.invalid": "true"}, one(routed)),
        Case("namespace-database", mapper | {"namespace.mapper.key.database.field": "db", "namespace.mapper.value.collection.field": "m.c"}, one(routed),
             databases=("mapped-a", "mapped-b")),
        Case("topics-each", base, two),
        Case("topics-one-collection", base | {"collection": "all"}, two),
        Case("topics-overrides", base | overrides, two),
        Case("topics-regex", base | {"topics.regex": "TOPIC-.*"}, two),
        Case("topics-regex-overrides", base | overrides | {"topics.regex": "TOPIC-.*", "collection": "rest"}, two),
    ]  # fmt: skip


def values() -> list[Case]:
    """What Connect's values become, far from what a plain program would write."""
    place = {"document.id.strategy": f"{IDS}.KafkaMetaDataStrategy", "document.id.strategy.overwrite.existing": "true"}

    def wild(rng: random.Random) -> list[Record]:
        return [Record(draws.json_value(rng), None, []) for _ in range(24)]

    def structs(rng: random.Random) -> list[Record]:
        records = []
        for _ in range(24):
            schema = {"type": "struct", "optional": False, "fields": [{**draws.schema(rng, 1), "field": name} for name in rng.sample(draws.FIELDS[:6], 3)]}
            records.append(Record(f'{{"schema":{json.dumps(schema)},"payload":{draws.payload(rng, schema)}}}'.encode("utf-8", "surrogatepass"), None, []))
        return records

    def extended(rng: random.Random) -> list[Record]:
        parts = [
            '{"$oid":"5f15aab12435743f9bd126a4"}', '{"$date":{"$numberLong":"1700000000123"}}', '{"$date":"2024-02-29T12:30:00Z"}', '{"$numberInt":"5"}',
            '{"$numberLong":"5"}', '{"$numberDecimal":"1.50"}', '{"$numberDouble":"-0.0"}', '{"$binary":{"base64":"AQI=","subType":"00"}}', '{"$timestamp":{"t":1,"i":2}}',
            '{"$regularExpression":{"pattern":"a+","options":"i"}}', "ISODate('2024-01-01T00:00:00Z')", "NumberLong(7)", "5", "5.5", "2147483648", "true", "null",
            '{"$oid":"zz"}', '{"$date":"yesterday"}', "[1,[2,{}]]", "NaN",
        ]  # fmt: skip
        return [Record(f'{{"_id":{number},"v":{rng.choice(parts)},"w":{{"x":{rng.choice(parts)}}}}}'.encode(), None, []) for number in range(24)]

    bytes_of = {f"{part}.converter": draws.BYTES for part in ("key", "value")}
    return [
        Case("values-json", SCHEMALESS | ALL | place, one(wild), JAVA_ONLY),
        Case("values-structs", {**converter("key", False), **converter("value", True)} | ALL | place, one(structs), JAVA_ONLY),
        Case("values-texts", TEXTS | ALL | place, one(wild), JAVA_ONLY),
        Case("values-extended", TEXTS | ALL, one(extended), JAVA_ONLY, kept_ids=True),
        Case("values-bytes", bytes_of | ALL, one(extended), JAVA_ONLY),
    ]


def series() -> list[Case]:
    settings = {**TEXTS, **ALL, "timeseries.timefield": "ts", "timeseries.timefield.auto.convert": "true"}

    def moments(rng: random.Random) -> list[Record]:
        forms = ["2024-02-29", "2024-02-29T12:30:00Z", "2024-02-29 12:30:00.123", "2024-02-29T12:30:00.123456 Europe/Berlin", "29 Feb 2024", "no time", 1700000000123,
                 1.5e12, {"$date": {"$numberLong": "1700000000123"}}, None, True]  # fmt: skip
        return [Record(text({"_id": number, "ts": rng.choice(forms), "m": rng.choice(("a", 1)), "v": simple(rng)}), None, []) for number in range(20)]

    return [
        Case("series", settings | {"timeseries.metafield": "m", "timeseries.granularity": "minutes", "timeseries.expire.after.seconds": "3600"}, one(moments), JAVA_ONLY),
        Case("series-format", settings | {"timeseries.timefield.auto.convert.date.format": "d MMM yyyy", "timeseries.timefield.auto.convert.locale.language.tag": "en"},
             one(moments), JAVA_ONLY),
    ]  # fmt: skip


def errors() -> list[Case]:
    """Records that are refused, under each policy. They are the same in every round, so that their letters can be recorded."""
    in_value = {**TEXTS, "document.id.strategy": f"{IDS}.ProvidedInValueStrategy"}
    bad = [{"_id": 1, "u": 1}, b"nope", {"u": 2}, b"", b"5", b'{"_id":2', {"_id": 3, "u": 3}, b'{"_id":4,"u":4}', b"[1]", None, {"_id": 5, "u": 5}]
    doubles = [{"_id": 1, "u": 1}, {"_id": 2, "u": 1}, {"_id": 3, "u": 3}, {"_id": 3, "u": 4}, {"_id": 4, "u": 4}]
    inserting = {**in_value, "writemodel.strategy": f"{MODELS}.InsertOneDefaultStrategy"}
    replacing = {**in_value, "writemodel.strategy": f"{MODELS}.ReplaceOneDefaultStrategy"}

    def unique(database, topic: str):
        database[topic].create_index("u", unique=True, name="only")

    def tolerance(all_of: str | None = None, of_sink: str | None = None) -> dict[str, str]:
        return {key: value for key, value in (("errors.tolerance", all_of), ("mongo.errors.tolerance", of_sink)) if value}

    return [
        Case("errors-all", in_value | tolerance("all"), fixed(*bad), recorded=True),
        Case("errors-none", in_value, fixed(*bad[:3])),
        Case("errors-sink-alone", in_value | tolerance(None, "all"), fixed(*bad), recorded=True),
        Case("errors-sink-data", in_value | tolerance("all", "data"), fixed(*bad), recorded=True),
        Case("errors-sink-none", in_value | tolerance("all", "none"), fixed(*bad[:3])),
        Case("errors-unique", inserting | tolerance("all"), fixed(*doubles), JAVA_ONLY, setup=unique, recorded=True),
        Case("errors-unique-unordered", inserting | tolerance("all") | {"bulk.write.ordered": "false"}, fixed(*doubles), JAVA_ONLY, setup=unique, recorded=True),
        Case("errors-unique-replace", replacing | tolerance("all") | {"bulk.write.ordered": "false"}, fixed(*doubles), JAVA_ONLY, setup=unique, recorded=True),
        Case("errors-unique-each", inserting | tolerance("all") | {"max.batch.size": "1"}, fixed(*doubles), JAVA_ONLY, setup=unique, recorded=True),
        Case("errors-unique-none", inserting, fixed(*doubles), JAVA_ONLY, setup=unique),
        Case("errors-unique-data", inserting | tolerance("all", "data"), fixed(*doubles), JAVA_ONLY, setup=unique),
    ]  # fmt: skip


def trust() -> list[Case]:
    """Whom the connection trusts, by the kind of the store."""
    records = one(lambda rng: [Record(text({"_id": number, **document(rng)}), None, []) for number in range(8)])

    def store(file: str, password: str = "changeit") -> dict[str, str]:
        return {**SCHEMALESS, **ALL, "connection.ssl.truststore": f"STORE/{file}", "connection.ssl.truststorePassword": password}

    def replaced(_place: str, record: Record) -> list:
        value = parsed(record.value)
        return [ReplaceOne({"_id": value["_id"]}, value, upsert=True)]

    return [
        Case("trust-jks", store("truststore.jks"), records, TLS_ONLY, model=replaced),
        Case("trust-pkcs12", store("truststore.p12"), records, TLS_ONLY, model=replaced),
        Case("trust-other", store("other.p12"), records, TLS_ONLY),
        Case("trust-wrong-password", store("truststore.jks", "s3cret"), records, TLS_ONLY),
        Case("trust-missing", store("nowhere.jks"), records, TLS_ONLY),
        Case("trust-none", {**SCHEMALESS, **ALL}, records, TLS_ONLY),
    ]
