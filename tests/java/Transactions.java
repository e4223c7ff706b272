import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.admin.AbortTransactionSpec;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ListTransactionsOptions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.ProducerState;
import org.apache.kafka.clients.admin.TransactionDescription;
import org.apache.kafka.clients.admin.TransactionListing;
import org.apache.kafka.clients.admin.TransactionState;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.InvalidProducerEpochException;
import org.apache.kafka.common.errors.InvalidTxnStateException;
import org.apache.kafka.common.errors.ProducerFencedException;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/** What users of the Java client's transactions rely on. Prints a line a check; exits with 1 at the first that fails. */
public final class Transactions {
  private static String bootstrap;

  interface Check {
    void run() throws Exception;
  }

  public static void main(String[] args) throws Exception {
    bootstrap = args[0];
    Map<String, Check> checks = new LinkedHashMap<>();
    checks.put("commit and abort", Transactions::commitAndAbort);
    checks.put("consume, transform, produce", Transactions::copy);
    checks.put("fencing", Transactions::fencing);
    checks.put("time-out", Transactions::timeOut);
    checks.put("admin", Transactions::admin);
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

  private static Admin newAdmin() {
    return Admin.create(Map.of("bootstrap.servers", bootstrap, "default.api.timeout.ms", "20000", "request.timeout.ms", "10000"));
  }

  private static KafkaProducer<String, String> newProducer(String id, String... extra) {
    Properties properties = new Properties();
    properties.put("bootstrap.servers", bootstrap);
    properties.put("transactional.id", id);
    for (int i = 0; i < extra.length; i += 2) {
      properties.put(extra[i], extra[i + 1]);
    }
    return new KafkaProducer<>(properties, new StringSerializer(), new StringSerializer());
  }

  private static KafkaConsumer<String, String> newConsumer(String group, String isolation) {
    Properties properties = new Properties();
    properties.put("bootstrap.servers", bootstrap);
    properties.put("auto.offset.reset", "earliest");
    properties.put("enable.auto.commit", "false");
    properties.put("isolation.level", isolation);
    properties.put("max.poll.records", "10");
    if (group != null) {
      properties.put("group.id", group);
    }
    return new KafkaConsumer<>(properties, new StringDeserializer(), new StringDeserializer());
  }

  private static void create(String... topics) throws Exception {
    try (Admin admin = newAdmin()) {
      List<NewTopic> wanted = new ArrayList<>();
      for (String topic : topics) {
        wanted.add(new NewTopic(topic, 2, (short) 1));
      }
      admin.createTopics(wanted).all().get();
    }
  }

  /** Every value of a topic up to where it ends for such a reader, sorted. */
  private static List<String> read(String topic, String isolation) {
    List<String> values = new ArrayList<>();
    try (KafkaConsumer<String, String> consumer = newConsumer(null, isolation)) {
      List<TopicPartition> partitions = List.of(new TopicPartition(topic, 0), new TopicPartition(topic, 1));
      consumer.assign(partitions);
      consumer.seekToBeginning(partitions);
      Map<TopicPartition, Long> ends = consumer.endOffsets(partitions);
      long deadline = System.currentTimeMillis() + 20_000;
      while (partitions.stream().anyMatch(partition -> consumer.position(partition) < ends.get(partition))) {
        expect(System.currentTimeMillis() < deadline, "the end " + ends + " is never reached");
        for (ConsumerRecord<String, String> record : consumer.poll(Duration.ofMillis(100))) {
          values.add(record.value());
        }
      }
    }
    Collections.sort(values);
    return values;
  }

  private static void commitAndAbort() throws Exception {
    create("txn-one", "txn-two");
    try (KafkaProducer<String, String> producer = newProducer("java-commit")) {
      producer.initTransactions();
      producer.beginTransaction();
      for (int i = 0; i < 10; i++) {
        producer.send(new ProducerRecord<>("txn-one", i % 2, "k", "a" + i));
        producer.send(new ProducerRecord<>("txn-two", i % 2, "k", "b" + i));
      }
      producer.flush();
      expect(read("txn-one", "read_committed").isEmpty(), "nothing is seen before the commit");
      expect(read("txn-one", "read_uncommitted").size() == 10, "who does not care sees it");
      producer.commitTransaction();
      expect(read("txn-one", "read_committed").size() == 10 && read("txn-two", "read_committed").size() == 10, "all is seen after");
      for (int round = 0; round < 20; round++) {
        producer.beginTransaction();
        producer.send(new ProducerRecord<>("txn-one", round % 2, "k", "x" + round)).get();
        if (round % 2 == 0) {
          producer.abortTransaction();
        } else {
          producer.commitTransaction();
        }
      }
      producer.beginTransaction();
      producer.commitTransaction();
      producer.beginTransaction();
      producer.abortTransaction();
      List<String> committed = read("txn-one", "read_committed");
      expect(committed.size() == 20, "ten of twenty are committed: " + committed);
      expect(committed.stream().noneMatch(value -> value.startsWith("x") && Integer.parseInt(value.substring(1)) % 2 == 0), "aborted data is seen: " + committed);
      expect(read("txn-one", "read_uncommitted").size() == 30, "aborted data is there");
    }
  }

  /** Copies a topic, losing the first attempt of every step: nothing is missing and nothing is twice. */
  private static void copy() throws Exception {
    create("txn-in", "txn-out");
    int count = 100;
    try (KafkaProducer<String, String> producer = newProducer("java-fill")) {
      producer.initTransactions();
      producer.beginTransaction();
      for (int i = 0; i < count; i++) {
        producer.send(new ProducerRecord<>("txn-in", i % 2, "k", String.format("v%03d", i)));
      }
      producer.commitTransaction();
    }
    int copied = 0;
    int attempt = 0;
    long deadline = System.currentTimeMillis() + 60_000;
    while (copied < count) {
      expect(System.currentTimeMillis() < deadline, "only " + copied + " are copied");
      try (KafkaConsumer<String, String> consumer = newConsumer("java-copy", "read_committed");
          KafkaProducer<String, String> producer = newProducer("java-copy")) {
        producer.initTransactions();
        consumer.subscribe(List.of("txn-in"));
        for (int steps = 0; steps < 4 && copied < count; ) {
          Map<TopicPartition, OffsetAndMetadata> offsets = new HashMap<>();
          int taken = 0;
          producer.beginTransaction();
          for (ConsumerRecord<String, String> record : consumer.poll(Duration.ofMillis(200))) {
            producer.send(new ProducerRecord<>("txn-out", record.partition(), "k", record.value()));
            offsets.put(new TopicPartition(record.topic(), record.partition()), new OffsetAndMetadata(record.offset() + 1));
            taken++;
          }
          if (taken == 0) {
            producer.abortTransaction();
            expect(System.currentTimeMillis() < deadline, "nothing more comes after " + copied);
            continue;
          }
          producer.sendOffsetsToTransaction(offsets, consumer.groupMetadata());
          if (attempt++ % 3 == 0) {
            producer.abortTransaction();
            break;
          }
          producer.commitTransaction();
          copied += taken;
          steps++;
        }
      }
    }
    List<String> out = read("txn-out", "read_committed");
    expect(out.equals(read("txn-in", "read_committed")), "the copy differs: " + out);
  }

  private static void fencing() throws Exception {
    create("txn-fence");
    try (KafkaProducer<String, String> first = newProducer("java-fence"); KafkaProducer<String, String> second = newProducer("java-fence")) {
      first.initTransactions();
      first.beginTransaction();
      first.send(new ProducerRecord<>("txn-fence", 0, "k", "first")).get();
      second.initTransactions();
      try {
        first.send(new ProducerRecord<>("txn-fence", 0, "k", "late")).get();
        throw new AssertionError("a fenced producer can write");
      } catch (ExecutionException fenced) {
        boolean expected = fenced.getCause() instanceof InvalidProducerEpochException || fenced.getCause() instanceof ProducerFencedException;
        expect(expected, "fenced by " + fenced.getCause());
      }
      try {
        first.commitTransaction();
        throw new AssertionError("a fenced producer can commit");
      } catch (KafkaException fenced) {
        // ProducerFencedException, or that the producer is in a fatal state.
      }
      second.beginTransaction();
      second.send(new ProducerRecord<>("txn-fence", 0, "k", "second")).get();
      second.commitTransaction();
      expect(read("txn-fence", "read_committed").equals(List.of("second")), "only the second's: " + read("txn-fence", "read_committed"));
    }
  }

  private static TransactionDescription describe(Admin admin, String id) throws Exception {
    return admin.describeTransactions(List.of(id)).description(id).get();
  }

  /** The broker aborts what is open for too long; its producer may abort and go on. */
  private static void timeOut() throws Exception {
    create("txn-slow");
    try (Admin admin = newAdmin(); KafkaProducer<String, String> producer = newProducer("java-slow", "transaction.timeout.ms", "1000")) {
      producer.initTransactions();
      producer.beginTransaction();
      producer.send(new ProducerRecord<>("txn-slow", 0, "k", "slow")).get();
      long deadline = System.currentTimeMillis() + 30_000;
      while (describe(admin, "java-slow").state() == TransactionState.ONGOING) {
        expect(System.currentTimeMillis() < deadline, "it is never aborted");
        Thread.sleep(20);
      }
      expect(describe(admin, "java-slow").state() == TransactionState.COMPLETE_ABORT, "it is aborted");
      try {
        producer.send(new ProducerRecord<>("txn-slow", 0, "k", "late")).get();
        throw new AssertionError("a record of an aborted transaction is taken");
      } catch (ExecutionException late) {
        expect(late.getCause() instanceof InvalidProducerEpochException, "late is " + late.getCause());
      }
      producer.abortTransaction();
      producer.beginTransaction();
      producer.send(new ProducerRecord<>("txn-slow", 0, "k", "again")).get();
      producer.commitTransaction();
      expect(read("txn-slow", "read_committed").equals(List.of("again")), "only what was committed");
      producer.beginTransaction();
      producer.send(new ProducerRecord<>("txn-slow", 0, "k", "slow too")).get();
      while (describe(admin, "java-slow").state() == TransactionState.ONGOING) {
        Thread.sleep(20);
      }
      try {
        producer.commitTransaction();
        throw new AssertionError("an aborted transaction can be committed");
      } catch (InvalidTxnStateException expected) {
        // So it is with Kafka.
      }
    }
  }

  private static void admin() throws Exception {
    create("txn-admin");
    TopicPartition partition = new TopicPartition("txn-admin", 1);
    try (Admin admin = newAdmin(); KafkaProducer<String, String> producer = newProducer("java-admin-one")) {
      producer.initTransactions();
      producer.beginTransaction();
      producer.send(new ProducerRecord<>("txn-admin", 1, "k", "held")).get();
      TransactionDescription described = describe(admin, "java-admin-one");
      expect(described.state() == TransactionState.ONGOING && described.topicPartitions().contains(partition), "described: " + described);
      TransactionListing listed = admin.listTransactions(new ListTransactionsOptions().filterStates(List.of(TransactionState.ONGOING)))
          .all().get().stream().filter(listing -> listing.transactionalId().equals("java-admin-one")).findFirst().orElseThrow();
      expect(listed.producerId() == described.producerId(), "listed: " + listed);
      expect(admin.listTransactions(new ListTransactionsOptions().filterOnTransactionalIdPattern("java-adm.*")).all().get().size() == 1, "listed by pattern");
      ProducerState state = admin.describeProducers(List.of(partition)).partitionResult(partition).get().activeProducers().get(0);
      expect(state.producerId() == described.producerId() && state.currentTransactionStartOffset().getAsLong() == 0, "active: " + state);
      expect(read("txn-admin", "read_committed").isEmpty(), "held up");
      admin.abortTransaction(new AbortTransactionSpec(partition, state.producerId(), (short) (state.producerEpoch() + 1), 0)).all().get();
      state = admin.describeProducers(List.of(partition)).partitionResult(partition).get().activeProducers().get(0);
      expect(state.currentTransactionStartOffset().isEmpty(), "no longer open: " + state);
      admin.fenceProducers(List.of("java-admin-one", "java-never-used")).all().get();
      expect(describe(admin, "java-admin-one").state() != TransactionState.ONGOING, "fenced");
      expect(describe(admin, "java-never-used").state() == TransactionState.EMPTY, "made by fencing");
      try {
        producer.commitTransaction();
        throw new AssertionError("a fenced producer can commit");
      } catch (KafkaException fenced) {
        // As it should be.
      }
    }
  }
}
