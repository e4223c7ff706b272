"""What librdkafka pushes of itself (KIP-714), found again in the topic that keeps it.

Prints a line a check and ends with 1 at the first that fails. Arguments: the broker's address, the topic.
"""

import json
import sys
import time

from confluent_kafka import Consumer, Producer, TopicPartition

BOOTSTRAP, TOPIC = sys.argv[1], sys.argv[2]


def pushes(client_id):
    """The pushes of a client, as they come."""
    consumer = Consumer({"bootstrap.servers": BOOTSTRAP, "group.id": "watcher", "enable.metrics.push": False})
    consumer.assign([TopicPartition(TOPIC, 0, 0)])
    deadline = time.time() + 30
    while time.time() < deadline:
        message = consumer.poll(0.5)
        if message is not None and message.error() is None:
            pushed = json.loads(message.value())
            if pushed["client_id"] == client_id:
                assert message.key().decode() == pushed["client_instance_id"]
                yield pushed
    raise AssertionError(f"no more pushes of {client_id}")


producer = Producer({"bootstrap.servers": BOOTSTRAP, "client.id": "python-shop", "enable.metrics.push": True})
producer.produce("orders", "v")
assert producer.flush(20) == 0
for pushed in pushes("python-shop"):
    if pushed["metrics"]:
        break
assert pushed["client_software_name"] == "confluent-kafka-python", pushed
names = {metric["name"] for metric in pushed["metrics"]}
assert any(name.startswith("org.apache.kafka.producer.") for name in names), names
assert all(metric["kind"] in ("sum", "gauge") and "value" in metric for metric in pushed["metrics"]), pushed
assert all(abs(metric["time_ms"] / 1000 - time.time()) < 120 for metric in pushed["metrics"]), pushed
print("ok producer")
del producer
for pushed in pushes("python-shop"):
    if pushed["terminating"]:
        break
print("ok last push")
