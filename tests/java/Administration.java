import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.FeatureUpdate;
import org.apache.kafka.clients.admin.LogDirDescription;
import org.apache.kafka.clients.admin.NewPartitionReassignment;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.QuorumInfo;
import org.apache.kafka.clients.admin.UpdateFeaturesOptions;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.ElectionType;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.TopicPartitionInfo;
import org.apache.kafka.common.TopicPartitionReplica;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.ElectionNotNeededException;
import org.apache.kafka.common.errors.InvalidConfigurationException;
import org.apache.kafka.common.errors.InvalidReplicaAssignmentException;
import org.apache.kafka.common.errors.InvalidRequestException;
import org.apache.kafka.common.errors.InvalidUpdateVersionException;
import org.apache.kafka.common.errors.LogDirNotFoundException;
import org.apache.kafka.common.errors.NoReassignmentInProgressException;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;
import org.apache.kafka.common.quota.ClientQuotaAlteration;
import org.apache.kafka.common.quota.ClientQuotaEntity;
import org.apache.kafka.common.quota.ClientQuotaFilter;
import org.apache.kafka.common.quota.ClientQuotaFilterComponent;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * What administrators do with the Java client, on a cluster of three brokers. Prints a line a check; exits with 1 at the
 * first that fails.
 */
public final class Administration {
  private static String bootstrap;
  private static Admin admin;

  interface Check {
    void run() throws Exception;
  }

  public static void main(String[] args) throws Exception {
    bootstrap = args[0];
    admin = Admin.create(Map.of("bootstrap.servers", bootstrap, "default.api.timeout.ms", "20000", "request.timeout.ms", "10000"));
    Map<String, Check> checks = new LinkedHashMap<>();
    checks.put("cluster", Administration::cluster);
    checks.put("reassignments and elections", Administration::reassignments);
    checks.put("log folders", Administration::logDirs);
    checks.put("quorum and features", Administration::quorumAndFeatures);
    checks.put("settings of brokers and groups", Administration::settings);
    checks.put("quotas", Administration::quotas);
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

  private static List<TopicPartitionInfo> partitions(String topic) throws Exception {
    return admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic).partitions();
  }

  private static List<Integer> replicas(String topic, int partition) throws Exception {
    return partitions(topic).get(partition).replicas().stream().map(node -> node.id()).collect(Collectors.toList());
  }

  private static void cluster() throws Exception {
    expect(admin.describeCluster().nodes().get().stream().map(node -> node.id()).collect(Collectors.toSet()).equals(Set.of(1, 2, 3)), "three brokers");
    admin.createTopics(List.of(new NewTopic("admin-three", 6, (short) 3))).all().get();
    Set<Integer> leaders = partitions("admin-three").stream().map(info -> info.leader().id()).collect(Collectors.toSet());
    expect(leaders.equals(Set.of(1, 2, 3)), "leaders are spread: " + leaders);
    expect(partitions("admin-three").stream().allMatch(info -> info.replicas().size() == 3 && info.isr().size() == 3), "three replicas in sync");
    try (KafkaProducer<String, String> producer = newProducer(Map.of("acks", "all"))) {
      for (int i = 0; i < 60; i++) {
        expect(producer.send(new ProducerRecord<>("admin-three", i % 6, "k", "v")).get().offset() == i / 6, "written to each leader");
      }
    }
  }

  private static KafkaProducer<String, String> newProducer(Map<String, Object> extra) {
    Map<String, Object> properties = new HashMap<>(extra);
    properties.put("bootstrap.servers", bootstrap);
    return new KafkaProducer<>(properties, new StringSerializer(), new StringSerializer());
  }

  private static void reassign(TopicPartition partition, Class<? extends Throwable> expected, Integer... ids) throws Exception {
    Future<?> done = admin.alterPartitionReassignments(Map.of(partition, ids.length == 0
        ? Optional.empty() : Optional.of(new NewPartitionReassignment(List.of(ids))))).all();
    if (expected == null) {
      done.get();
    } else {
      refused(done, expected);
    }
  }

  private static void reassignments() throws Exception {
    admin.createTopics(List.of(new NewTopic("admin-moved", Map.of(0, List.of(1, 2), 1, List.of(2, 3))))).all().get();
    TopicPartition first = new TopicPartition("admin-moved", 0);
    expect(replicas("admin-moved", 0).equals(List.of(1, 2)) && replicas("admin-moved", 1).equals(List.of(2, 3)), "as assigned");
    reassign(first, null, 3, 1);
    expect(replicas("admin-moved", 0).equals(List.of(3, 1)), "moved: " + replicas("admin-moved", 0));
    reassign(first, InvalidReplicaAssignmentException.class, 9);
    reassign(first, InvalidReplicaAssignmentException.class, 1, 1);
    reassign(first, NoReassignmentInProgressException.class);
    reassign(new TopicPartition("admin-nowhere", 0), UnknownTopicOrPartitionException.class, 1);
    expect(admin.listPartitionReassignments().reassignments().get().isEmpty(), "none is under way");
    Optional<Throwable> election = admin.electLeaders(ElectionType.PREFERRED, Set.of(first)).partitions().get().get(first);
    expect(election.get() instanceof ElectionNotNeededException, "elected: " + election);
    expect(admin.electLeaders(ElectionType.PREFERRED, null).partitions().get().isEmpty(), "no election is needed");
  }

  private static void logDirs() throws Exception {
    Map<Integer, Map<String, LogDirDescription>> described = admin.describeLogDirs(List.of(1, 2, 3)).allDescriptions().get();
    TopicPartition partition = new TopicPartition("admin-three", 0);
    for (Map<String, LogDirDescription> dirs : described.values()) {
      LogDirDescription dir = dirs.values().iterator().next();
      expect(dir.replicaInfos().get(partition).size() > 0, "what the partition takes");
      expect(dir.totalBytes().getAsLong() >= dir.usableBytes().getAsLong(), "what the disk has");
    }
    String dir = described.get(1).keySet().iterator().next();
    TopicPartitionReplica replica = new TopicPartitionReplica("admin-three", 0, 1);
    admin.alterReplicaLogDirs(Map.of(replica, dir)).all().get();
    refused(admin.alterReplicaLogDirs(Map.of(replica, "/nowhere")).all(), LogDirNotFoundException.class);
  }

  private static void quorumAndFeatures() throws Exception {
    QuorumInfo quorum = admin.describeMetadataQuorum().quorumInfo().get();
    expect(quorum.leaderId() == 1 && quorum.voters().size() == 1 && quorum.observers().size() == 2, "quorum: " + quorum);
    expect(admin.describeFeatures().featureMetadata().get().finalizedFeatures().get("transaction.version").maxVersionLevel() == 2, "features");
    UpdateFeaturesOptions dry = new UpdateFeaturesOptions().validateOnly(true);
    admin.updateFeatures(Map.of("transaction.version", new FeatureUpdate((short) 1, FeatureUpdate.UpgradeType.SAFE_DOWNGRADE)), dry).all().get();
    refused(admin.updateFeatures(Map.of("transaction.version", new FeatureUpdate((short) 9, FeatureUpdate.UpgradeType.UPGRADE)), dry).all(), InvalidUpdateVersionException.class);
    refused(admin.updateFeatures(Map.of("no.such.feature", new FeatureUpdate((short) 1, FeatureUpdate.UpgradeType.UPGRADE)), dry).all(), InvalidUpdateVersionException.class);
  }

  private static Future<?> alter(ConfigResource resource, String name, String value) {
    AlterConfigOp.OpType type = value == null ? AlterConfigOp.OpType.DELETE : AlterConfigOp.OpType.SET;
    return admin.incrementalAlterConfigs(Map.of(resource, List.of(new AlterConfigOp(new ConfigEntry(name, value), type)))).all();
  }

  private static ConfigEntry entry(ConfigResource resource, String name) throws Exception {
    return admin.describeConfigs(List.of(resource)).all().get().get(resource).get(name);
  }

  private static void settings() throws Exception {
    ConfigResource topic = new ConfigResource(ConfigResource.Type.TOPIC, "admin-three");
    ConfigResource all = new ConfigResource(ConfigResource.Type.BROKER, "");
    ConfigResource one = new ConfigResource(ConfigResource.Type.BROKER, "1");
    ConfigResource group = new ConfigResource(ConfigResource.Type.GROUP, "admin-group");
    alter(all, "log.retention.ms", "123456789").get();
    expect(entry(topic, "retention.ms").value().equals("123456789"), "a default for all topics: " + entry(topic, "retention.ms"));
    expect(entry(topic, "retention.ms").source() == ConfigEntry.ConfigSource.DYNAMIC_DEFAULT_BROKER_CONFIG, "and where it comes from");
    alter(all, "log.retention.ms", null).get();
    expect(entry(topic, "retention.ms").isDefault(), "default again");
    refused(alter(one, "num.partitions", "5"), InvalidRequestException.class);
    expect(entry(one, "num.partitions").isReadOnly(), "read only");
    refused(alter(topic, "retention.ms", "soon"), InvalidConfigurationException.class);
    alter(group, "consumer.session.timeout.ms", "50000").get();
    expect(entry(group, "consumer.session.timeout.ms").value().equals("50000"), "of the group");
    Set<String> groups = admin.listConfigResources(Set.of(ConfigResource.Type.GROUP), new org.apache.kafka.clients.admin.ListConfigResourcesOptions())
        .all().get().stream().map(ConfigResource::name).collect(Collectors.toSet());
    expect(groups.contains("admin-group"), "listed: " + groups);
  }

  private static Future<?> quota(Map<String, String> entity, String key, Double value) {
    ClientQuotaAlteration.Op op = new ClientQuotaAlteration.Op(key, value);
    return admin.alterClientQuotas(List.of(new ClientQuotaAlteration(new ClientQuotaEntity(entity), List.of(op)))).all();
  }

  private static void quotas() throws Exception {
    Map<String, String> client = Map.of("client-id", "slow");
    quota(client, "producer_byte_rate", 20_000.0).get();
    refused(quota(client, "producer_byte_rate", 1.5), InvalidRequestException.class);
    refused(quota(client, "no_such_rate", 1.0), InvalidRequestException.class);
    ClientQuotaFilter filter = ClientQuotaFilter.contains(List.of(ClientQuotaFilterComponent.ofEntity("client-id", "slow")));
    expect(admin.describeClientQuotas(filter).entities().get().get(new ClientQuotaEntity(client)).get("producer_byte_rate") == 20_000.0, "described");
    try (KafkaProducer<String, String> producer = newProducer(Map.of("client.id", "slow", "batch.size", 0))) {
      for (int i = 0; i < 25; i++) {
        producer.send(new ProducerRecord<>("admin-three", 0, "k", "x".repeat(10_000)));
      }
      producer.flush();
      double throttled = producer.metrics().entrySet().stream()
          .filter(metric -> metric.getKey().name().equals("produce-throttle-time-max"))
          .mapToDouble(metric -> (Double) metric.getValue().metricValue()).max().orElse(0);
      expect(throttled > 0, "the client was told to wait");
    }
    quota(client, "producer_byte_rate", null).get();
    expect(admin.describeClientQuotas(filter).entities().get().isEmpty(), "removed");
  }
}
