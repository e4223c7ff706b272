"""What users of confluent-kafka rely on: serializers with the registry, transparently over the broker.

Prints a line a check and ends with 1 at the first that fails. Arguments: the broker's address, the registry's URL.
"""

import json
import sys
import time
import traceback
import urllib.error
import urllib.request

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient, SchemaRegistryError
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.schema_registry.json_schema import JSONDeserializer, JSONSerializer
from confluent_kafka.schema_registry.protobuf import ProtobufDeserializer, ProtobufSerializer
from confluent_kafka.serialization import MessageField, SerializationContext
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

BOOTSTRAP, REGISTRY = sys.argv[1], sys.argv[2]
ORDER = {
    "type": "record",
    "name": "Order",
    "namespace": "shop",
    "fields": [
        {"name": "id", "type": "string"},
        {"name": "items", "type": {"type": "array", "items": "string"}},
        {"name": "total", "type": "double"},
    ],
}


def create(topic, partitions=1):
    admin = AdminClient({"bootstrap.servers": BOOTSTRAP})
    admin.create_topics([NewTopic(topic, partitions)])[topic].result(10)


def read(topic, count):
    """The first `count` values of partition 0, without a group."""
    consumer = Consumer({"bootstrap.servers": BOOTSTRAP, "group.id": "reader", "enable.auto.commit": False})
    consumer.assign([TopicPartition(topic, 0, 0)])
    values, deadline = [], time.time() + 20
    while len(values) < count:
        assert time.time() < deadline, f"only {len(values)} of {count} came"
        message = consumer.poll(0.5)
        if message is None:
            continue
        assert message.error() is None, message.error()
        values.append(message.value())
    consumer.close()
    return values


def write(topic, values):
    producer = Producer({"bootstrap.servers": BOOTSTRAP, "enable.idempotence": True})
    failed = []
    for value in values:
        producer.produce(topic, value, on_delivery=lambda error, _: failed.append(error) if error else None)
    assert producer.flush(20) == 0 and not failed, failed


def round_trip(topic, serializer, deserializer, values, same=lambda a, b: a == b):
    create(topic)
    context = SerializationContext(topic, MessageField.VALUE)
    write(topic, [serializer(value, context) for value in values])
    back = [deserializer(raw, context) for raw in read(topic, len(values))]
    assert all(same(a, b) for a, b in zip(back, values)), (back, values)


def avro():
    client = SchemaRegistryClient({"url": REGISTRY})
    orders = [{"id": f"o{i}", "items": ["milk"] * (i % 3), "total": i / 2} for i in range(100)]
    round_trip("py-avro", AvroSerializer(client, json.dumps(ORDER)), AvroDeserializer(client), orders)
    latest = client.get_latest_version("py-avro-value")
    assert latest.version == 1 and json.loads(latest.schema.schema_str)["name"] == "Order"


def json_schema():
    client = SchemaRegistryClient({"url": REGISTRY})
    schema = json.dumps({"title": "Order", "type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]})
    round_trip("py-json", JSONSerializer(schema, client), JSONDeserializer(schema, schema_registry_client=client), [{"id": "a"}, {"id": "b"}])


def protobuf():
    client = SchemaRegistryClient({"url": REGISTRY})
    file = descriptor_pb2.FileDescriptorProto(name="order.proto", package="shop", syntax="proto3")
    message = file.message_type.add(name="Order")
    message.field.add(name="id", number=1, type=9, label=1)
    message.field.add(name="total", number=2, type=1, label=1)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    order = message_factory.GetMessageClass(pool.FindMessageTypeByName("shop.Order"))
    values = [order(id="a", total=1.5), order(id="b")]
    serializer = ProtobufSerializer(order, client, {"use.deprecated.format": False})
    # A client of its own, as another process has: this library remembers the text that registering answered and takes it
    # for a descriptor, with Confluent's registry of version 8 as well.
    reader = SchemaRegistryClient({"url": REGISTRY})
    round_trip("py-protobuf", serializer, ProtobufDeserializer(order, {"use.deprecated.format": False}, reader), values)


def transactions():
    """The flow before KIP-890: copies with offsets in the transaction, aborting every third attempt."""
    create("py-txn-in")
    create("py-txn-out")
    write("py-txn-in", [f"v{i:03}" for i in range(60)])
    copied, attempt, deadline = 0, 0, time.time() + 60
    while copied < 60:
        assert time.time() < deadline, f"only {copied} are copied"
        producer = Producer({"bootstrap.servers": BOOTSTRAP, "transactional.id": "py-copy", "linger.ms": 1})
        producer.init_transactions(20)
        consumer = Consumer({"bootstrap.servers": BOOTSTRAP, "group.id": "py-copy", "enable.auto.commit": False,
                             "auto.offset.reset": "earliest", "isolation.level": "read_committed"})
        consumer.subscribe(["py-txn-in"])
        while copied < 60:
            messages = consumer.consume(10, 1.0)
            if not messages:
                assert time.time() < deadline, f"nothing more comes after {copied}"
                continue
            producer.begin_transaction()
            for message in messages:
                producer.produce("py-txn-out", message.value())
            offsets = consumer.position(consumer.assignment())
            producer.send_offsets_to_transaction(offsets, consumer.consumer_group_metadata(), 20)
            attempt += 1
            if attempt % 3 == 1:
                producer.abort_transaction(20)
                break
            producer.commit_transaction(20)
            copied += len(messages)
        consumer.close()
    assert read("py-txn-out", 60) == [f"v{i:03}".encode() for i in range(60)]
    fencer = Producer({"bootstrap.servers": BOOTSTRAP, "transactional.id": "py-copy"})
    fencer.init_transactions(20)
    producer.begin_transaction()
    producer.produce("py-txn-out", b"late")
    try:
        producer.commit_transaction(20)
        raise AssertionError("a fenced producer can commit")
    except KafkaException as error:
        assert error.args[0].fatal(), error


def evolution():
    """The registry refuses what would break readers, accepts what would not, and says why."""
    client = SchemaRegistryClient({"url": REGISTRY})
    subject = "py-evolution-value"
    first = client.register_schema(subject, Schema(json.dumps(ORDER), "AVRO"))
    wider = dict(ORDER, fields=ORDER["fields"] + [{"name": "note", "type": ["null", "string"], "default": None}])
    assert client.test_compatibility(subject, Schema(json.dumps(wider), "AVRO"))
    second = client.register_schema(subject, Schema(json.dumps(wider), "AVRO"))
    assert second != first and client.get_versions(subject) == [1, 2]
    broken = dict(ORDER, fields=ORDER["fields"] + [{"name": "must", "type": "int"}])
    assert not client.test_compatibility(subject, Schema(json.dumps(broken), "AVRO"))
    try:
        client.register_schema(subject, Schema(json.dumps(broken), "AVRO"))
        raise AssertionError("an incompatible schema was accepted")
    except SchemaRegistryError as error:
        assert error.http_status_code == 409 and "READER_FIELD_MISSING_DEFAULT_VALUE" in str(error), error
    client.set_compatibility(subject, "NONE")
    assert client.get_compatibility(subject) == "NONE"
    third = client.register_schema(subject, Schema(json.dumps(broken), "AVRO"))
    assert client.get_schema(third).schema_str
    other = client.register_schema("py-other-value", Schema(json.dumps(ORDER), "AVRO"))
    assert other == first, "the same schema has one id everywhere"
    assert client.delete_version(subject, 3) == 3 and client.get_versions(subject) == [1, 2]
    assert client.delete_subject("py-other-value") == [1]
    for call, code in [
        (lambda: client.get_latest_version("py-nowhere"), 40401),
        (lambda: client.get_version(subject, 77), 40402),
        (lambda: client.get_schema(9999), 40403),
        (lambda: client.register_schema(subject, Schema("{", "AVRO")), 42201),
        (lambda: client.set_compatibility(subject, "SIDEWAYS"), 42203),
    ]:
        try:
            call()
            raise AssertionError(f"expected {code}")
        except SchemaRegistryError as error:
            assert error.error_code == code, (error, code)


def registry_paths():
    """Paths and bodies that no client library sends, and those that every one sends."""

    def ask(method, path, body=None):
        data = None if body is None else body.encode()
        headers = {"Content-Type": "application/vnd.schemaregistry.v1+json"}
        request = urllib.request.Request(REGISTRY + path, data=data, headers=headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, answer.read().decode(), answer.headers.get_content_type()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode(), error.headers.get_content_type()

    for method, path, body, status in [
        ("GET", "/", None, 200),
        ("GET", "/subjects?deleted=False", None, 200),
        ("GET", "/schemas/types", None, 200),
        ("GET", "/config", None, 200),
        ("GET", "/mode", None, 200),
        ("GET", "/associations/resources/-/t?resourceType=topic&associationType=value", None, 200),
        ("GET", "/nowhere", None, 404),
        ("PATCH", "/subjects", None, 405),
        ("POST", "/subjects/s/versions", "not json", 400),
        ("POST", "/subjects/s/versions", '{"schemaType":"XML","schema":"x"}', 422),
        ("POST", "/subjects/dep%2Fd.proto/versions", json.dumps({"schema": '"string"'}), 200),
        ("GET", "/subjects/dep%2Fd.proto/versions", None, 200),
        ("GET", "/subjects/dep%2Fd.proto/versions/-1", None, 200),
        ("GET", "/subjects/dep%2Fd.proto/versions/0", None, 422),
        ("GET", "/schemas/ids/99999999999", None, 404),
        ("POST", "/compatibility/subjects/unknown/versions/latest", json.dumps({"schema": '"int"'}), 200),
        ("PUT", "/config", '{"compatibility":"FULL"}', 200),
        ("PUT", "/config", '{"compatibility":"BACKWARD"}', 200),
    ]:
        got, text, content_type = ask(method, path, body)
        assert got == status, (method, path, got, text)
        if path != "/nowhere" and status != 405:
            # What names no resource is answered without a content type, as Confluent's registry does.
            assert content_type == "application/vnd.schemaregistry.v1+json", (method, path, content_type)
        if status >= 400:
            assert {"error_code", "message"} <= json.loads(text).keys(), text


def group():
    """A group with automatic commits goes on where it stopped."""
    create("py-group", 3)
    write("py-group", [f"v{i}" for i in range(300)])
    settings = {"bootstrap.servers": BOOTSTRAP, "group.id": "py-group", "auto.offset.reset": "earliest"}
    seen = []
    for wanted in (100, 300):
        consumer = Consumer(settings)
        consumer.subscribe(["py-group"])
        deadline = time.time() + 30
        while len(seen) < wanted:
            assert time.time() < deadline, f"only {len(seen)} came"
            message = consumer.poll(0.5)
            if message is not None and message.error() is None:
                seen.append(message.value())
        consumer.close()
    assert len(seen) == len(set(seen)) == 300, (len(seen), len(set(seen)))


def consumer_protocol():
    """Members of KIP-848 share, one leaves, one comes back under its instance id; offsets go on."""
    create("py-848", 6)
    write("py-848", [f"v{i}" for i in range(300)])
    settings = {
        "bootstrap.servers": BOOTSTRAP,
        "group.id": "py-848",
        "group.protocol": "consumer",
        "auto.offset.reset": "earliest",
        "enable.auto.commit": False,
    }
    seen = []

    def settle(consumers, sizes):
        deadline = time.time() + 60
        while [len(consumer.assignment()) for consumer in consumers] != sizes:
            assert time.time() < deadline, ([len(consumer.assignment()) for consumer in consumers], sizes)
            for consumer in consumers:
                message = consumer.poll(0.05)
                if message is not None and message.error() is None:
                    seen.append(message.value())
                    consumer.commit(message=message, asynchronous=False)

    consumers = []
    for instance, sizes in (("a", [6]), ("b", [3, 3]), ("c", [2, 2, 2])):
        consumer = Consumer(settings | {"group.instance.id": instance})
        consumer.subscribe(["py-848"])
        consumers.append(consumer)
        settle(consumers, sizes)
    before = sorted(p.partition for p in consumers[2].assignment())
    consumers.pop().close()
    settle(consumers, [2, 2])
    consumer = Consumer(settings | {"group.instance.id": "c"})
    consumer.subscribe(["^py-848$"])
    consumers.append(consumer)
    settle(consumers, [2, 2, 2])
    assert sorted(p.partition for p in consumer.assignment()) == before
    deadline = time.time() + 60
    while len(seen) < 300:
        assert time.time() < deadline, f"only {len(seen)} came"
        for consumer in consumers:
            message = consumer.poll(0.05)
            if message is not None and message.error() is None:
                seen.append(message.value())
                consumer.commit(message=message, asynchronous=False)
    for consumer in consumers:
        consumer.close()
    assert len(set(seen)) == 300, (len(seen), len(set(seen)))


def out_of_range():
    """An offset that is not there is an error, or the reset the consumer chose; the server goes on."""
    create("py-range")
    write("py-range", ["a", "b"])
    consumer = Consumer({"bootstrap.servers": BOOTSTRAP, "group.id": "r", "auto.offset.reset": "error"})
    consumer.assign([TopicPartition("py-range", 0, 1000)])
    deadline = time.time() + 15
    while True:
        assert time.time() < deadline, "no error came"
        message = consumer.poll(0.5)
        if message is not None and message.error():
            assert message.error().code() == KafkaError._AUTO_OFFSET_RESET, message.error()
            break
    consumer.close()


def main():
    checks = (
        avro,
        json_schema,
        protobuf,
        transactions,
        evolution,
        registry_paths,
        group,
        consumer_protocol,
        out_of_range,
    )
    for check in checks:
        try:
            check()
        except Exception:
            traceback.print_exc(file=sys.stdout)
            print(f"FAILED {check.__name__}")
            return 1
        print(f"ok {check.__name__}", flush=True)
    return 0


sys.exit(main())
