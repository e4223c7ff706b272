import static java.util.Map.entry;

import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.admin.AlterConfigOp.OpType;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.KafkaShareConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.*;
import org.apache.kafka.common.acl.AclBindingFilter;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.quota.ClientQuotaAlteration;
import org.apache.kafka.common.quota.ClientQuotaEntity;
import org.apache.kafka.common.quota.ClientQuotaFilter;
import org.apache.kafka.common.quota.ClientQuotaFilterComponent;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/** Calls every method of Kafka's Admin that one node can answer, rightly and wrongly, and prints what came of it. */
public final class AdminCalls {
  private static final long TIME = 1_700_000_000_000L;
  private static final String TOPIC = "admin-calls";
  private static final TopicPartition FIRST = new TopicPartition(TOPIC, 0);
  private static final TopicPartition SECOND = new TopicPartition(TOPIC, 1);
  private static final TopicPartition TOO_MANY = new TopicPartition(TOPIC, 9);
  private static final TopicPartition STRANGER = new TopicPartition("nobody-knows", 0);
  private static String bootstrap;
  private static Admin admin;
  /** For what the client would ask for again and again. */
  private static Admin hasty;

  interface Call {
    Object ask() throws Exception;
  }

  public static void main(String[] args) throws Exception {
    bootstrap = args[0];
    admin = Admin.create(Map.of("bootstrap.servers", bootstrap, "default.api.timeout.ms", "10000", "request.timeout.ms", "10000"));
    hasty = Admin.create(Map.of("bootstrap.servers", bootstrap, "default.api.timeout.ms", "1000", "request.timeout.ms", "1000"));
    topics();
    settings();
    records();
    offsets();
    consumerGroups();
    otherGroups();
    transactions();
    cluster();
    quotas();
    replicas();
    security();
    removals();
    Runtime.getRuntime().halt(0);
  }

  private static void call(String step, Call call) {
    Printed.step(step);
    try {
      Printed.result("result", call.ask());
    } catch (ExecutionException error) {
      Printed.failure("", error.getCause());
    } catch (Exception error) {
      Printed.failure("", error);
    }
  }

  /** Kafka's broker learns a little later what its controller has done, and nothing tells when. */
  private static void learnt() {
    try {
      Thread.sleep(300);
    } catch (InterruptedException error) {
      throw new IllegalStateException(error);
    }
  }

  private static NewTopic topic(String name, int partitions, Map<String, String> configs) {
    return new NewTopic(name, partitions, (short) 1).configs(configs);
  }

  private static Object created(NewTopic topic, boolean validateOnly) throws Exception {
    CreateTopicsResult made = admin.createTopics(List.of(topic), new CreateTopicsOptions().validateOnly(validateOnly));
    made.all().get();
    return "partitions " + made.numPartitions(topic.name()).get() + " replicas " + made.replicationFactor(topic.name()).get()
        + " settings " + made.config(topic.name()).get().entries().size();
  }

  private static void topics() {
    Map<String, String> kept = Map.of("retention.ms", "-1", "message.timestamp.after.max.ms", String.valueOf(Long.MAX_VALUE));
    call("createTopics", () -> created(topic(TOPIC, 2, kept), false));
    call("createTopics again", () -> created(topic(TOPIC, 2, Map.of()), false));
    call("createTopics only to see", () -> created(topic("only-seen", 3, Map.of("cleanup.policy", "compact")), true));
    call("createTopics with defaults", () -> created(new NewTopic("by-default", Optional.empty(), Optional.empty()), false));
    call("createTopics with a name that is none", () -> created(topic("a b", 1, Map.of()), false));
    call("createTopics with an empty name", () -> created(topic("", 1, Map.of()), false));
    call("createTopics with a name too long", () -> created(topic("n".repeat(250), 1, Map.of()), false));
    call("createTopics with dot for underscore", () -> created(topic("admin_calls.x", 1, Map.of()), false));
    call("createTopics with underscore for dot", () -> created(topic("admin.calls_x", 1, Map.of()), false));
    call("createTopics with no partition", () -> created(topic("no-partition", 0, Map.of()), false));
    call("createTopics with partitions below none", () -> created(topic("no-partition", -3, Map.of()), false));
    call("createTopics with three replicas", () -> created(new NewTopic("replicas", 1, (short) 3), false));
    call("createTopics with no replica", () -> created(new NewTopic("replicas", 1, (short) 0), false));
    call("createTopics assigned", () -> created(new NewTopic("assigned", Map.of(0, List.of(1), 1, List.of(1))), false));
    call("createTopics assigned to nobody", () -> created(new NewTopic("assigned-wrongly", Map.of(0, List.of(7))), false));
    call("createTopics assigned twice", () -> created(new NewTopic("assigned-wrongly", Map.of(0, List.of(1, 1))), false));
    call("createTopics assigned with a gap", () -> created(new NewTopic("assigned-wrongly", Map.of(0, List.of(1), 2, List.of(1))), false));
    call("createTopics with an unknown setting", () -> created(topic("settings", 1, Map.of("no.such.setting", "1")), false));
    call("createTopics with a wrong setting", () -> created(topic("settings", 1, Map.of("retention.ms", "soon")), false));
    call("createTopics with a setting out of range", () -> created(topic("settings", 1, Map.of("segment.bytes", "1")), false));
    call("createTopics with an unknown policy", () -> created(topic("settings", 1, Map.of("cleanup.policy", "shred")), false));
    call("createTopics of Kafka's own", () -> created(topic("__cluster_metadata", 1, Map.of()), false));
    call("createTopics: none", () -> admin.createTopics(List.of()).all());
    call("createTopics compacted", () -> created(topic("compacted", 1, Map.of("cleanup.policy", "compact")), false));
    learnt();
    call("listTopics", () -> admin.listTopics().names());
    call("describeTopics", () -> admin.describeTopics(List.of(TOPIC, "assigned")).allTopicNames());
    call("describeTopics with operations", () -> admin.describeTopics(List.of(TOPIC), new DescribeTopicsOptions().includeAuthorizedOperations(true)).allTopicNames().get().get(TOPIC).authorizedOperations());
    call("describeTopics unknown", () -> admin.describeTopics(List.of("nobody-knows")).allTopicNames());
    call("describeTopics with a name that is none", () -> admin.describeTopics(List.of("a b")).allTopicNames());
    call("describeTopics: none", () -> admin.describeTopics(List.of()).allTopicNames());
    call("describeTopics by id", () -> admin.describeTopics(TopicCollection.ofTopicIds(List.of(
        admin.describeTopics(List.of(TOPIC)).allTopicNames().get().get(TOPIC).topicId()))).allTopicIds());
    call("describeTopics by an unknown id", () -> admin.describeTopics(TopicCollection.ofTopicIds(List.of(new Uuid(3, 3)))).allTopicIds());
    call("createPartitions", () -> admin.createPartitions(Map.of("assigned", NewPartitions.increaseTo(3))).all());
    call("createPartitions to fewer", () -> admin.createPartitions(Map.of("assigned", NewPartitions.increaseTo(1))).all());
    call("createPartitions to as many", () -> admin.createPartitions(Map.of("assigned", NewPartitions.increaseTo(3))).all());
    call("createPartitions to none", () -> admin.createPartitions(Map.of("assigned", NewPartitions.increaseTo(0))).all());
    call("createPartitions of an unknown topic", () -> admin.createPartitions(Map.of("nobody-knows", NewPartitions.increaseTo(2))).all());
    call("createPartitions assigned", () -> admin.createPartitions(Map.of("assigned", NewPartitions.increaseTo(4, List.of(List.of(1))))).all());
    call("createPartitions assigned to nobody", () -> admin.createPartitions(Map.of("assigned", NewPartitions.increaseTo(5, List.of(List.of(8))))).all());
    call("createPartitions assigned to too few", () -> admin.createPartitions(Map.of("assigned", NewPartitions.increaseTo(6, List.of(List.of(1))))).all());
    call("createPartitions only to see", () -> admin.createPartitions(Map.of("assigned", NewPartitions.increaseTo(9)), new CreatePartitionsOptions().validateOnly(true)).all());
  }

  private static ConfigResource resource(ConfigResource.Type type, String name) {
    return new ConfigResource(type, name);
  }

  private static Object altered(ConfigResource resource, OpType operation, String name, String value) {
    return admin.incrementalAlterConfigs(Map.of(resource, List.of(new AlterConfigOp(new ConfigEntry(name, value), operation)))).all();
  }

  private static void settings() {
    ConfigResource topic = resource(ConfigResource.Type.TOPIC, TOPIC);
    ConfigResource group = resource(ConfigResource.Type.GROUP, "settings-group");
    ConfigResource broker = resource(ConfigResource.Type.BROKER, "1");
    ConfigResource brokers = resource(ConfigResource.Type.BROKER, "");
    ConfigResource metrics = resource(ConfigResource.Type.CLIENT_METRICS, "settings-metrics");
    call("incrementalAlterConfigs set", () -> altered(topic, OpType.SET, "max.message.bytes", "2000000"));
    call("incrementalAlterConfigs append", () -> altered(topic, OpType.APPEND, "cleanup.policy", "compact"));
    call("incrementalAlterConfigs subtract", () -> altered(topic, OpType.SUBTRACT, "cleanup.policy", "compact"));
    call("incrementalAlterConfigs delete", () -> altered(topic, OpType.DELETE, "max.message.bytes", ""));
    call("incrementalAlterConfigs append to what is no list", () -> altered(topic, OpType.APPEND, "retention.ms", "5"));
    call("incrementalAlterConfigs unknown setting", () -> altered(topic, OpType.SET, "no.such.setting", "5"));
    call("incrementalAlterConfigs wrong value", () -> altered(topic, OpType.SET, "retention.ms", "soon"));
    call("incrementalAlterConfigs out of range", () -> altered(topic, OpType.SET, "retention.ms", "-5"));
    call("incrementalAlterConfigs unknown topic", () -> altered(resource(ConfigResource.Type.TOPIC, "nobody-knows"), OpType.SET, "retention.ms", "5"));
    call("incrementalAlterConfigs a broker's", () -> altered(broker, OpType.SET, "log.cleaner.threads", "2"));
    call("incrementalAlterConfigs all brokers'", () -> altered(brokers, OpType.SET, "message.max.bytes", "1500000"));
    call("incrementalAlterConfigs all brokers' back", () -> altered(brokers, OpType.DELETE, "message.max.bytes", ""));
    call("incrementalAlterConfigs a broker's that cannot", () -> altered(broker, OpType.SET, "broker.id", "2"));
    call("incrementalAlterConfigs another broker's", () -> altered(resource(ConfigResource.Type.BROKER, "7"), OpType.SET, "log.cleaner.threads", "2"));
    call("incrementalAlterConfigs a broker that is none", () -> altered(resource(ConfigResource.Type.BROKER, "x"), OpType.SET, "log.cleaner.threads", "2"));
    call("incrementalAlterConfigs a group's", () -> altered(group, OpType.SET, "consumer.session.timeout.ms", "50000"));
    call("incrementalAlterConfigs a group's out of range", () -> altered(group, OpType.SET, "consumer.session.timeout.ms", "1"));
    call("incrementalAlterConfigs a group's unknown", () -> altered(group, OpType.SET, "no.such.setting", "1"));
    call("incrementalAlterConfigs a metrics subscription", () -> altered(metrics, OpType.SET, "interval.ms", "10000"));
    call("incrementalAlterConfigs only to see", () -> admin.incrementalAlterConfigs(
        Map.of(topic, List.of(new AlterConfigOp(new ConfigEntry("retention.ms", "7"), OpType.SET))), new AlterConfigsOptions().validateOnly(true)).all());
    call("incrementalAlterConfigs the same twice", () -> admin.incrementalAlterConfigs(
        Map.of(topic, List.of(new AlterConfigOp(new ConfigEntry("retention.ms", "7"), OpType.SET), new AlterConfigOp(new ConfigEntry("retention.ms", "8"), OpType.SET)))).all());
    learnt();
    call("describeConfigs of a topic", () -> admin.describeConfigs(List.of(topic)).all());
    call("describeConfigs of a topic with synonyms", () -> synonyms(topic));
    call("describeConfigs of an unknown topic", () -> admin.describeConfigs(List.of(resource(ConfigResource.Type.TOPIC, "nobody-knows"))).all());
    call("describeConfigs of a group", () -> admin.describeConfigs(List.of(group)).all());
    call("describeConfigs of an unknown group", () -> admin.describeConfigs(List.of(resource(ConfigResource.Type.GROUP, "nobody-knows"))).all());
    call("describeConfigs of all brokers", () -> admin.describeConfigs(List.of(brokers)).all());
    call("describeConfigs of another broker", () -> admin.describeConfigs(List.of(resource(ConfigResource.Type.BROKER, "7"))).all());
    call("describeConfigs of a metrics subscription", () -> admin.describeConfigs(List.of(metrics)).all());
    call("listConfigResources", () -> admin.listConfigResources(Set.of(ConfigResource.Type.TOPIC, ConfigResource.Type.GROUP, ConfigResource.Type.CLIENT_METRICS), new ListConfigResourcesOptions()).all());
    call("listConfigResources of brokers", () -> admin.listConfigResources(Set.of(ConfigResource.Type.BROKER), new ListConfigResourcesOptions()).all());
    call("a metrics subscription back", () -> altered(metrics, OpType.DELETE, "interval.ms", ""));
    call("a group's setting back", () -> altered(group, OpType.DELETE, "consumer.session.timeout.ms", ""));
    call("a broker's setting back", () -> altered(broker, OpType.DELETE, "log.cleaner.threads", ""));
  }

  private static Object synonyms(ConfigResource topic) throws Exception {
    Config config = admin.describeConfigs(List.of(topic), new DescribeConfigsOptions().includeSynonyms(true)).all().get().get(topic);
    Map<String, String> found = new HashMap<>();
    for (ConfigEntry entry : config.entries()) {
      found.put(entry.name(), entry.synonyms().stream().map(synonym -> synonym.name() + " " + synonym.source() + " " + synonym.value()).collect(Collectors.joining("; ")));
    }
    return found;
  }

  private static Map<String, Object> client(Object... more) {
    Map<String, Object> properties = new HashMap<>(Map.of("bootstrap.servers", bootstrap));
    for (int at = 0; at < more.length; at += 2) {
      properties.put((String) more[at], more[at + 1]);
    }
    return properties;
  }

  private static KafkaProducer<String, String> producer(Object... more) {
    return new KafkaProducer<>(client(more), new StringSerializer(), new StringSerializer());
  }

  private static void records() {
    call("ten records", () -> {
      try (KafkaProducer<String, String> producer = producer("linger.ms", "0")) {
        for (int i = 0; i < 10; i++) {
          producer.send(new ProducerRecord<>(TOPIC, 0, TIME + i, "key", "value " + i)).get();
        }
      }
      return "sent";
    });
    for (Map.Entry<String, OffsetSpec> spec : List.of(entry("earliest", OffsetSpec.earliest()), entry("latest", OffsetSpec.latest()),
        entry("a time", OffsetSpec.forTimestamp(TIME + 4)), entry("a time to come", OffsetSpec.forTimestamp(TIME + 99)),
        entry("the latest time", OffsetSpec.maxTimestamp()), entry("the earliest here", OffsetSpec.earliestLocal()),
        entry("the latest elsewhere", OffsetSpec.latestTiered()), entry("the earliest to upload", OffsetSpec.earliestPendingUpload()))) {
      call("listOffsets " + spec.getKey(), () -> admin.listOffsets(Map.of(FIRST, spec.getValue())).all());
      call("listOffsets " + spec.getKey() + " of nothing", () -> admin.listOffsets(Map.of(SECOND, spec.getValue())).all());
    }
    call("listOffsets committed", () -> admin.listOffsets(Map.of(FIRST, OffsetSpec.latest()), new ListOffsetsOptions(IsolationLevel.READ_COMMITTED)).all());
    call("listOffsets of an unknown topic", () -> hasty.listOffsets(Map.of(STRANGER, OffsetSpec.latest())).all());
    call("listOffsets of a partition too many", () -> hasty.listOffsets(Map.of(TOO_MANY, OffsetSpec.latest())).all());
    call("deleteRecords", () -> admin.deleteRecords(Map.of(FIRST, RecordsToDelete.beforeOffset(3))).lowWatermarks());
    call("deleteRecords before", () -> admin.deleteRecords(Map.of(FIRST, RecordsToDelete.beforeOffset(1))).lowWatermarks());
    call("deleteRecords past the end", () -> admin.deleteRecords(Map.of(FIRST, RecordsToDelete.beforeOffset(99))).lowWatermarks());
    call("deleteRecords all", () -> admin.deleteRecords(Map.of(SECOND, RecordsToDelete.beforeOffset(-1))).lowWatermarks());
    call("deleteRecords of a compacted topic", () -> admin.deleteRecords(Map.of(new TopicPartition("compacted", 0), RecordsToDelete.beforeOffset(-1))).lowWatermarks());
    call("deleteRecords of an unknown topic", () -> hasty.deleteRecords(Map.of(STRANGER, RecordsToDelete.beforeOffset(1))).lowWatermarks());
    call("listOffsets earliest after deleteRecords", () -> admin.listOffsets(Map.of(FIRST, OffsetSpec.earliest())).all());
    call("describeProducers", () -> admin.describeProducers(List.of(FIRST)).all());
    call("describeProducers of nothing", () -> admin.describeProducers(List.of(SECOND)).all());
    call("describeProducers of an unknown topic", () -> hasty.describeProducers(List.of(STRANGER)).all());
    call("describeProducers at another broker", () -> admin.describeProducers(List.of(FIRST), new DescribeProducersOptions().brokerId(7)).all());
  }

  private static void offsets() {
    Map<TopicPartition, OffsetAndMetadata> places = Map.of(FIRST, new OffsetAndMetadata(5, "noted"), SECOND, new OffsetAndMetadata(0));
    call("alterConsumerGroupOffsets", () -> admin.alterConsumerGroupOffsets("empty-group", places).all());
    call("alterConsumerGroupOffsets of an unknown topic", () -> admin.alterConsumerGroupOffsets("empty-group", Map.of(STRANGER, new OffsetAndMetadata(1))).all());
    call("alterConsumerGroupOffsets of a partition too many", () -> admin.alterConsumerGroupOffsets("empty-group", Map.of(TOO_MANY, new OffsetAndMetadata(1))).all());
    call("alterConsumerGroupOffsets with too much noted", () -> admin.alterConsumerGroupOffsets("empty-group", Map.of(FIRST, new OffsetAndMetadata(1, "n".repeat(5000)))).all());
    call("alterConsumerGroupOffsets of no group", () -> admin.alterConsumerGroupOffsets("", places).all());
    call("listConsumerGroupOffsets", () -> admin.listConsumerGroupOffsets("empty-group").all());
    call("listConsumerGroupOffsets of one partition", () -> admin.listConsumerGroupOffsets(Map.of("empty-group", new ListConsumerGroupOffsetsSpec().topicPartitions(List.of(FIRST)))).all());
    call("listConsumerGroupOffsets of a partition without", () -> admin.listConsumerGroupOffsets(Map.of("empty-group", new ListConsumerGroupOffsetsSpec().topicPartitions(List.of(TOO_MANY, STRANGER)))).all());
    call("listConsumerGroupOffsets of two groups", () -> admin.listConsumerGroupOffsets(Map.of("empty-group", new ListConsumerGroupOffsetsSpec(), "nobody-knows", new ListConsumerGroupOffsetsSpec())).all());
    call("listConsumerGroupOffsets that are stable", () -> admin.listConsumerGroupOffsets("empty-group", new ListConsumerGroupOffsetsOptions().requireStable(true)).all());
    call("deleteConsumerGroupOffsets", () -> admin.deleteConsumerGroupOffsets("empty-group", Set.of(SECOND)).all());
    call("deleteConsumerGroupOffsets of an unknown topic", () -> admin.deleteConsumerGroupOffsets("empty-group", Set.of(STRANGER)).all());
    call("deleteConsumerGroupOffsets of an unknown group", () -> admin.deleteConsumerGroupOffsets("nobody-knows", Set.of(FIRST)).all());
  }

  private static KafkaConsumer<String, String> consumer(String group, String protocol, String instance) {
    Map<String, Object> properties = client("group.id", group, "group.protocol", protocol, "auto.offset.reset", "earliest", "client.id", "member", "enable.auto.commit", "false");
    if (instance != null) {
      properties.put("group.instance.id", instance);
    }
    KafkaConsumer<String, String> consumer = new KafkaConsumer<>(properties, new StringDeserializer(), new StringDeserializer());
    consumer.subscribe(List.of(TOPIC));
    for (int tries = 0; tries < 100 && consumer.poll(Duration.ofMillis(100)).isEmpty(); tries++) {
      continue;
    }
    consumer.commitSync();
    return consumer;
  }

  @SuppressWarnings("removal")
  private static void consumerGroups() {
    for (String protocol : List.of("classic", "consumer")) {
      String group = "live-" + protocol;
      try (KafkaConsumer<String, String> consumer = consumer(group, protocol, "fixed")) {
        call("describeConsumerGroups " + protocol, () -> admin.describeConsumerGroups(List.of(group)).all());
        call("describeClassicGroups " + protocol, () -> admin.describeClassicGroups(List.of(group)).all());
        call("listConsumerGroupOffsets " + protocol, () -> admin.listConsumerGroupOffsets(group).all());
        call("alterConsumerGroupOffsets of members " + protocol, () -> admin.alterConsumerGroupOffsets(group, Map.of(FIRST, new OffsetAndMetadata(1))).all());
        call("deleteConsumerGroupOffsets of members " + protocol, () -> admin.deleteConsumerGroupOffsets(group, Set.of(FIRST)).all());
        call("deleteConsumerGroups with members " + protocol, () -> admin.deleteConsumerGroups(List.of(group)).all());
        call("removeMembersFromConsumerGroup unknown " + protocol, () -> admin.removeMembersFromConsumerGroup(group,
            new RemoveMembersFromConsumerGroupOptions(List.of(new MemberToRemove("stranger")))).all());
        call("describeShareGroups " + protocol, () -> admin.describeShareGroups(List.of(group)).all());
        call("describeStreamsGroups " + protocol, () -> admin.describeStreamsGroups(List.of(group)).all());
        call("removeMembersFromConsumerGroup " + protocol, () -> admin.removeMembersFromConsumerGroup(group,
            new RemoveMembersFromConsumerGroupOptions(List.of(new MemberToRemove("fixed")))).all());
      }
      call("removeMembersFromConsumerGroup all of none " + protocol, () -> admin.removeMembersFromConsumerGroup(group, new RemoveMembersFromConsumerGroupOptions()).all());
      call("describeConsumerGroups left " + protocol, () -> admin.describeConsumerGroups(List.of(group)).all());
    }
    call("describeConsumerGroups empty", () -> admin.describeConsumerGroups(List.of("empty-group")).all());
    call("describeConsumerGroups with operations", () -> admin.describeConsumerGroups(List.of("empty-group"), new DescribeConsumerGroupsOptions().includeAuthorizedOperations(true)).all().get().get("empty-group").authorizedOperations());
    call("describeConsumerGroups unknown", () -> admin.describeConsumerGroups(List.of("nobody-knows")).all());
    call("describeClassicGroups unknown", () -> admin.describeClassicGroups(List.of("nobody-knows")).all());
    call("listConsumerGroups", () -> admin.listConsumerGroups().all());
    call("listGroups", () -> admin.listGroups().all());
    call("listGroups in a state", () -> admin.listGroups(new ListGroupsOptions().inGroupStates(Set.of(GroupState.EMPTY))).all());
    call("listGroups of a type", () -> admin.listGroups(new ListGroupsOptions().withTypes(Set.of(GroupType.CONSUMER))).all());
    call("listGroups with a protocol", () -> admin.listGroups(new ListGroupsOptions().withProtocolTypes(Set.of("connect"))).all());
  }

  private static void otherGroups() {
    String group = "live-share";
    call("a share group's setting", () -> altered(resource(ConfigResource.Type.GROUP, group), OpType.SET, "share.auto.offset.reset", "earliest"));
    try (KafkaShareConsumer<String, String> consumer = new KafkaShareConsumer<>(client("group.id", group, "client.id", "sharer"), new StringDeserializer(), new StringDeserializer())) {
      consumer.subscribe(List.of(TOPIC));
      for (int tries = 0; tries < 100 && consumer.poll(Duration.ofMillis(100)).isEmpty(); tries++) {
        continue;
      }
      consumer.commitSync();
      call("describeShareGroups", () -> {
        ShareGroupDescription found = admin.describeShareGroups(List.of(group)).all().get().get(group);
        return found.groupState() + " " + found.members().stream().map(member -> member.clientId() + " " + member.assignment()).collect(Collectors.toList());
      });
      call("deleteShareGroups with members", () -> admin.deleteShareGroups(List.of(group)).all());
      call("alterShareGroupOffsets of members", () -> admin.alterShareGroupOffsets(group, Map.of(FIRST, 4L)).all());
      call("deleteShareGroupOffsets of members", () -> admin.deleteShareGroupOffsets(group, Set.of(TOPIC)).all());
      call("describeConsumerGroups of a share group", () -> admin.describeConsumerGroups(List.of(group)).all());
    }
    call("describeShareGroups left", () -> admin.describeShareGroups(List.of(group)).all().get().get(group).groupState());
    call("alterShareGroupOffsets", () -> admin.alterShareGroupOffsets(group, Map.of(FIRST, 4L)).all());
    call("alterShareGroupOffsets of an unknown topic", () -> admin.alterShareGroupOffsets(group, Map.of(STRANGER, 4L)).all());
    call("alterShareGroupOffsets of an unknown group", () -> admin.alterShareGroupOffsets("share-made-now", Map.of(FIRST, 4L)).all());
    call("listShareGroupOffsets", () -> admin.listShareGroupOffsets(Map.of(group, new ListShareGroupOffsetsSpec())).all());
    call("listShareGroupOffsets of an unknown group", () -> admin.listShareGroupOffsets(Map.of("nobody-knows", new ListShareGroupOffsetsSpec())).all());
    call("deleteShareGroupOffsets of an unknown topic", () -> admin.deleteShareGroupOffsets(group, Set.of("nobody-knows")).all());
    call("deleteShareGroupOffsets", () -> admin.deleteShareGroupOffsets(group, Set.of(TOPIC)).all());
    call("deleteShareGroupOffsets of an unknown group", () -> admin.deleteShareGroupOffsets("nobody-knows", Set.of(TOPIC)).all());
    call("describeShareGroups unknown", () -> admin.describeShareGroups(List.of("nobody-knows")).all());
    call("deleteShareGroups unknown", () -> admin.deleteShareGroups(List.of("nobody-knows")).all());
    call("deleteShareGroups of another kind", () -> admin.deleteShareGroups(List.of("empty-group")).all());
    call("deleteShareGroups", () -> admin.deleteShareGroups(List.of(group)).all());
    call("describeStreamsGroups unknown", () -> admin.describeStreamsGroups(List.of("nobody-knows")).all());
    call("listStreamsGroupOffsets unknown", () -> admin.listStreamsGroupOffsets(Map.of("nobody-knows", new ListStreamsGroupOffsetsSpec())).all());
    call("alterStreamsGroupOffsets", () -> admin.alterStreamsGroupOffsets("streams-made-now", Map.of(FIRST, new OffsetAndMetadata(3))).all());
    call("listStreamsGroupOffsets", () -> admin.listStreamsGroupOffsets(Map.of("streams-made-now", new ListStreamsGroupOffsetsSpec())).all());
    call("deleteStreamsGroupOffsets", () -> admin.deleteStreamsGroupOffsets("streams-made-now", Set.of(FIRST)).all());
    call("deleteStreamsGroupOffsets unknown", () -> admin.deleteStreamsGroupOffsets("nobody-knows", Set.of(FIRST)).all());
    call("deleteStreamsGroups unknown", () -> admin.deleteStreamsGroups(List.of("nobody-knows")).all());
  }

  private static void transactions() {
    try (KafkaProducer<String, String> producer = producer("transactional.id", "admin-open", "transaction.timeout.ms", "60000")) {
      producer.initTransactions();
      call("describeTransactions begun", () -> admin.describeTransactions(List.of("admin-open")).all());
      producer.beginTransaction();
      call("a transactional record", () -> producer.send(new ProducerRecord<>(TOPIC, 1, TIME, "key", "value")).get().offset());
      call("describeTransactions open", () -> {
        TransactionDescription found = admin.describeTransactions(List.of("admin-open")).all().get().get("admin-open");
        return found.state() + " " + found.producerEpoch() + " " + found.transactionTimeoutMs() + " " + found.topicPartitions() + " " + found.transactionStartTimeMs().isPresent();
      });
      call("describeProducers open", () -> admin.describeProducers(List.of(SECOND)).all().get().get(SECOND).activeProducers().stream()
          .map(state -> state.producerEpoch() + " " + state.lastSequence() + " " + state.currentTransactionStartOffset()).collect(Collectors.toList()));
      call("listOffsets committed, open", () -> admin.listOffsets(Map.of(SECOND, OffsetSpec.latest()), new ListOffsetsOptions(IsolationLevel.READ_COMMITTED)).all());
      call("listTransactions", () -> admin.listTransactions().all());
      call("listTransactions in a state", () -> admin.listTransactions(new ListTransactionsOptions().filterStates(Set.of(TransactionState.ONGOING))).all());
      call("listTransactions long open", () -> admin.listTransactions(new ListTransactionsOptions().filterOnDuration(100_000)).all());
      call("listTransactions by a pattern", () -> admin.listTransactions(new ListTransactionsOptions().filterOnTransactionalIdPattern("other-.*")).all());
      call("listTransactions by a pattern that is none", () -> admin.listTransactions(new ListTransactionsOptions().filterOnTransactionalIdPattern("(")).all());
      call("abortTransaction of a stranger", () -> admin.abortTransaction(new AbortTransactionSpec(SECOND, 123_456, (short) 0, 0)).all());
      call("abortTransaction", () -> {
        ProducerState state = admin.describeProducers(List.of(SECOND)).all().get().get(SECOND).activeProducers().stream()
            .filter(producing -> producing.currentTransactionStartOffset().isPresent()).findFirst().orElseThrow();
        return admin.abortTransaction(new AbortTransactionSpec(SECOND, state.producerId(), (short) state.producerEpoch(), state.coordinatorEpoch().orElse(0))).all();
      });
      call("listOffsets committed, aborted", () -> admin.listOffsets(Map.of(SECOND, OffsetSpec.latest()), new ListOffsetsOptions(IsolationLevel.READ_COMMITTED)).all());
      call("fenceProducers", () -> admin.fenceProducers(List.of("admin-open")).all());
      call("a fenced producer", () -> {
        producer.commitTransaction();
        return "committed";
      });
    }
    call("describeTransactions unknown", () -> admin.describeTransactions(List.of("nobody-knows")).all());
    call("fenceProducers unknown", () -> admin.fenceProducers(List.of("fenced-unknown")).all());
    call("forceTerminateTransaction unknown", () -> admin.forceTerminateTransaction("ended-unknown").result());
    call("abortTransaction at an unknown topic", () -> hasty.abortTransaction(new AbortTransactionSpec(STRANGER, 5, (short) 0, 0)).all());
  }

  private static void cluster() {
    call("describeCluster", () -> {
      DescribeClusterResult cluster = admin.describeCluster();
      return List.of("nodes " + cluster.nodes().get().size(), "controller " + cluster.controller().get().id(), "operations " + cluster.authorizedOperations().get());
    });
    call("describeCluster with operations", () -> admin.describeCluster(new DescribeClusterOptions().includeAuthorizedOperations(true)).authorizedOperations());
    call("describeCluster with fenced brokers", () -> admin.describeCluster(new DescribeClusterOptions().includeFencedBrokers(true)).nodes().get().size());
    call("describeFeatures", () -> {
      FeatureMetadata features = admin.describeFeatures().featureMetadata().get();
      Map<String, Object> found = new HashMap<>();
      features.finalizedFeatures().forEach((name, range) -> found.put("finalized " + name, range));
      features.supportedFeatures().forEach((name, range) -> found.put("supported " + name, range));
      return found;
    });
    call("updateFeatures unknown", () -> admin.updateFeatures(Map.of("no.such.feature", new FeatureUpdate((short) 1, FeatureUpdate.UpgradeType.UPGRADE)), new UpdateFeaturesOptions()).all());
    call("updateFeatures too far", () -> admin.updateFeatures(Map.of("group.version", new FeatureUpdate((short) 99, FeatureUpdate.UpgradeType.UPGRADE)), new UpdateFeaturesOptions()).all());
    call("updateFeatures as it is", () -> admin.updateFeatures(Map.of("group.version", new FeatureUpdate((short) 1, FeatureUpdate.UpgradeType.UPGRADE)), new UpdateFeaturesOptions()).all());
    call("updateFeatures only to see", () -> admin.updateFeatures(Map.of("transaction.version", new FeatureUpdate((short) 1, FeatureUpdate.UpgradeType.SAFE_DOWNGRADE)), new UpdateFeaturesOptions().validateOnly(true)).all());
    call("describeMetadataQuorum", () -> {
      QuorumInfo quorum = admin.describeMetadataQuorum().quorumInfo().get();
      return List.of("leader " + quorum.leaderId(), "voters " + quorum.voters().stream().map(QuorumInfo.ReplicaState::replicaId).collect(Collectors.toList()),
          "observers " + quorum.observers().size(), "nodes " + quorum.nodes().keySet());
    });
    call("unregisterBroker unknown", () -> admin.unregisterBroker(7).all());
    call("addRaftVoter", () -> admin.addRaftVoter(7, new Uuid(3, 3), Set.of(new RaftVoterEndpoint("CONTROLLER", "127.0.0.1", 9))).all());
    call("removeRaftVoter", () -> admin.removeRaftVoter(7, new Uuid(3, 3)).all());
    call("clientInstanceId", () -> admin.clientInstanceId(Duration.ofSeconds(2)));
  }

  private static ClientQuotaEntity entity(String... pairs) {
    Map<String, String> entries = new HashMap<>();
    for (int at = 0; at < pairs.length; at += 2) {
      entries.put(pairs[at], pairs[at + 1]);
    }
    return new ClientQuotaEntity(entries);
  }

  private static Object quota(ClientQuotaEntity entity, String name, Double value) {
    return admin.alterClientQuotas(List.of(new ClientQuotaAlteration(entity, List.of(new ClientQuotaAlteration.Op(name, value))))).all();
  }

  private static void quotas() {
    call("alterClientQuotas of a user", () -> quota(entity("user", "someone"), "producer_byte_rate", 1e9));
    call("alterClientQuotas of a client", () -> quota(entity("client-id", "other"), "consumer_byte_rate", 1e9));
    call("alterClientQuotas of users", () -> quota(entity("user", null), "request_percentage", 900.5));
    call("alterClientQuotas of a user's client", () -> quota(entity("user", "someone", "client-id", "other"), "controller_mutation_rate", 10_000.0));
    call("alterClientQuotas of an address", () -> quota(entity("ip", "10.1.2.3"), "connection_creation_rate", 1000.0));
    call("alterClientQuotas of an address that is none", () -> quota(entity("ip", "not an address"), "connection_creation_rate", 1000.0));
    call("alterClientQuotas unknown", () -> quota(entity("user", "someone"), "no_such_rate", 1.0));
    call("alterClientQuotas below nothing", () -> quota(entity("user", "someone"), "producer_byte_rate", -1.0));
    call("alterClientQuotas with a fraction", () -> quota(entity("user", "someone"), "producer_byte_rate", 1.5));
    call("alterClientQuotas of an unknown entity", () -> quota(entity("planet", "mars"), "producer_byte_rate", 1.0));
    call("alterClientQuotas of a user's rate of connections", () -> quota(entity("user", "someone"), "connection_creation_rate", 1.0));
    call("alterClientQuotas of an empty user", () -> quota(entity("user", ""), "producer_byte_rate", 1.0));
    learnt();
    call("describeClientQuotas", () -> admin.describeClientQuotas(ClientQuotaFilter.all()).entities());
    call("describeClientQuotas of a user", () -> admin.describeClientQuotas(ClientQuotaFilter.contains(List.of(ClientQuotaFilterComponent.ofEntity("user", "someone")))).entities());
    call("describeClientQuotas of a user only", () -> admin.describeClientQuotas(ClientQuotaFilter.containsOnly(List.of(ClientQuotaFilterComponent.ofEntity("user", "someone")))).entities());
    call("describeClientQuotas of users", () -> admin.describeClientQuotas(ClientQuotaFilter.contains(List.of(ClientQuotaFilterComponent.ofEntityType("user")))).entities());
    call("describeClientQuotas by default", () -> admin.describeClientQuotas(ClientQuotaFilter.contains(List.of(ClientQuotaFilterComponent.ofDefaultEntity("user")))).entities());
    call("describeClientQuotas of an unknown entity", () -> admin.describeClientQuotas(ClientQuotaFilter.contains(List.of(ClientQuotaFilterComponent.ofEntityType("planet")))).entities());
    call("alterClientQuotas back", () -> quota(entity("user", "someone"), "producer_byte_rate", null));
    call("alterClientQuotas back again", () -> quota(entity("user", "someone"), "producer_byte_rate", null));
  }

  private static void replicas() {
    call("electLeaders", () -> admin.electLeaders(ElectionType.PREFERRED, Set.of(FIRST, TOO_MANY, STRANGER)).partitions());
    call("electLeaders uncleanly", () -> admin.electLeaders(ElectionType.UNCLEAN, Set.of(FIRST)).partitions());
    call("electLeaders everywhere", () -> admin.electLeaders(ElectionType.PREFERRED, null).partitions());
    call("alterPartitionReassignments as it is", () -> admin.alterPartitionReassignments(Map.of(FIRST, Optional.of(new NewPartitionReassignment(List.of(1))))).all());
    call("alterPartitionReassignments to nobody", () -> admin.alterPartitionReassignments(Map.of(FIRST, Optional.of(new NewPartitionReassignment(List.of(7))))).all());
    call("alterPartitionReassignments to none", () -> admin.alterPartitionReassignments(Map.of(FIRST, Optional.of(new NewPartitionReassignment(List.of(1, 1))))).all());
    call("alterPartitionReassignments back", () -> admin.alterPartitionReassignments(Map.of(FIRST, Optional.empty())).all());
    call("alterPartitionReassignments unknown", () -> admin.alterPartitionReassignments(Map.of(STRANGER, Optional.of(new NewPartitionReassignment(List.of(1))))).all());
    call("listPartitionReassignments", () -> admin.listPartitionReassignments().reassignments());
    call("listPartitionReassignments unknown", () -> admin.listPartitionReassignments(Set.of(STRANGER)).reassignments());
    call("describeLogDirs", () -> {
      List<String> found = new ArrayList<>();
      for (LogDirDescription dir : admin.describeLogDirs(List.of(1)).allDescriptions().get().get(1).values()) {
        found.add("error " + dir.error() + " cordoned " + dir.isCordoned() + " " + dir.replicaInfos().entrySet().stream().filter(entry -> entry.getKey().topic().equals(TOPIC))
            .map(entry -> entry.getKey() + " " + (entry.getValue().size() > 0) + " lag " + entry.getValue().offsetLag() + " future " + entry.getValue().isFuture()).sorted().collect(Collectors.toList()));
      }
      return found;
    });
    call("describeLogDirs of another broker", () -> admin.describeLogDirs(List.of(7)).allDescriptions());
    call("describeReplicaLogDirs", () -> admin.describeReplicaLogDirs(List.of(new TopicPartitionReplica(TOPIC, 0, 1), new TopicPartitionReplica("nobody-knows", 0, 1))).all());
    call("alterReplicaLogDirs to nowhere", () -> admin.alterReplicaLogDirs(Map.of(new TopicPartitionReplica(TOPIC, 0, 1), "/no/such/folder")).all());
  }

  private static void security() {
    call("describeAcls", () -> admin.describeAcls(AclBindingFilter.ANY).values());
    call("deleteAcls", () -> admin.deleteAcls(List.of(AclBindingFilter.ANY)).all());
    call("createDelegationToken", () -> admin.createDelegationToken().delegationToken());
    call("describeDelegationToken", () -> admin.describeDelegationToken().delegationTokens());
    call("describeUserScramCredentials", () -> admin.describeUserScramCredentials().all());
    call("describeUserScramCredentials of a stranger", () -> admin.describeUserScramCredentials(List.of("nobody-knows")).all());
  }

  private static void removals() {
    call("deleteConsumerGroups", () -> admin.deleteConsumerGroups(List.of("empty-group", "nobody-knows")).deletedGroups());
    call("deleteStreamsGroups of another kind", () -> admin.deleteStreamsGroups(List.of("live-classic")).all());
    call("deleteTopics", () -> admin.deleteTopics(List.of("assigned")).all());
    call("deleteTopics unknown", () -> admin.deleteTopics(List.of("nobody-knows")).all());
    call("deleteTopics with a name that is none", () -> admin.deleteTopics(List.of("a b")).all());
    call("deleteTopics by id", () -> admin.deleteTopics(TopicCollection.ofTopicIds(List.of(
        admin.describeTopics(List.of("by-default")).allTopicNames().get().get("by-default").topicId()))).all());
    call("deleteTopics by an unknown id", () -> admin.deleteTopics(TopicCollection.ofTopicIds(List.of(new Uuid(3, 3)))).all());
    call("deleteTopics: none", () -> admin.deleteTopics(List.of()).all());
    call("listTopics at the end", () -> {
      // Kafka's broker learns a little later what its controller has done.
      Set<String> names = admin.listTopics().names().get();
      for (int tries = 0; tries < 100 && (names.contains("by-default") || names.contains("assigned")); tries++) {
        Thread.sleep(50);
        names = admin.listTopics().names().get();
      }
      return names;
    });
  }
}
