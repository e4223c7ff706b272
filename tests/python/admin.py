"""Every call of confluent-kafka's AdminClient, each asserted by what another call shows.

Prints a line a check and ends with 1 at the first that fails. Argument: the broker's address.
"""

import sys
import time
import traceback

from confluent_kafka import (
    Consumer,
    ConsumerGroupState,
    ConsumerGroupTopicPartitions,
    ConsumerGroupType,
    ElectionType,
    IsolationLevel,
    KafkaError,
    KafkaException,
    Producer,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ConfigSource,
    NewPartitions,
    NewTopic,
    OffsetSpec,
    ResourcePatternType,
    ResourceType,
    ScramMechanism,
    UserScramCredentialDeletion,
)

BOOTSTRAP = sys.argv[1]
admin = AdminClient({"bootstrap.servers": BOOTSTRAP})


def done(futures):
    """Results of a call by what they are for."""
    return {key: future.result(20) for key, future in futures.items()}


def refused(futures, code):
    for future in futures.values() if isinstance(futures, dict) else [futures]:
        try:
            answer = future.result(20)
            raise AssertionError(f"expected {code}, got {answer}")
        except KafkaException as error:
            assert error.args[0].code() == code, error


def write(topic, count):
    producer = Producer({"bootstrap.servers": BOOTSTRAP})
    for i in range(count):
        producer.produce(topic, f"v{i}", partition=0)
    assert producer.flush(20) == 0


def topics():
    new = [NewTopic("walk", 2, 1, config={"retention.ms": "1000"}), NewTopic("walk-other", 1)]
    done(admin.create_topics(new))
    refused(admin.create_topics([NewTopic("walk", 1)]), KafkaError.TOPIC_ALREADY_EXISTS)
    refused(admin.create_topics([NewTopic("a b", 1)]), KafkaError.TOPIC_EXCEPTION)
    refused(admin.create_topics([NewTopic("bad", 1, config={"no.such": "1"})]), KafkaError.INVALID_CONFIG)
    done(admin.create_topics([NewTopic("only-checked", 1)], validate_only=True))
    listed = admin.list_topics(timeout=10).topics
    assert {"walk", "walk-other"} <= listed.keys() and "only-checked" not in listed
    done(admin.create_partitions([NewPartitions("walk", 3)]))
    refused(admin.create_partitions([NewPartitions("walk", 1)]), KafkaError.INVALID_PARTITIONS)
    shown = done(admin.describe_topics(TopicCollection(["walk"]), include_authorized_operations=True))["walk"]
    assert len(shown.partitions) == 3 and shown.topic_id is not None and not shown.is_internal
    assert all(partition.leader.id == partition.isr[0].id for partition in shown.partitions)
    refused(admin.describe_topics(TopicCollection(["nowhere"])), KafkaError.UNKNOWN_TOPIC_OR_PART)
    done(admin.delete_topics(["walk-other"]))
    assert "walk-other" not in admin.list_topics(timeout=10).topics
    refused(admin.delete_topics(["walk-other"]), KafkaError.UNKNOWN_TOPIC_OR_PART)


def cluster():
    shown = admin.describe_cluster(include_authorized_operations=True).result(10)
    assert len(shown.nodes) == 1 and shown.controller.id == shown.nodes[0].id and shown.cluster_id
    assert admin.list_topics(timeout=10).cluster_id == shown.cluster_id
    assert admin.describe_user_scram_credentials().result(10) == {}
    refused(admin.describe_user_scram_credentials(["a"]), KafkaError.RESOURCE_NOT_FOUND)


def configs():
    topic = ConfigResource(ConfigResource.Type.TOPIC, "walk")
    broker = ConfigResource(ConfigResource.Type.BROKER, str(admin.describe_cluster().result(10).nodes[0].id))

    def value(resource, name):
        return done(admin.describe_configs([resource]))[resource][name]

    assert value(topic, "retention.ms").value == "1000"
    assert ConfigSource(value(topic, "retention.ms").source) == ConfigSource.DYNAMIC_TOPIC_CONFIG
    assert value(broker, "log.segment.bytes").value == "1073741824"
    entries = [
        ConfigEntry("retention.ms", "2000", incremental_operation=AlterConfigOpType.SET),
        ConfigEntry("cleanup.policy", "compact", incremental_operation=AlterConfigOpType.APPEND),
    ]
    done(admin.incremental_alter_configs([ConfigResource(ConfigResource.Type.TOPIC, "walk", incremental_configs=entries)]))
    assert value(topic, "retention.ms").value == "2000"
    assert value(topic, "cleanup.policy").value == "delete,compact"
    wrong = [ConfigEntry("retention.ms", "soon", incremental_operation=AlterConfigOpType.SET)]
    refused(
        admin.incremental_alter_configs([ConfigResource(ConfigResource.Type.TOPIC, "walk", incremental_configs=wrong)]),
        KafkaError.INVALID_CONFIG,
    )
    # The old call replaces everything that is set.
    done(admin.alter_configs([ConfigResource(ConfigResource.Type.TOPIC, "walk", set_config={"retention.ms": "3000"})]))
    assert (value(topic, "retention.ms").value, value(topic, "cleanup.policy").value) == ("3000", "delete")
    refused(
        admin.describe_configs([ConfigResource(ConfigResource.Type.TOPIC, "nowhere")]),
        KafkaError.UNKNOWN_TOPIC_OR_PART,
    )


def offsets_and_records():
    write("walk", 10)
    place = TopicPartition("walk", 0)

    def offset(spec):
        return done(admin.list_offsets({place: spec}, isolation_level=IsolationLevel.READ_COMMITTED))[place].offset

    assert (offset(OffsetSpec.earliest()), offset(OffsetSpec.latest())) == (0, 10)
    assert offset(OffsetSpec.for_timestamp(int(time.time() * 1000) + 1_000_000)) == -1
    assert offset(OffsetSpec.max_timestamp()) >= 0
    deleted = done(admin.delete_records([TopicPartition("walk", 0, 4)]))
    assert [result.low_watermark for result in deleted.values()] == [4]
    assert offset(OffsetSpec.earliest()) == 4
    refused(admin.delete_records([TopicPartition("walk", 0, 99)]), KafkaError.OFFSET_OUT_OF_RANGE)


def groups():
    kinds = {"walk-classic": "classic", "walk-consumer": "consumer"}
    for group, protocol in kinds.items():
        settings = {"bootstrap.servers": BOOTSTRAP, "group.id": group, "group.protocol": protocol}
        consumer = Consumer(settings | {"auto.offset.reset": "earliest", "enable.auto.commit": False})
        consumer.subscribe(["walk"])
        deadline = time.time() + 30
        while not consumer.assignment():
            assert time.time() < deadline, group
            consumer.poll(0.2)
        consumer.commit(offsets=[TopicPartition("walk", 0, 5)], asynchronous=False)

        listed = {one.group_id: one for one in admin.list_consumer_groups().result(10).valid}
        assert listed[group].state == ConsumerGroupState.STABLE, listed[group].state
        wanted = ConsumerGroupType.CONSUMER if protocol == "consumer" else ConsumerGroupType.CLASSIC
        assert listed[group].type == wanted, listed[group].type
        shown = done(admin.describe_consumer_groups([group]))[group]
        assert len(shown.members) == 1 and len(shown.members[0].assignment.topic_partitions) == 3
        refused(admin.delete_consumer_groups([group]), KafkaError.NON_EMPTY_GROUP)
        consumer.close()

        committed = done(admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)]))[group]
        assert [(p.topic, p.partition, p.offset) for p in committed.topic_partitions] == [("walk", 0, 5)]
        altered = ConsumerGroupTopicPartitions(group, [TopicPartition("walk", 1, 0), TopicPartition("walk", 0, 6)])
        done(admin.alter_consumer_group_offsets([altered]))
        asked = ConsumerGroupTopicPartitions(group, [TopicPartition("walk", 0), TopicPartition("walk", 2)])
        committed = done(admin.list_consumer_group_offsets([asked]))[group]
        assert [p.offset for p in committed.topic_partitions] == [6, -1001], committed.topic_partitions
        done(admin.delete_consumer_groups([group]))
        assert group not in {one.group_id for one in admin.list_consumer_groups().result(10).valid}
    refused(admin.delete_consumer_groups(["walk-nowhere"]), KafkaError.GROUP_ID_NOT_FOUND)
    assert admin.list_groups(timeout=10) is not None


def leaders():
    result = admin.elect_leaders(ElectionType.PREFERRED, [TopicPartition("walk", 0)]).result(10)
    codes = [error.code() for error in result.values() if error is not None]
    assert codes == [KafkaError.ELECTION_NOT_NEEDED], codes


def not_advertised():
    """ACLs and SCRAM credentials are not served: the client says so itself, at once."""
    everything = AclBindingFilter(
        ResourceType.ANY, None, ResourcePatternType.ANY, None, None, AclOperation.ANY, AclPermissionType.ANY
    )
    binding = AclBinding(
        ResourceType.TOPIC, "walk", ResourcePatternType.LITERAL, "User:a", "*", AclOperation.READ, AclPermissionType.ALLOW
    )
    code = KafkaError._UNSUPPORTED_FEATURE
    refused(admin.describe_acls(everything), code)
    refused(admin.create_acls([binding]), code)
    refused(admin.delete_acls([everything]), code)
    refused(admin.alter_user_scram_credentials([UserScramCredentialDeletion("a", ScramMechanism.SCRAM_SHA_256)]), code)


for check in (topics, cluster, configs, offsets_and_records, groups, leaders, not_advertised):
    try:
        check()
    except Exception:
        traceback.print_exc(file=sys.stdout)
        print(f"FAILED {check.__name__}")
        sys.exit(1)
    print(f"ok {check.__name__}", flush=True)
