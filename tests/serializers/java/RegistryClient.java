import io.confluent.kafka.schemaregistry.ParsedSchema;
import io.confluent.kafka.schemaregistry.SchemaProvider;
import io.confluent.kafka.schemaregistry.avro.AvroSchema;
import io.confluent.kafka.schemaregistry.avro.AvroSchemaProvider;
import io.confluent.kafka.schemaregistry.client.CachedSchemaRegistryClient;
import io.confluent.kafka.schemaregistry.client.rest.RestService;
import io.confluent.kafka.schemaregistry.client.rest.entities.SchemaReference;
import io.confluent.kafka.schemaregistry.client.rest.entities.requests.ConfigUpdateRequest;
import io.confluent.kafka.schemaregistry.client.rest.exceptions.RestClientException;
import io.confluent.kafka.schemaregistry.protobuf.ProtobufSchema;
import io.confluent.kafka.schemaregistry.protobuf.ProtobufSchemaProvider;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** Every call of Confluent's Java registry client. Prints `ok NAME` a check. Argument: the registry's URL. */
public final class RegistryClient {
  private static final String FIRST = record("");
  private static final String SECOND = record(",{\"name\":\"b\",\"type\":[\"null\",\"string\"],\"default\":null}");
  private static final String BROKEN = record(",{\"name\":\"c\",\"type\":\"string\"}");

  private static CachedSchemaRegistryClient client;
  private static String url;

  private interface Call {
    Object run() throws Exception;
  }

  public static void main(String[] args) throws Exception {
    url = args[0];
    fresh();
    subjects();
    compatibility();
    modes();
    references();
    deletions();
    contexts();
    rest();
    System.exit(0);
  }

  /** A client that remembers nothing. */
  private static void fresh() {
    List<SchemaProvider> providers = List.of(new AvroSchemaProvider(), new ProtobufSchemaProvider());
    client = new CachedSchemaRegistryClient(List.of(url), 100, providers, Map.of());
  }

  private static void subjects() throws Exception {
    int first = client.register("jc-value", new AvroSchema(FIRST));
    int second = client.register("jc-value", new AvroSchema(SECOND), true);
    same(client.register("jc-other", new AvroSchema(FIRST)), first);
    fresh();
    same(client.getSchemaById(second), new AvroSchema(SECOND));
    same(client.getSchemaBySubjectAndId("jc-value", first), new AvroSchema(FIRST));
    same(Set.copyOf(client.getAllSubjectsById(first)), Set.of("jc-value", "jc-other"));
    same(client.getAllVersionsById(first).size(), 2);
    same(client.getLatestSchemaMetadata("jc-value").getVersion(), 2);
    same(client.getSchemaMetadata("jc-value", 1).getId(), first);
    same(client.getByVersion("jc-value", 2, false).getId(), second);
    same(client.getVersion("jc-value", new AvroSchema(SECOND)), 2);
    same(client.getId("jc-value", new AvroSchema(SECOND)), second);
    same(client.getAllVersions("jc-value"), List.of(1, 2));
    same(Set.copyOf(client.getAllSubjectsByPrefix("jc-")), Set.of("jc-value", "jc-other"));
    same(client.getAllSubjects().containsAll(List.of("jc-value", "jc-other")), true);
    same(client.getSchemas("jc-", false, true).size(), 2);
    same(client.getSchemas("jc-", false, false).size(), 3);
    refused(40401, () -> client.getLatestSchemaMetadata("jc-nowhere"));
    refused(40402, () -> client.getSchemaMetadata("jc-value", 9));
    refused(40403, () -> client.getSchemaById(999_999));
    refused(40403, () -> client.getId("jc-value", new AvroSchema(BROKEN)));
    System.out.println("ok subjects");
  }

  private static void compatibility() throws Exception {
    same(client.testCompatibility("jc-value", new AvroSchema(SECOND)), true);
    same(client.testCompatibility("jc-value", new AvroSchema(BROKEN)), false);
    List<String> why = client.testCompatibilityVerbose("jc-value", new AvroSchema(BROKEN));
    same(why.get(0).contains("READER_FIELD_MISSING_DEFAULT_VALUE"), true);
    try {
      client.register("jc-value", new AvroSchema(BROKEN));
      throw new AssertionError("an incompatible schema was accepted");
    } catch (RestClientException refused) {
      same(refused.getStatus(), 409);
    }
    same(client.getCompatibility(null), "BACKWARD");
    refused(40408, () -> client.getCompatibility("jc-value"));
    same(client.updateCompatibility("jc-value", "NONE"), "NONE");
    same(client.getCompatibility("jc-value"), "NONE");
    client.register("jc-value", new AvroSchema(BROKEN));
    client.deleteCompatibility("jc-value");
    refused(40408, () -> client.getCompatibility("jc-value"));
    refused(42203, () -> client.updateCompatibility("jc-value", "SIDEWAYS"));
    System.out.println("ok compatibility");
  }

  private static void modes() throws Exception {
    same(client.getMode(), "READWRITE");
    refused(40409, () -> client.getMode("jc-value"));
    same(client.setMode("READONLY", "jc-value"), "READONLY");
    refused(42205, () -> client.register("jc-value", new AvroSchema("\"int\"")));
    client.deleteMode("jc-value");
    same(client.setMode("IMPORT", "jc-import"), "IMPORT");
    same(client.register("jc-import", new AvroSchema("\"double\""), 7, 4711), 4711);
    same(client.getSchemaMetadata("jc-import", 7).getId(), 4711);
    client.deleteMode("jc-import");
    refused(42205, () -> client.setMode("IMPORT", "jc-value"));
    same(client.setMode("IMPORT", "jc-value", true), "IMPORT");
    client.deleteMode("jc-value");
    refused(42204, () -> client.setMode("SIDEWAYS", "jc-value"));
    System.out.println("ok modes");
  }

  private static void references() throws Exception {
    client.register("jc-part.proto", new ProtobufSchema("syntax = \"proto3\"; package p; message Part { int32 n = 1; }"));
    String whole = "syntax = \"proto3\"; package p; import \"part.proto\"; message Whole { Part part = 1; }";
    var reference = new SchemaReference("part.proto", "jc-part.proto", 1);
    ParsedSchema parsed = client.parseSchema("PROTOBUF", whole, List.of(reference)).orElseThrow();
    int id = client.register("jc-whole", parsed);
    fresh();
    ParsedSchema back = client.getSchemaById(id);
    same(back.references(), List.of(reference));
    same(((ProtobufSchema) back).toDescriptor("p.Whole").findFieldByName("part").getMessageType().getFullName(), "p.Part");
    same(new RestService(url).getReferencedBy("jc-part.proto", 1), List.of(id));
    refused(42206, () -> client.deleteSchemaVersion("jc-part.proto", "1"));
    System.out.println("ok references");
  }

  private static void deletions() throws Exception {
    client.register("jc-gone", new AvroSchema(FIRST));
    client.register("jc-gone", new AvroSchema(SECOND));
    same(client.deleteSchemaVersion("jc-gone", "1"), 1);
    refused(40406, () -> client.deleteSchemaVersion("jc-gone", "1"));
    same(client.getAllVersions("jc-gone"), List.of(2));
    refused(40405, () -> client.deleteSubject("jc-gone", true));
    same(client.deleteSubject("jc-gone"), List.of(2));
    refused(40404, () -> client.deleteSubject("jc-gone"));
    same(new RestService(url).getAllSubjects(true).contains("jc-gone"), true);
    same(client.deleteSchemaVersion("jc-gone", "1", true), 1);
    same(client.deleteSubject("jc-gone", true), List.of(2));
    refused(40401, () -> client.deleteSubject("jc-gone", true));
    System.out.println("ok deletions");
  }

  private static void contexts() throws Exception {
    int id = client.register(":.jc:orders", new AvroSchema("\"long\""));
    same(client.getLatestSchemaMetadata(":.jc:orders").getId(), id);
    same(client.getAllSubjectsByPrefix(":.jc:").toString(), "[:.jc:orders]");
    same(new RestService(url).getAllContexts().contains(".jc"), true);
    System.out.println("ok contexts");
  }

  /** What serializers do not call, but tools do. */
  private static void rest() throws Exception {
    var rest = new RestService(url);
    same(Set.copyOf(rest.getSchemaTypes()), Set.of("AVRO", "JSON", "PROTOBUF"));
    same(rest.getVersionSchemaOnly("jc-value", 1), FIRST);
    same(rest.getLatestVersionSchemaOnly("jc-other"), FIRST);
    same(rest.getAllVersions(RestService.DEFAULT_REQUEST_PROPERTIES, "jc-value", true), List.of(1, 2, 3));
    same(rest.getAllSubjects(true).contains("jc-value"), true);
    same(rest.getClusterId().getScope().containsKey("clusters"), true);
    same(rest.getSchemaRegistryServerVersion().getVersion() != null, true);
    ConfigUpdateRequest full = rest.updateCompatibility("FULL", "jc-value");
    same(full.getCompatibilityLevel(), "FULL");
    same(rest.getConfig("jc-value").getCompatibilityLevel(), "FULL");
    client.deleteCompatibility("jc-value");
    same(rest.getConfig(RestService.DEFAULT_REQUEST_PROPERTIES, "jc-value", true).getCompatibilityLevel(), "BACKWARD");
    System.out.println("ok rest");
  }

  private static String record(String more) {
    return "{\"type\":\"record\",\"name\":\"Jc\",\"fields\":[{\"name\":\"a\",\"type\":\"int\"}" + more + "]}";
  }

  private static void same(Object found, Object wanted) {
    if (!wanted.equals(found)) {
      throw new AssertionError("found " + found + ", wanted " + wanted);
    }
  }

  private static void refused(int code, Call call) throws Exception {
    try {
      Object answer = call.run();
      throw new AssertionError("wanted error " + code + ", got " + answer);
    } catch (RestClientException refused) {
      same(refused.getErrorCode(), code);
    }
  }
}
