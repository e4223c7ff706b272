import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.Config;
import org.apache.kafka.clients.admin.ConsumerGroupDescription;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.ListShareGroupOffsetsSpec;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.ShareGroupDescription;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.clients.consumer.AcknowledgeType;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.KafkaShareConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.consumer.OffsetAndTimestamp;
import org.apache.kafka.clients.consumer.SubscriptionPattern;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.GroupState;
import org.apache.kafka.common.GroupType;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.InvalidPartitionsException;
import org.apache.kafka.common.errors.InvalidTopicException;
import org.apache.kafka.common.errors.RebalanceInProgressException;
import org.apache.kafka.common.errors.RecordTooLargeException;
import org.apache.kafka.common.errors.TopicExistsException;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/** What users of the Java client rely on, one check a method. Prints a line a check; exits with 1 at the first that fails. */
public final class Clients {
  private static String bootstrap;

  interface Check {
    void run() throws Exception;
  }

  public static void main(String[] args) throws Exception {
    bootstrap = args[0];
    Map<String, Check> checks = new java.util.LinkedHashMap<>();
    checks.put("admin", Clients::admin);
    checks.put("settings", Clients::settings);
    checks.put("codecs", Clients::codecs);
    checks.put("rebalance eager", () -> rebalance("org.apache.kafka.clients.consumer.RangeAssignor"));
    checks.put("rebalance cooperative", () -> rebalance("org.apache.kafka.clients.consumer.CooperativeStickyAssignor"));
    checks.put("static members", Clients::staticMembers);
    checks.put("consumer protocol", Clients::consumerProtocol);
    checks.put("consumer protocol, static", Clients::consumerProtocolStatic);
    checks.put("consumer protocol, pattern", Clients::consumerProtocolPattern);
    checks.put("consumer protocol, migration", Clients::consumerProtocolMigration);
    checks.put("share group", Clients::shareGroup);
    checks.put("share group, explicit", Clients::shareGroupExplicit);
    checks.put("share group, settings and offsets", Clients::shareGroupAdmin);
    checks.put("seek by timestamp", Clients::seekByTimestamp);
    checks.put("groups", Clients::groups);
    checks.put("too large", Clients::tooLarge);
    for (Map.Entry<String, Check> check : checks.entrySet()) {
      try {
        check.getValue().run();
        System.out.println("ok " + check.getKey());
      } catch (Throwable error) {
        System.out.println("FAILED " + check.getKey());
        error.printStackTrace(System.out);
        System.exit(1);
      }
    }
    System.exit(0);
  }

  private static void expect(boolean holds, String what) {
    if (!holds) {
      throw new AssertionError(what);
    }
  }

  private static <T extends Throwable> void refused(Future<?> future, Class<T> expected) throws Exception {
    try {
      future.get();
    } catch (ExecutionException error) {
      expect(expected.isInstance(error.getCause()), "expected " + expected + ", got " + error.getCause());
      return;
    }
    throw new AssertionError("expected " + expected + ", got success");
  }

  private static Admin newAdmin() {
    return Admin.create(Map.of("bootstrap.servers", bootstrap, "default.api.timeout.ms", "20000", "request.timeout.ms", "10000"));
  }

  private static KafkaProducer<String, String> newProducer(Map<String, String> extra) {
    Properties properties = new Properties();
    properties.put("bootstrap.servers", bootstrap);
    properties.putAll(extra);
    return new KafkaProducer<>(properties, new StringSerializer(), new StringSerializer());
  }

  private static KafkaConsumer<String, String> newConsumer(Map<String, String> extra) {
    Properties properties = new Properties();
    properties.put("bootstrap.servers", bootstrap);
    properties.put("auto.offset.reset", "earliest");
    properties.put("enable.auto.commit", "false");
    properties.putAll(extra);
    return new KafkaConsumer<>(properties, new StringDeserializer(), new StringDeserializer());
  }

  private static void create(String topic, int partitions) throws Exception {
    try (Admin admin = newAdmin()) {
      admin.createTopics(List.of(new NewTopic(topic, partitions, (short) 1))).all().get();
    }
  }

  private static void admin() throws Exception {
    try (Admin admin = newAdmin()) {
      expect(admin.describeCluster().nodes().get().size() == 1, "one node");
      expect(!admin.describeCluster().clusterId().get().isEmpty(), "a cluster id");
      NewTopic topic = new NewTopic("java-admin", 3, (short) 1).configs(Map.of("retention.ms", "86400000"));
      admin.createTopics(List.of(topic)).all().get();
      refused(admin.createTopics(List.of(topic)).all(), TopicExistsException.class);
      refused(admin.createTopics(List.of(new NewTopic("a b", 1, (short) 1))).all(), InvalidTopicException.class);
      refused(admin.createTopics(List.of(new NewTopic("java-none", 0, (short) 1))).all(), InvalidPartitionsException.class);
      TopicDescription described = admin.describeTopics(List.of("java-admin")).allTopicNames().get().get("java-admin");
      expect(described.partitions().size() == 3, "three partitions");
      expect(described.partitions().get(0).leader() != null, "a leader");
      expect(admin.describeTopics(org.apache.kafka.common.TopicCollection.ofTopicIds(List.of(described.topicId())))
          .allTopicIds().get().get(described.topicId()).name().equals("java-admin"), "found by its id");
      admin.createPartitions(Map.of("java-admin", NewPartitions.increaseTo(5))).all().get();
      refused(admin.createPartitions(Map.of("java-admin", NewPartitions.increaseTo(2))).all(), InvalidPartitionsException.class);
      expect(admin.listTopics().names().get().contains("java-admin"), "listed");
      admin.deleteTopics(List.of("java-admin")).all().get();
      refused(admin.deleteTopics(List.of("java-admin")).all(), UnknownTopicOrPartitionException.class);
      expect(!admin.listTopics().names().get().contains("java-admin"), "gone");
    }
  }

  private static void settings() throws Exception {
    create("java-settings", 1);
    ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, "java-settings");
    try (Admin admin = newAdmin()) {
      AlterConfigOp set = new AlterConfigOp(new ConfigEntry("retention.ms", "12345"), AlterConfigOp.OpType.SET);
      admin.incrementalAlterConfigs(Map.of(resource, List.of(set))).all().get();
      Config config = admin.describeConfigs(List.of(resource)).all().get().get(resource);
      ConfigEntry entry = config.get("retention.ms");
      expect(entry.value().equals("12345") && !entry.isDefault(), "set: " + entry);
      AlterConfigOp unset = new AlterConfigOp(new ConfigEntry("retention.ms", ""), AlterConfigOp.OpType.DELETE);
      admin.incrementalAlterConfigs(Map.of(resource, List.of(unset))).all().get();
      expect(admin.describeConfigs(List.of(resource)).all().get().get(resource).get("retention.ms").isDefault(), "default again");
    }
  }

  /** Idempotent by default: five batches in flight, each codec, every record back in order and once. */
  private static void codecs() throws Exception {
    for (String codec : List.of("none", "gzip", "snappy", "lz4", "zstd")) {
      String topic = "java-" + codec;
      create(topic, 1);
      int count = 20_000;
      try (KafkaProducer<String, String> producer = newProducer(Map.of("compression.type", codec, "linger.ms", "2"))) {
        List<Future<RecordMetadata>> sent = new ArrayList<>();
        for (int i = 0; i < count; i++) {
          ProducerRecord<String, String> record = new ProducerRecord<>(topic, "k" + i, "value " + i + " " + "x".repeat(i % 100));
          record.headers().add("h", Integer.toString(i).getBytes()).add("h", new byte[0]);
          sent.add(producer.send(record));
        }
        for (int i = 0; i < count; i++) {
          expect(sent.get(i).get().offset() == i, codec + ": offset of record " + i);
        }
      }
      try (KafkaConsumer<String, String> consumer = newConsumer(Map.of())) {
        consumer.assign(List.of(new TopicPartition(topic, 0)));
        consumer.seekToBeginning(consumer.assignment());
        int next = 0;
        long deadline = System.currentTimeMillis() + 30_000;
        while (next < count) {
          expect(System.currentTimeMillis() < deadline, codec + ": only " + next + " records came back");
          for (ConsumerRecord<String, String> record : consumer.poll(Duration.ofMillis(500))) {
            expect(record.offset() == next && record.key().equals("k" + next), codec + ": record " + next);
            expect(record.value().equals("value " + next + " " + "x".repeat(next % 100)), codec + ": value " + next);
            expect(record.headers().toArray().length == 2, codec + ": both headers of one name");
            next++;
          }
        }
      }
    }
  }

  /** Two members share six partitions; when one leaves, the other has all; nothing is read twice after a commit. */
  private static void rebalance(String assignor) throws Exception {
    String topic = "java-rebalance-" + assignor.substring(assignor.lastIndexOf('.') + 1);
    create(topic, 6);
    try (KafkaProducer<String, String> producer = newProducer(Map.of())) {
      for (int i = 0; i < 600; i++) {
        producer.send(new ProducerRecord<>(topic, i % 6, null, "r" + i));
      }
    }
    Map<String, String> group = Map.of("group.id", topic, "partition.assignment.strategy", assignor,
        "session.timeout.ms", "6000", "heartbeat.interval.ms", "500");
    Set<String> seen = new HashSet<>();
    List<String> twice = new ArrayList<>();
    KafkaConsumer<String, String> first = newConsumer(group);
    KafkaConsumer<String, String> second = newConsumer(group);
    first.subscribe(List.of(topic), committing(first));
    long deadline = System.currentTimeMillis() + 40_000;
    while (first.assignment().size() < 6) {
      expect(System.currentTimeMillis() < deadline, "the first member never had all six partitions");
      take(first, seen, twice);
    }
    second.subscribe(List.of(topic), committing(second));
    while (first.assignment().size() != 3 || second.assignment().size() != 3) {
      expect(System.currentTimeMillis() < deadline, "the two never had three each: " + first.assignment() + second.assignment());
      take(first, seen, twice);
      take(second, seen, twice);
    }
    Set<TopicPartition> both = new HashSet<>(first.assignment());
    both.retainAll(second.assignment());
    expect(both.isEmpty(), "no partition has two owners");
    first.close();
    while (second.assignment().size() < 6 || seen.size() < 600) {
      expect(System.currentTimeMillis() < deadline, "the rest never came: " + second.assignment().size() + " partitions, " + seen.size() + " records");
      take(second, seen, twice);
    }
    second.close();
    expect(twice.isEmpty(), "read twice after commit: " + twice);
  }

  private static void take(KafkaConsumer<String, String> consumer, Set<String> seen, List<String> twice) {
    for (ConsumerRecord<String, String> record : consumer.poll(Duration.ofMillis(100))) {
      if (!seen.add(record.value())) {
        twice.add(record.value());
      }
    }
    try {
      consumer.commitSync();
    } catch (RebalanceInProgressException underWay) {
      // A cooperative member commits what it gives up in its listener, the rest after the next poll.
    }
  }

  /** Commits everything read before partitions go to somebody else. */
  private static ConsumerRebalanceListener committing(KafkaConsumer<String, String> consumer) {
    return new ConsumerRebalanceListener() {
      @Override public void onPartitionsRevoked(Collection<TopicPartition> partitions) { consumer.commitSync(); }
      @Override public void onPartitionsAssigned(Collection<TopicPartition> partitions) {}
    };
  }

  /** A static member that comes back keeps its partitions without a rebalance of the others. */
  private static void staticMembers() throws Exception {
    create("java-static", 2);
    Map<String, String> one = Map.of("group.id", "java-static", "group.instance.id", "one", "session.timeout.ms", "20000");
    Map<String, String> two = Map.of("group.id", "java-static", "group.instance.id", "two", "session.timeout.ms", "20000");
    int[] rebalances = {0};
    ConsumerRebalanceListener counting = new ConsumerRebalanceListener() {
      @Override public void onPartitionsRevoked(Collection<TopicPartition> partitions) {}
      @Override public void onPartitionsAssigned(Collection<TopicPartition> partitions) { rebalances[0]++; }
    };
    KafkaConsumer<String, String> a = newConsumer(one);
    KafkaConsumer<String, String> b = newConsumer(two);
    a.subscribe(List.of("java-static"), counting);
    b.subscribe(List.of("java-static"));
    long deadline = System.currentTimeMillis() + 40_000;
    while (a.assignment().size() != 1 || b.assignment().size() != 1) {
      expect(System.currentTimeMillis() < deadline, "the two never had one each");
      a.poll(Duration.ofMillis(100));
      b.poll(Duration.ofMillis(100));
    }
    Set<TopicPartition> before = new HashSet<>(b.assignment());
    int settled = rebalances[0];
    b.close();
    KafkaConsumer<String, String> again = newConsumer(two);
    again.subscribe(List.of("java-static"));
    while (again.assignment().isEmpty()) {
      expect(System.currentTimeMillis() < deadline, "the member that came back got nothing");
      a.poll(Duration.ofMillis(50));
      again.poll(Duration.ofMillis(100));
    }
    expect(again.assignment().equals(before), "it has what it had");
    expect(rebalances[0] == settled, "the other member was not disturbed");
    a.close();
    again.close();
  }

  private static ConsumerGroupDescription describe(String group) throws Exception {
    try (Admin admin = newAdmin()) {
      return admin.describeConsumerGroups(List.of(group)).all().get().get(group);
    }
  }

  /** Polls until the consumers have as many partitions as wanted each, and no partition twice. */
  private static void await(List<KafkaConsumer<String, String>> consumers, List<Integer> wanted) {
    long deadline = System.currentTimeMillis() + 60_000;
    while (true) {
      List<Integer> sizes = new ArrayList<>();
      Set<TopicPartition> all = new HashSet<>();
      for (KafkaConsumer<String, String> consumer : consumers) {
        consumer.poll(Duration.ofMillis(50));
        sizes.add(consumer.assignment().size());
        for (TopicPartition partition : consumer.assignment()) {
          expect(all.add(partition), partition + " has two owners");
        }
      }
      if (sizes.equals(wanted)) {
        return;
      }
      expect(System.currentTimeMillis() < deadline, "wanted " + wanted + ", have " + sizes);
    }
  }

  /** Three members of KIP-848 come and go; nothing is read twice after a commit. */
  private static void consumerProtocol() throws Exception {
    String topic = "java-848";
    create(topic, 6);
    try (KafkaProducer<String, String> producer = newProducer(Map.of())) {
      for (int i = 0; i < 600; i++) {
        producer.send(new ProducerRecord<>(topic, i % 6, null, "r" + i));
      }
    }
    Map<String, String> group = Map.of("group.id", topic, "group.protocol", "consumer");
    Set<String> seen = new HashSet<>();
    List<String> twice = new ArrayList<>();
    List<KafkaConsumer<String, String>> consumers = new ArrayList<>();
    long deadline = System.currentTimeMillis() + 90_000;
    for (int number = 1; number <= 3; number++) {
      KafkaConsumer<String, String> consumer = newConsumer(group);
      consumer.subscribe(List.of(topic), committing(consumer));
      consumers.add(consumer);
      int share = 6 / number;
      while (!consumers.stream().allMatch(member -> member.assignment().size() == share)) {
        expect(System.currentTimeMillis() < deadline, number + " members never had " + share + " each");
        for (KafkaConsumer<String, String> member : consumers) {
          take(member, seen, twice);
        }
      }
    }
    ConsumerGroupDescription described = describe(topic);
    expect(described.type() == GroupType.CONSUMER && described.groupState() == GroupState.STABLE, described.toString());
    expect(described.members().size() == 3 && described.partitionAssignor().equals("uniform"), described.toString());
    expect(described.members().stream().allMatch(member -> member.assignment().topicPartitions().size() == 2), described.toString());
    consumers.remove(0).close();
    consumers.remove(0).close();
    KafkaConsumer<String, String> last = consumers.get(0);
    while (last.assignment().size() < 6 || seen.size() < 600) {
      expect(System.currentTimeMillis() < deadline, "the rest never came: " + last.assignment() + ", " + seen.size());
      take(last, seen, twice);
    }
    // More partitions are found without a word from the member.
    try (Admin admin = newAdmin()) {
      admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(8))).all().get();
    }
    await(List.of(last), List.of(8));
    last.close();
    expect(twice.isEmpty(), "read twice after commit: " + twice);
    expect(describe(topic).groupState() == GroupState.EMPTY, "nobody is left");
    try (Admin admin = newAdmin()) {
      admin.deleteConsumerGroups(List.of(topic)).all().get();
    }
  }

  /** A static member of KIP-848 that comes back has what it had; its twin is refused while it is there. */
  private static void consumerProtocolStatic() throws Exception {
    create("java-848-static", 4);
    Map<String, String> one = Map.of("group.id", "java-848-static", "group.protocol", "consumer", "group.instance.id", "one");
    Map<String, String> two = Map.of("group.id", "java-848-static", "group.protocol", "consumer", "group.instance.id", "two",
        "group.remote.assignor", "range");
    KafkaConsumer<String, String> a = newConsumer(one);
    KafkaConsumer<String, String> b = newConsumer(two);
    a.subscribe(List.of("java-848-static"));
    b.subscribe(List.of("java-848-static"));
    await(List.of(a, b), List.of(2, 2));
    KafkaConsumer<String, String> twin = newConsumer(two);
    twin.subscribe(List.of("java-848-static"));
    try {
      long deadline = System.currentTimeMillis() + 20_000;
      while (System.currentTimeMillis() < deadline) {
        twin.poll(Duration.ofMillis(100));
      }
      throw new AssertionError("a twin was let in");
    } catch (org.apache.kafka.common.errors.UnreleasedInstanceIdException refused) {
      twin.close();
    }
    Set<TopicPartition> before = new HashSet<>(b.assignment());
    b.close();
    a.poll(Duration.ofMillis(100));
    expect(a.assignment().size() == 2, "the other member is not disturbed");
    KafkaConsumer<String, String> again = newConsumer(two);
    again.subscribe(List.of("java-848-static"));
    await(List.of(a, again), List.of(2, 2));
    expect(again.assignment().equals(before), "it has what it had");
    a.close();
    again.close();
  }

  /** The server knows what a pattern means, also for topics that come later. */
  private static void consumerProtocolPattern() throws Exception {
    create("java-848-re-a", 2);
    KafkaConsumer<String, String> consumer = newConsumer(Map.of("group.id", "java-848-re", "group.protocol", "consumer"));
    consumer.subscribe(new SubscriptionPattern("java-848-re-[ab]"));
    await(List.of(consumer), List.of(2));
    create("java-848-re-b", 3);
    create("java-848-re-c", 3);
    await(List.of(consumer), List.of(5));
    try (Admin admin = newAdmin()) {
      admin.deleteTopics(List.of("java-848-re-a")).all().get();
    }
    await(List.of(consumer), List.of(3));
    consumer.subscribe(new SubscriptionPattern("(a"));
    try {
      long deadline = System.currentTimeMillis() + 20_000;
      while (System.currentTimeMillis() < deadline) {
        consumer.poll(Duration.ofMillis(100));
      }
      throw new AssertionError("a malformed pattern was taken");
    } catch (org.apache.kafka.common.errors.InvalidRegularExpression refused) {
      consumer.close();
    }
  }

  /** Members of both protocols in one group, from classic to KIP-848 and back, with the offsets kept. */
  private static void consumerProtocolMigration() throws Exception {
    String topic = "java-848-migration";
    create(topic, 6);
    try (KafkaProducer<String, String> producer = newProducer(Map.of())) {
      for (int i = 0; i < 300; i++) {
        producer.send(new ProducerRecord<>(topic, i % 6, null, "r" + i));
      }
    }
    for (String assignor : List.of("RangeAssignor", "CooperativeStickyAssignor")) {
      String id = topic + "-" + assignor;
      Map<String, String> classic = Map.of("group.id", id, "heartbeat.interval.ms", "300", "session.timeout.ms", "10000",
          "partition.assignment.strategy", "org.apache.kafka.clients.consumer." + assignor);
      Map<String, String> modern = Map.of("group.id", id, "group.protocol", "consumer");
      Set<String> seen = new HashSet<>();
      List<String> twice = new ArrayList<>();
      List<KafkaConsumer<String, String>> consumers = new ArrayList<>();
      for (Map<String, String> settings : List.of(classic, classic, modern)) {
        KafkaConsumer<String, String> consumer = newConsumer(settings);
        consumer.subscribe(List.of(topic), committing(consumer));
        consumers.add(consumer);
        share(consumers, 6 / consumers.size(), seen, twice);
        GroupType expected = settings == modern ? GroupType.CONSUMER : GroupType.CLASSIC;
        expect(describe(id).type() == expected, "the group is " + describe(id));
      }
      consumers.remove(2).close();
      share(consumers, 3, seen, twice);
      expect(describe(id).type() == GroupType.CLASSIC, "the group is classic again");
      KafkaConsumer<String, String> modernAgain = newConsumer(modern);
      modernAgain.subscribe(List.of(topic), committing(modernAgain));
      consumers.add(modernAgain);
      share(consumers, 2, seen, twice);
      consumers.remove(0).close();
      share(consumers, 3, seen, twice);
      consumers.remove(0).close();
      share(consumers, 6, seen, twice);
      long deadline = System.currentTimeMillis() + 30_000;
      while (seen.size() < 300) {
        expect(System.currentTimeMillis() < deadline, "only " + seen.size() + " came");
        take(modernAgain, seen, twice);
      }
      modernAgain.close();
      expect(twice.isEmpty(), "read twice after commit: " + twice);
      try (Admin admin = newAdmin()) {
        long committed = 0;
        for (OffsetAndMetadata offset : admin.listConsumerGroupOffsets(id).partitionsToOffsetAndMetadata().get().values()) {
          committed += offset.offset();
        }
        expect(committed == 300, "committed up to " + committed);
      }
    }
  }

  private static void share(List<KafkaConsumer<String, String>> consumers, int each, Set<String> seen, List<String> twice) {
    long deadline = System.currentTimeMillis() + 60_000;
    while (!consumers.stream().allMatch(member -> member.assignment().size() == each)) {
      expect(System.currentTimeMillis() < deadline, "not " + each + " each: "
          + consumers.stream().map(member -> member.assignment().size()).toList());
      for (KafkaConsumer<String, String> member : consumers) {
        take(member, seen, twice);
      }
    }
  }

  private static KafkaShareConsumer<String, String> newShareConsumer(String group, String mode) {
    Properties properties = new Properties();
    properties.put("bootstrap.servers", bootstrap);
    properties.put("group.id", group);
    properties.put("share.acknowledgement.mode", mode);
    return new KafkaShareConsumer<>(properties, new StringDeserializer(), new StringDeserializer());
  }

  private static void setForGroup(String group, String name, String value) throws Exception {
    try (Admin admin = newAdmin()) {
      ConfigResource resource = new ConfigResource(ConfigResource.Type.GROUP, group);
      AlterConfigOp set = new AlterConfigOp(new ConfigEntry(name, value), AlterConfigOp.OpType.SET);
      admin.incrementalAlterConfigs(Map.of(resource, List.of(set))).all().get();
      expect(admin.describeConfigs(List.of(resource)).all().get().get(resource).get(name).value().equals(value), name);
    }
  }

  /** Two consumers read one partition together, each record once, also across members that leave. */
  private static void shareGroup() throws Exception {
    String topic = "java-share";
    create(topic, 2);
    setForGroup(topic, "share.auto.offset.reset", "earliest");
    int count = 2_000;
    try (KafkaProducer<String, String> producer = newProducer(Map.of("batch.size", "500"))) {
      for (int i = 0; i < count; i++) {
        producer.send(new ProducerRecord<>(topic, i % 2, null, "r" + i));
      }
    }
    Set<String> seen = new HashSet<>();
    List<String> twice = new ArrayList<>();
    int[] by = {0, 0, 0};
    List<KafkaShareConsumer<String, String>> consumers = new ArrayList<>();
    for (int i = 0; i < 3; i++) {
      KafkaShareConsumer<String, String> consumer = newShareConsumer(topic, "implicit");
      consumer.subscribe(List.of(topic));
      consumers.add(consumer);
    }
    long deadline = System.currentTimeMillis() + 60_000;
    while (seen.size() < count) {
      expect(System.currentTimeMillis() < deadline, "only " + seen.size() + " came, by " + java.util.Arrays.toString(by));
      for (int i = 0; i < consumers.size(); i++) {
        for (ConsumerRecord<String, String> record : consumers.get(i).poll(Duration.ofMillis(50))) {
          by[i]++;
          if (!seen.add(record.value())) {
            twice.add(record.value());
          }
        }
      }
    }
    for (KafkaShareConsumer<String, String> consumer : consumers) {
      consumer.commitSync();
      consumer.close();
    }
    expect(twice.isEmpty(), "came twice: " + twice);
    KafkaShareConsumer<String, String> late = newShareConsumer(topic, "implicit");
    late.subscribe(List.of(topic));
    for (int i = 0; i < 20; i++) {
      expect(late.poll(Duration.ofMillis(100)).isEmpty(), "what was acknowledged does not come again");
    }
    late.close();
  }

  /** Records are released, rejected, left to their lock, and renewed, one by one. */
  private static void shareGroupExplicit() throws Exception {
    String topic = "java-share-explicit";
    create(topic, 1);
    setForGroup(topic, "share.auto.offset.reset", "earliest");
    setForGroup(topic, "share.record.lock.duration.ms", "15000");
    KafkaShareConsumer<String, String> consumer = newShareConsumer(topic, "explicit");
    consumer.subscribe(List.of(topic));
    try (KafkaProducer<String, String> producer = newProducer(Map.of())) {
      for (int i = 0; i < 10; i++) {
        producer.send(new ProducerRecord<>(topic, 0, null, "r" + i));
      }
    }
    Map<Long, Short> deliveries = new java.util.TreeMap<>();
    long deadline = System.currentTimeMillis() + 60_000;
    while (deliveries.size() < 10) {
      expect(System.currentTimeMillis() < deadline, "the first round: " + deliveries);
      for (ConsumerRecord<String, String> record : consumer.poll(Duration.ofMillis(200))) {
        deliveries.put(record.offset(), record.deliveryCount().get());
        AcknowledgeType type = record.offset() < 5 ? AcknowledgeType.ACCEPT
            : record.offset() < 7 ? AcknowledgeType.RELEASE : AcknowledgeType.REJECT;
        consumer.acknowledge(record, type);
      }
      expect(consumer.commitSync().values().stream().allMatch(java.util.Optional::isEmpty), "acknowledged");
    }
    Set<Long> again = new HashSet<>();
    List<ConsumerRecord<String, String>> held = new ArrayList<>();
    while (held.size() < 2) {
      expect(System.currentTimeMillis() < deadline, "the released never came: " + again);
      for (ConsumerRecord<String, String> record : consumer.poll(Duration.ofMillis(200))) {
        expect(record.deliveryCount().get() == 2, "the second delivery: " + record);
        again.add(record.offset());
        held.add(record);
      }
    }
    expect(again.equals(Set.of(5L, 6L)), "what was released comes again: " + again);
    // Another member gets nothing until the first has gone.
    KafkaShareConsumer<String, String> other = newShareConsumer(topic, "explicit");
    other.subscribe(List.of(topic));
    for (int i = 0; i < 10; i++) {
      expect(other.poll(Duration.ofMillis(200)).isEmpty(), "a locked record was given to another");
    }
    consumer.acknowledge(held.get(0), AcknowledgeType.ACCEPT);
    consumer.commitSync();
    consumer.close();
    Set<Long> rest = new HashSet<>();
    while (rest.isEmpty()) {
      expect(System.currentTimeMillis() < deadline, "the last never came");
      for (ConsumerRecord<String, String> record : other.poll(Duration.ofMillis(200))) {
        expect(record.deliveryCount().get() == 3, "the third delivery: " + record);
        rest.add(record.offset());
      }
    }
    expect(rest.equals(Set.of(6L)), "what the closed member had: " + rest);
    // Its lock ends although it lives: the records come again.
    deadline = System.currentTimeMillis() + 40_000;
    KafkaShareConsumer<String, String> third = newShareConsumer(topic, "explicit");
    third.subscribe(List.of(topic));
    boolean came = false;
    while (!came) {
      expect(System.currentTimeMillis() < deadline, "the lock never ended");
      for (ConsumerRecord<String, String> record : third.poll(Duration.ofMillis(500))) {
        expect(record.offset() == 6 && record.deliveryCount().get() == 4, "the fourth delivery: " + record);
        third.acknowledge(record, AcknowledgeType.ACCEPT);
        came = true;
      }
    }
    expect(third.commitSync().values().stream().allMatch(java.util.Optional::isEmpty), "acknowledged");
    third.close();
    other.close();
  }

  private static void shareGroupAdmin() throws Exception {
    String topic = "java-share";
    TopicPartition partition = new TopicPartition(topic, 0);
    try (Admin admin = newAdmin()) {
      ShareGroupDescription described = admin.describeShareGroups(List.of(topic)).all().get().get(topic);
      expect(described.groupState() == GroupState.EMPTY, described.toString());
      expect(admin.listGroups().all().get().stream()
          .anyMatch(group -> group.groupId().equals(topic) && group.type().get() == GroupType.SHARE), "listed");
      var offsets = admin.listShareGroupOffsets(Map.of(topic, new ListShareGroupOffsetsSpec()))
          .partitionsToOffsetInfo(topic).get();
      expect(offsets.get(partition).startOffset() == 1000 && offsets.get(partition).lag().get() == 0, "read up to " + offsets);
      admin.alterShareGroupOffsets(topic, Map.of(partition, 990L)).all().get();
    }
    KafkaShareConsumer<String, String> consumer = newShareConsumer(topic, "implicit");
    consumer.subscribe(List.of(topic));
    int count = 0;
    long deadline = System.currentTimeMillis() + 30_000;
    while (count < 10) {
      expect(System.currentTimeMillis() < deadline, "only " + count + " came from the new offset");
      count += consumer.poll(Duration.ofMillis(200)).count();
    }
    try (Admin admin = newAdmin()) {
      expect(admin.describeShareGroups(List.of(topic)).all().get().get(topic).members().size() == 1, "one member");
      refused(admin.alterShareGroupOffsets(topic, Map.of(partition, 0L)).all(), org.apache.kafka.common.errors.GroupNotEmptyException.class);
      consumer.close();
      admin.deleteShareGroupOffsets(topic, Set.of(topic)).all().get();
      admin.deleteShareGroups(List.of(topic)).all().get();
      expect(admin.listGroups().all().get().stream().noneMatch(group -> group.groupId().equals(topic)), "gone");
    }
  }

  private static void seekByTimestamp() throws Exception {
    create("java-time", 1);
    TopicPartition partition = new TopicPartition("java-time", 0);
    try (KafkaProducer<String, String> producer = newProducer(Map.of("compression.type", "lz4", "linger.ms", "50"))) {
      for (int i = 0; i < 1000; i++) {
        producer.send(new ProducerRecord<>("java-time", 0, 1_000_000L + i * 10L, "k", "v" + i));
      }
    }
    try (KafkaConsumer<String, String> consumer = newConsumer(Map.of())) {
      consumer.assign(List.of(partition));
      for (long[] wanted : new long[][] {{0, 0}, {1_000_000, 0}, {1_000_001, 1}, {1_005_000, 500}, {1_009_990, 999}}) {
        OffsetAndTimestamp found = consumer.offsetsForTimes(Map.of(partition, wanted[0])).get(partition);
        expect(found.offset() == wanted[1], "time " + wanted[0] + " is at " + found);
        consumer.seek(partition, found.offset());
        ConsumerRecord<String, String> first = null;
        for (int tries = 0; first == null && tries < 50; tries++) {
          for (ConsumerRecord<String, String> record : consumer.poll(Duration.ofMillis(200))) {
            first = first == null ? record : first;
          }
        }
        expect(first != null && first.value().equals("v" + wanted[1]), "reading begins with v" + wanted[1] + ": " + first);
      }
      expect(consumer.offsetsForTimes(Map.of(partition, 2_000_000L)).get(partition) == null, "nothing is that late");
      expect(consumer.endOffsets(List.of(partition)).get(partition) == 1000, "the end");
    }
    try (Admin admin = newAdmin()) {
      expect(admin.listOffsets(Map.of(partition, OffsetSpec.maxTimestamp())).partitionResult(partition).get().offset() == 999, "the latest time");
    }
  }

  private static void groups() throws Exception {
    create("java-groups", 2);
    TopicPartition partition = new TopicPartition("java-groups", 1);
    try (KafkaConsumer<String, String> consumer = newConsumer(Map.of("group.id", "java-groups"))) {
      consumer.assign(List.of(partition));
      consumer.commitSync(Map.of(partition, new OffsetAndMetadata(7, "a note")));
      expect(consumer.committed(Set.of(partition)).get(partition).metadata().equals("a note"), "the note is kept");
    }
    try (Admin admin = newAdmin()) {
      Map<TopicPartition, OffsetAndMetadata> offsets =
          admin.listConsumerGroupOffsets("java-groups").partitionsToOffsetAndMetadata().get();
      expect(offsets.get(partition).offset() == 7, "the offset: " + offsets);
      expect(admin.describeConsumerGroups(List.of("java-groups")).all().get().get("java-groups").members().isEmpty(), "no members");
      admin.deleteConsumerGroupOffsets("java-groups", Set.of(partition)).all().get();
      expect(admin.listConsumerGroupOffsets("java-groups").partitionsToOffsetAndMetadata().get().isEmpty(), "offset deleted");
      admin.alterConsumerGroupOffsets("java-groups", Map.of(partition, new OffsetAndMetadata(3))).all().get();
      expect(admin.listGroups().all().get().stream().anyMatch(group -> group.groupId().equals("java-groups")), "listed");
      admin.deleteConsumerGroups(List.of("java-groups")).all().get();
      expect(admin.listGroups().all().get().stream().noneMatch(group -> group.groupId().equals("java-groups")), "gone");
    }
  }

  private static void tooLarge() throws Exception {
    try (Admin admin = newAdmin()) {
      NewTopic topic = new NewTopic("java-large", 1, (short) 1).configs(Map.of("max.message.bytes", "1000"));
      admin.createTopics(List.of(topic)).all().get();
    }
    try (KafkaProducer<String, String> producer = newProducer(Map.of())) {
      refused(producer.send(new ProducerRecord<>("java-large", "x".repeat(2000))), RecordTooLargeException.class);
      producer.send(new ProducerRecord<>("java-large", "small")).get();
    }
  }
}
