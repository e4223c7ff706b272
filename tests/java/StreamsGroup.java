import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.DescribeStreamsGroupsOptions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.StreamsGroupDescription;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.GroupState;
import org.apache.kafka.common.errors.GroupIdNotFoundException;
import org.apache.kafka.common.serialization.LongDeserializer;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;

/** A word count of Kafka Streams in a group of KIP-1071, with instances that come and go. Exits with 1 if a check fails. */
public final class StreamsGroup {
  private static final String APP = "java-streams";
  private static final String LINES = "java-streams-lines";
  private static final String COUNTS = "java-streams-counts";
  private static String bootstrap;

  public static void main(String[] args) throws Exception {
    bootstrap = args[0];
    try {
      run(args.length > 1 ? args[1] : "at_least_once");
      System.out.println("ok streams group");
      System.exit(0);
    } catch (Throwable error) {
      System.out.println("FAILED streams group");
      error.printStackTrace(System.out);
      System.exit(1);
    }
  }

  private static void expect(boolean holds, String what) {
    if (!holds) {
      throw new AssertionError(what);
    }
  }

  private static Topology topology() {
    StreamsBuilder builder = new StreamsBuilder();
    builder.<String, String>stream(LINES)
        .flatMapValues(line -> List.of(line.split(" ")))
        .groupBy((key, word) -> word, Grouped.with("words", Serdes.String(), Serdes.String()))
        .count(Materialized.as("counts"))
        .toStream()
        .to(COUNTS, Produced.with(Serdes.String(), Serdes.Long()));
    return builder.build();
  }

  private static KafkaStreams start(String guarantee, int threads) throws Exception {
    Properties properties = new Properties();
    properties.put("application.id", APP);
    properties.put("bootstrap.servers", bootstrap);
    properties.put("group.protocol", "streams");
    properties.put("processing.guarantee", guarantee);
    properties.put("num.stream.threads", Integer.toString(threads));
    properties.put("default.key.serde", Serdes.StringSerde.class.getName());
    properties.put("default.value.serde", Serdes.StringSerde.class.getName());
    properties.put("commit.interval.ms", "100");
    properties.put("statestore.cache.max.bytes", "0");
    properties.put("state.dir", java.nio.file.Files.createTempDirectory("streams").toString());
    KafkaStreams streams = new KafkaStreams(topology(), properties);
    streams.start();
    return streams;
  }

  private static StreamsGroupDescription describe(Admin admin) throws Exception {
    try {
      return admin.describeStreamsGroups(List.of(APP), new DescribeStreamsGroupsOptions().includeAuthorizedOperations(true)).all().get().get(APP);
    } catch (ExecutionException error) {
      expect(error.getCause() instanceof GroupIdNotFoundException, error.toString());
      return null;
    }
  }

  /** Waits until the group has so many members, is stable, and every task runs once. */
  private static void settle(Admin admin, int members) throws Exception {
    long deadline = System.currentTimeMillis() + 90_000;
    while (true) {
      StreamsGroupDescription group = describe(admin);
      int active = group == null ? 0 : group.members().stream()
          .flatMap(member -> member.assignment().activeTasks().stream())
          .mapToInt(tasks -> tasks.partitions().size()).sum();
      if (group != null && group.groupState() == GroupState.STABLE && group.members().size() == members && active == 8) {
        return;
      }
      expect(System.currentTimeMillis() < deadline, "the group never settled: " + group);
      Thread.sleep(200);
    }
  }

  private static void run(String guarantee) throws Exception {
    Admin admin = Admin.create(Map.of("bootstrap.servers", bootstrap));
    admin.createTopics(List.of(new NewTopic(LINES, 4, (short) 1), new NewTopic(COUNTS, 2, (short) 1))).all().get();
    List<KafkaStreams> instances = new ArrayList<>();
    instances.add(start(guarantee, 1));
    settle(admin, 1);
    Set<String> topics = admin.listTopics().names().get();
    expect(topics.contains(APP + "-words-repartition") && topics.contains(APP + "-counts-changelog"), "made: " + topics);
    int rounds = 400;
    try (KafkaProducer<String, String> producer = new KafkaProducer<>(
        Map.of("bootstrap.servers", bootstrap), new StringSerializer(), new StringSerializer())) {
      for (int i = 0; i < rounds; i++) {
        producer.send(new ProducerRecord<>(LINES, "k" + i, "word" + (i % 5) + " all"));
        if (i == 100) {
          instances.add(start(guarantee, 2));
          settle(admin, 3);
        }
        if (i == 250) {
          instances.remove(0).close(Duration.ofSeconds(20));
          settle(admin, 2);
        }
      }
    }
    Map<String, Long> counts = new HashMap<>();
    try (KafkaConsumer<String, Long> consumer = new KafkaConsumer<>(
        Map.of("bootstrap.servers", bootstrap, "group.id", "java-streams-reader", "auto.offset.reset", "earliest",
            "isolation.level", "read_committed"),
        new StringDeserializer(), new LongDeserializer())) {
      consumer.subscribe(List.of(COUNTS));
      long deadline = System.currentTimeMillis() + 60_000;
      while (counts.getOrDefault("all", 0L) < rounds || counts.getOrDefault("word4", 0L) < rounds / 5) {
        expect(System.currentTimeMillis() < deadline, "the counts never came: " + counts);
        for (ConsumerRecord<String, Long> record : consumer.poll(Duration.ofMillis(200))) {
          counts.put(record.key(), record.value());
        }
      }
    }
    expect(counts.get("all") == rounds && counts.get("word4") == rounds / 5, "counted: " + counts);
    for (KafkaStreams instance : instances) {
      instance.close(Duration.ofSeconds(20));
    }
    long deadline = System.currentTimeMillis() + 30_000;
    while (describe(admin).groupState() != GroupState.EMPTY) {
      expect(System.currentTimeMillis() < deadline, "the group is not empty: " + describe(admin));
      Thread.sleep(200);
    }
    admin.deleteStreamsGroups(List.of(APP)).all().get();
    admin.close();
  }
}
