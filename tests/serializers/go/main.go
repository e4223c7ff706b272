// confluent-kafka-go's serializers as a line server: `write FORMAT TOPIC` answers the bytes in hex,
// `read FORMAT TOPIC HEX` the order in JSON. Arguments: the registry's URL, the folder of the schemas, the compiled
// `order.proto` with its imports.
package main

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/confluentinc/confluent-kafka-go/v2/schemaregistry"
	"github.com/confluentinc/confluent-kafka-go/v2/schemaregistry/serde"
	"github.com/confluentinc/confluent-kafka-go/v2/schemaregistry/serde/avrov2"
	"github.com/confluentinc/confluent-kafka-go/v2/schemaregistry/serde/jsonschema"
	"github.com/confluentinc/confluent-kafka-go/v2/schemaregistry/serde/protobuf"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
)

type customer struct {
	Name string  `json:"name" avro:"name"`
	City *string `json:"city" avro:"city"`
}

type order struct {
	ID       string   `json:"id" avro:"id"`
	By       string   `json:"by" avro:"by"`
	Quantity int      `json:"quantity" avro:"quantity"`
	Customer customer `json:"customer" avro:"customer"`
}

var client schemaregistry.Client

func main() {
	var err error
	client, err = schemaregistry.NewClient(schemaregistry.NewConfig(os.Args[1]))
	check(err)
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		words := strings.Fields(lines.Text())
		if words[0] == "write" {
			fmt.Println(hex.EncodeToString(write(words[1], words[2])))
		} else {
			payload, err := hex.DecodeString(words[3])
			check(err)
			fmt.Println(read(words[1], words[2], payload))
		}
	}
	check(lines.Err())
}

func write(format, topic string) []byte {
	city := "Köln"
	value := order{"o-go", "go", 3, customer{"Zoë", &city}}
	var bytes []byte
	var err error
	switch format {
	case "avro":
		register("AVRO", "avsc", "shop.Customer", topic)
		config := avrov2.NewSerializerConfig()
		config.AutoRegisterSchemas, config.UseLatestVersion = false, true
		serializer, problem := avrov2.NewSerializer(client, serde.ValueSerde, config)
		check(problem)
		bytes, err = serializer.Serialize(topic, &value)
	case "json":
		register("JSON", "json", "customer.json", topic)
		config := jsonschema.NewSerializerConfig()
		config.AutoRegisterSchemas, config.UseLatestVersion, config.EnableValidation = false, true, true
		serializer, problem := jsonschema.NewSerializer(client, serde.ValueSerde, config)
		check(problem)
		bytes, err = serializer.Serialize(topic, &value)
	default:
		text, problem := json.Marshal(value)
		check(problem)
		message := dynamicpb.NewMessage(orderDescriptor())
		check(protojson.Unmarshal(text, message))
		serializer, problem := protobuf.NewSerializer(client, serde.ValueSerde, protobuf.NewSerializerConfig())
		check(problem)
		bytes, err = serializer.Serialize(topic, message)
	}
	check(err)
	return bytes
}

func read(format, topic string, payload []byte) string {
	switch format {
	case "avro":
		deserializer, err := avrov2.NewDeserializer(client, serde.ValueSerde, avrov2.NewDeserializerConfig())
		check(err)
		var value order
		check(deserializer.DeserializeInto(topic, payload, &value))
		return text(value)
	case "json":
		deserializer, err := jsonschema.NewDeserializer(client, serde.ValueSerde, jsonschema.NewDeserializerConfig())
		check(err)
		var value order
		check(deserializer.DeserializeInto(topic, payload, &value))
		return text(value)
	default:
		deserializer, err := protobuf.NewDeserializer(client, serde.ValueSerde, protobuf.NewDeserializerConfig())
		check(err)
		message := dynamicpb.NewMessage(orderDescriptor())
		check(deserializer.ProtoRegistry.RegisterMessage(dynamicpb.NewMessageType(orderDescriptor())))
		check(deserializer.DeserializeInto(topic, payload, message))
		bytes, err := protojson.Marshal(message)
		check(err)
		return string(bytes)
	}
}

// register puts the customer's schema and the order's, which refers to it, into the registry.
func register(language, file, name, topic string) {
	_, err := client.Register("customer-"+file, schemaregistry.SchemaInfo{Schema: schema("customer." + file), SchemaType: language}, false)
	check(err)
	reference := schemaregistry.Reference{Name: name, Subject: "customer-" + file, Version: 1}
	info := schemaregistry.SchemaInfo{Schema: schema("order." + file), SchemaType: language, References: []schemaregistry.Reference{reference}}
	_, err = client.Register(topic+"-value", info, false)
	check(err)
}

func schema(file string) string {
	text, err := os.ReadFile(filepath.Join(os.Args[2], file))
	check(err)
	return string(text)
}

var compiled protoreflect.MessageDescriptor

func orderDescriptor() protoreflect.MessageDescriptor {
	if compiled == nil {
		bytes, err := os.ReadFile(os.Args[3])
		check(err)
		var set descriptorpb.FileDescriptorSet
		check(proto.Unmarshal(bytes, &set))
		files, err := protodesc.NewFiles(&set)
		check(err)
		// The serializer asks the global registry for imports.
		files.RangeFiles(func(file protoreflect.FileDescriptor) bool {
			if _, err := protoregistry.GlobalFiles.FindFileByPath(file.Path()); err != nil {
				check(protoregistry.GlobalFiles.RegisterFile(file))
			}
			return true
		})
		found, err := files.FindDescriptorByName("shop.Order")
		check(err)
		compiled = found.(protoreflect.MessageDescriptor)
	}
	return compiled
}

func text(value order) string {
	bytes, err := json.Marshal(value)
	check(err)
	return string(bytes)
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "go:", err)
		os.Exit(1)
	}
}
