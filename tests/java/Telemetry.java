import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * What Java's producer and consumer push of themselves (KIP-714), found again in the topic that keeps it. Arguments: the
 * broker's address, the topic. Prints a line a check; exits with 1 at the first that fails.
 */
public final class Telemetry {
  private static final Duration PATIENCE = Duration.ofSeconds(30);
  private static final List<ConsumerRecord<String, String>> READ = new ArrayList<>();
  private static KafkaConsumer<String, String> consumer;

  public static void main(String[] args) {
    try {
      run(args[0], args[1]);
    } catch (Throwable error) {
      error.printStackTrace(System.out);
      System.exit(1);
    }
    System.exit(0);
  }

  private static void run(String bootstrap, String topic) throws Exception {
    Map<String, Object> both = Map.of("bootstrap.servers", bootstrap, "enable.metrics.push", "true");
    Map<String, Object> producing = new java.util.HashMap<>(both);
    producing.put("client.id", "java-shop");
    KafkaProducer<String, String> producer = new KafkaProducer<>(producing, new StringSerializer(), new StringSerializer());
    producer.send(new ProducerRecord<>("orders", "k", "v")).get();
    Map<String, Object> consuming = new java.util.HashMap<>(both);
    consuming.put("client.id", "java-watcher");
    consuming.put("auto.offset.reset", "earliest");
    consumer = new KafkaConsumer<>(consuming, new StringDeserializer(), new StringDeserializer());
    consumer.assign(List.of(new TopicPartition(topic, 0)));

    Uuid ofProducer = producer.clientInstanceId(PATIENCE);
    String pushed = pushed(ofProducer, "\"name\":\"org.apache.kafka.producer.", "\"terminating\":false");
    for (String part : List.of(
        "\"client_instance_id\":\"" + ofProducer + "\"",
        "\"client_id\":\"java-shop\"",
        "\"client_software_name\":\"apache-kafka-java\"",
        "\"client_source_address\":\"127.0.0.1\"",
        "\"kind\":\"sum\"",
        "\"kind\":\"gauge\"")) {
      if (!pushed.contains(part)) {
        throw new AssertionError(part + " is not in " + pushed);
      }
    }
    System.out.println("ok producer");
    Uuid ofConsumer = consumer.clientInstanceId(PATIENCE);
    pushed(ofConsumer, "\"name\":\"org.apache.kafka.consumer.", "\"client_id\":\"java-watcher\"");
    System.out.println("ok consumer");
    producer.close();
  }

  /** Waits for a push of a client that has all of this. */
  private static String pushed(Uuid instance, String... parts) {
    long until = System.nanoTime() + PATIENCE.toNanos();
    while (System.nanoTime() < until) {
      for (ConsumerRecord<String, String> record : READ) {
        if (record.key().equals(instance.toString()) && List.of(parts).stream().allMatch(record.value()::contains)) {
          return record.value();
        }
      }
      consumer.poll(Duration.ofMillis(200)).forEach(READ::add);
    }
    throw new AssertionError("nothing of " + instance + " with " + List.of(parts) + " in " + READ.size() + " records");
  }
}
