"""confluent-kafka's serializers as a line server: `write FORMAT TOPIC` answers the bytes in hex, `read FORMAT TOPIC HEX`
the order in JSON. Arguments: the registry's URL, the folder of the schemas, the compiled `order.proto` with its imports.
"""

import functools
import json
import pathlib
import sys

from confluent_kafka.schema_registry import Schema, SchemaReference, SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.schema_registry.json_schema import JSONDeserializer, JSONSerializer
from confluent_kafka.schema_registry.protobuf import ProtobufDeserializer, ProtobufSerializer
from confluent_kafka.serialization import MessageField, SerializationContext
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory

REGISTRY, SCHEMAS, COMPILED = sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
ORDER = {"id": "o-python", "by": "python", "quantity": 3, "customer": {"name": "Zoë", "city": "Köln"}}
client = SchemaRegistryClient({"url": REGISTRY})


def with_reference(language, file, name):
    """The order's schema, with the customer's registered and referred to."""
    customer = Schema((SCHEMAS / f"customer.{file}").read_text(), language)
    client.register_schema(f"customer-{file}", customer)
    reference = SchemaReference(name, f"customer-{file}", 1)
    return Schema((SCHEMAS / f"order.{file}").read_text(), language, references=[reference])


@functools.cache
def order_class():
    pool = descriptor_pool.DescriptorPool()
    for file in descriptor_pb2.FileDescriptorSet.FromString(COMPILED.read_bytes()).file:
        pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("shop.Order"))


def serializer(language):
    if language == "avro":
        return AvroSerializer(client, with_reference("AVRO", "avsc", "shop.Customer"))
    if language == "json":
        return JSONSerializer(with_reference("JSON", "json", "customer.json"), client)
    return ProtobufSerializer(order_class(), client, {"use.deprecated.format": False})


def deserializer(language):
    if language == "avro":
        return AvroDeserializer(client)
    if language == "json":
        return JSONDeserializer(None, schema_registry_client=client)
    return ProtobufDeserializer(order_class(), {"use.deprecated.format": False}, client)


for line in sys.stdin:
    verb, language, topic, *rest = line.split()
    context = SerializationContext(topic, MessageField.VALUE)
    if verb == "write":
        order = json_format.ParseDict(ORDER, order_class()()) if language == "protobuf" else ORDER
        print(serializer(language)(order, context).hex(), flush=True)
    else:
        order = deserializer(language)(bytes.fromhex(rest[0]), context)
        print(json.dumps(json_format.MessageToDict(order) if language == "protobuf" else order), flush=True)
