import com.google.protobuf.DynamicMessage;
import com.google.protobuf.util.JsonFormat;
import io.confluent.kafka.schemaregistry.ParsedSchema;
import io.confluent.kafka.schemaregistry.SchemaProvider;
import io.confluent.kafka.schemaregistry.avro.AvroSchema;
import io.confluent.kafka.schemaregistry.avro.AvroSchemaProvider;
import io.confluent.kafka.schemaregistry.client.CachedSchemaRegistryClient;
import io.confluent.kafka.schemaregistry.client.SchemaRegistryClient;
import io.confluent.kafka.schemaregistry.client.rest.entities.SchemaReference;
import io.confluent.kafka.schemaregistry.protobuf.ProtobufSchema;
import io.confluent.kafka.schemaregistry.protobuf.ProtobufSchemaProvider;
import io.confluent.kafka.serializers.KafkaAvroDeserializer;
import io.confluent.kafka.serializers.KafkaAvroSerializer;
import io.confluent.kafka.serializers.protobuf.KafkaProtobufDeserializer;
import io.confluent.kafka.serializers.protobuf.KafkaProtobufSerializer;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericData;

/**
 * Confluent's Java serializers as a line server: `write FORMAT TOPIC` answers the bytes in hex, `read FORMAT TOPIC HEX` the
 * order in JSON. Arguments: the registry's URL, the folder of the schemas. JSON Schema is not among these jars.
 */
public final class Serializers {
  private final String registry;
  private final Path schemas;
  private final SchemaRegistryClient client;

  private Serializers(String registry, Path schemas) {
    this.registry = registry;
    this.schemas = schemas;
    List<SchemaProvider> providers = List.of(new AvroSchemaProvider(), new ProtobufSchemaProvider());
    client = new CachedSchemaRegistryClient(List.of(registry), 100, providers, Map.of());
  }

  public static void main(String[] args) throws Exception {
    var out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
    var lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    var serializers = new Serializers(args[0], Path.of(args[1]));
    for (String line = lines.readLine(); line != null; line = lines.readLine()) {
      String[] words = line.split(" ");
      boolean avro = words[1].equals("avro");
      if (words[0].equals("write")) {
        byte[] bytes = avro ? serializers.writeAvro(words[2]) : serializers.writeProtobuf(words[2]);
        out.println(HexFormat.of().formatHex(bytes));
      } else {
        byte[] bytes = HexFormat.of().parseHex(words[3]);
        out.println(avro ? serializers.readAvro(words[2], bytes) : serializers.readProtobuf(words[2], bytes));
      }
    }
    System.exit(0);
  }

  private String text(String file) throws Exception {
    return Files.readString(schemas.resolve(file));
  }

  private byte[] writeAvro(String topic) throws Exception {
    client.register("customer-avsc", new AvroSchema(text("customer.avsc")));
    var reference = new SchemaReference("shop.Customer", "customer-avsc", 1);
    ParsedSchema parsed = client.parseSchema("AVRO", text("order.avsc"), List.of(reference)).orElseThrow();
    client.register(topic + "-value", parsed);
    Schema schema = ((AvroSchema) parsed).rawSchema();
    var customer = new GenericData.Record(schema.getField("customer").schema());
    customer.put("name", "Zoë");
    customer.put("city", "Köln");
    var order = new GenericData.Record(schema);
    order.put("id", "o-java");
    order.put("by", "java");
    order.put("quantity", 3);
    order.put("customer", customer);
    Map<String, Object> settings =
        Map.of("schema.registry.url", registry, "auto.register.schemas", false, "use.latest.version", true);
    try (var serializer = new KafkaAvroSerializer(client, settings)) {
      return serializer.serialize(topic, order);
    }
  }

  private String readAvro(String topic, byte[] bytes) {
    try (var deserializer = new KafkaAvroDeserializer(client)) {
      return deserializer.deserialize(topic, bytes).toString();
    }
  }

  private byte[] writeProtobuf(String topic) throws Exception {
    client.register("customer.proto", new ProtobufSchema(text("customer.proto")));
    var reference = new SchemaReference("customer.proto", "customer.proto", 1);
    var parsed = client.parseSchema("PROTOBUF", text("order.proto"), List.of(reference)).orElseThrow();
    var order = DynamicMessage.newBuilder(((ProtobufSchema) parsed).toDescriptor("shop.Order"));
    String json = "{\"id\":\"o-java\",\"by\":\"java\",\"quantity\":3,\"customer\":{\"name\":\"Zoë\",\"city\":\"Köln\"}}";
    JsonFormat.parser().merge(json, order);
    try (var serializer = new KafkaProtobufSerializer<DynamicMessage>(client, Map.of("schema.registry.url", registry))) {
      return serializer.serialize(topic, order.build());
    }
  }

  private String readProtobuf(String topic, byte[] bytes) throws Exception {
    try (var deserializer = new KafkaProtobufDeserializer<DynamicMessage>(client)) {
      return JsonFormat.printer().omittingInsignificantWhitespace().print(deserializer.deserialize(topic, bytes));
    }
  }
}
