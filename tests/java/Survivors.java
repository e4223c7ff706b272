import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.AcknowledgeType;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.KafkaShareConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * Members of groups live through deaths of the broker: whenever this prints `kill`, the broker is to be killed and
 * started again, and then a line is to be sent.
 */
public final class Survivors {
  private static final String TOPIC = "survivors";
  private static String bootstrap;

  public static void main(String[] args) throws Exception {
    bootstrap = args[0];
    try {
      run(Integer.parseInt(args[1]));
      System.out.println("ok survivors");
      System.exit(0);
    } catch (Throwable error) {
      System.out.println("FAILED survivors");
      error.printStackTrace(System.out);
      System.exit(1);
    }
  }

  private static void expect(boolean holds, String what) {
    if (!holds) {
      throw new AssertionError(what);
    }
  }

  /** Takes records and accepts them, without saying so to the broker yet. */
  private static void take(KafkaShareConsumer<String, String> sharer, Set<String> acknowledged, Map<TopicPartition, Set<String>> pending) {
    for (ConsumerRecord<String, String> record : sharer.poll(Duration.ofMillis(200))) {
      expect(!acknowledged.contains(record.value()), "given again after it was acknowledged: " + record.value());
      sharer.acknowledge(record, AcknowledgeType.ACCEPT);
      pending.computeIfAbsent(new TopicPartition(record.topic(), record.partition()), partition -> new HashSet<>()).add(record.value());
    }
  }

  /** Says so; what the broker does not confirm comes again. */
  private static void settle(KafkaShareConsumer<String, String> sharer, Set<String> acknowledged, Map<TopicPartition, Set<String>> pending) {
    sharer.commitSync().forEach((partition, error) -> {
      Set<String> told = pending.remove(partition.topicPartition());
      if (told != null && error.isEmpty()) {
        acknowledged.addAll(told);
      }
    });
    pending.clear();
  }

  private static void run(int kills) throws Exception {
    try (Admin admin = Admin.create(Map.of("bootstrap.servers", bootstrap))) {
      admin.createTopics(List.of(new NewTopic(TOPIC, 4, (short) 1))).all().get();
      ConfigResource group = new ConfigResource(ConfigResource.Type.GROUP, "survivors-share");
      admin.incrementalAlterConfigs(Map.of(group,
          List.of(new AlterConfigOp(new ConfigEntry("share.auto.offset.reset", "earliest"), AlterConfigOp.OpType.SET)))).all().get();
    }
    int[] assigned = {0};
    ConsumerRebalanceListener counting = new ConsumerRebalanceListener() {
      @Override public void onPartitionsRevoked(Collection<TopicPartition> partitions) {}
      @Override public void onPartitionsAssigned(Collection<TopicPartition> partitions) { assigned[0]++; }
      @Override public void onPartitionsLost(Collection<TopicPartition> partitions) { assigned[0] += 1000; }
    };
    List<KafkaConsumer<String, String>> consumers = new ArrayList<>();
    for (int i = 0; i < 2; i++) {
      KafkaConsumer<String, String> consumer = new KafkaConsumer<>(
          Map.of("bootstrap.servers", bootstrap, "group.id", "survivors", "group.protocol", "consumer",
              "enable.auto.commit", "false", "auto.offset.reset", "earliest"),
          new StringDeserializer(), new StringDeserializer());
      consumer.subscribe(List.of(TOPIC), counting);
      consumers.add(consumer);
    }
    KafkaShareConsumer<String, String> sharer = new KafkaShareConsumer<>(
        Map.of("bootstrap.servers", bootstrap, "group.id", "survivors-share", "share.acknowledgement.mode", "explicit",
            "share.acquire.mode", "record_limit", "max.poll.records", "30"),
        new StringDeserializer(), new StringDeserializer());
    sharer.subscribe(List.of(TOPIC));
    long deadline = System.currentTimeMillis() + 60_000;
    while (!consumers.stream().allMatch(consumer -> consumer.assignment().size() == 2)) {
      expect(System.currentTimeMillis() < deadline, "two each never came");
      consumers.forEach(consumer -> consumer.poll(Duration.ofMillis(50)));
    }
    int settled = assigned[0];
    Set<String> committed = new HashSet<>();
    Set<String> acknowledged = new HashSet<>();
    Map<TopicPartition, Set<String>> pending = new HashMap<>();
    for (int round = 0; round <= kills; round++) {
      try (KafkaProducer<String, String> producer = new KafkaProducer<>(
          Map.of("bootstrap.servers", bootstrap), new StringSerializer(), new StringSerializer())) {
        for (int i = 0; i < 200; i++) {
          producer.send(new ProducerRecord<>(TOPIC, i % 4, null, round + ":" + i));
        }
      }
      deadline = System.currentTimeMillis() + 60_000;
      int wanted = 200 * (round + 1);
      // Before a kill, half of what there is is left for afterwards.
      int enough = round < kills ? wanted - 100 : wanted;
      while (committed.size() < enough || acknowledged.size() < enough) {
        expect(System.currentTimeMillis() < deadline, "committed " + committed.size() + ", acknowledged " + acknowledged.size());
        for (KafkaConsumer<String, String> consumer : consumers) {
          for (ConsumerRecord<String, String> record : consumer.poll(Duration.ofMillis(50))) {
            expect(committed.add(record.value()), "read again after a commit: " + record.value());
          }
          consumer.commitSync();
        }
        if (acknowledged.size() < enough) {
          take(sharer, acknowledged, pending);
          settle(sharer, acknowledged, pending);
        }
      }
      // What is not yet said to be acknowledged when the broker dies is a matter for the next round.
      take(sharer, acknowledged, pending);
      if (round < kills) {
        System.out.println("kill");
        System.in.read();
      }
    }
    expect(assigned[0] == settled, "the members were disturbed " + (assigned[0] - settled) + " times");
    sharer.close();
    consumers.forEach(KafkaConsumer::close);
  }
}
