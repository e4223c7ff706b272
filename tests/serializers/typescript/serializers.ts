// @confluentinc/schemaregistry's serializers as a line server: `write FORMAT TOPIC` answers the bytes in hex,
// `read FORMAT TOPIC HEX` the order in JSON. Arguments: the registry's URL, the folder of the schemas, the compiled
// `order.proto` with its imports.

import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { createFileRegistry, createMutableRegistry, fromBinary, fromJson, toJson } from "@bufbuild/protobuf";
import type { DescMessage, FileRegistry } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import {
  AvroDeserializer,
  AvroSerializer,
  JsonDeserializer,
  JsonSerializer,
  ProtobufDeserializer,
  ProtobufSerializer,
  SchemaRegistryClient,
  SerdeType,
} from "@confluentinc/schemaregistry";

const [registry, schemas, compiled] = process.argv.slice(2);
const client = new SchemaRegistryClient({ baseURLs: [registry] });
const order = { id: "o-typescript", by: "typescript", quantity: 3, customer: { name: "Zoë", city: "Köln" } };
const latest = { autoRegisterSchemas: false, useLatestVersion: true };

const text = (file: string) => readFileSync(`${schemas}/${file}`, "utf8");
const files: FileRegistry = createFileRegistry(fromBinary(FileDescriptorSetSchema, readFileSync(compiled)));
const orderType = files.getMessage("shop.Order") as DescMessage;

/** Puts the customer's schema and the order's, which refers to it, into the registry. */
async function register(schemaType: string, file: string, name: string, topic: string): Promise<void> {
  await client.register(`customer-${file}`, { schema: text(`customer.${file}`), schemaType });
  const references = [{ name, subject: `customer-${file}`, version: 1 }];
  await client.register(`${topic}-value`, { schema: text(`order.${file}`), schemaType, references });
}

async function write(format: string, topic: string): Promise<Buffer> {
  switch (format) {
    case "avro":
      await register("AVRO", "avsc", "shop.Customer", topic);
      return new AvroSerializer(client, SerdeType.VALUE, latest).serialize(topic, order);
    case "json":
      await register("JSON", "json", "customer.json", topic);
      return new JsonSerializer(client, SerdeType.VALUE, { ...latest, validate: true }).serialize(topic, order);
    default: {
      const types = createMutableRegistry(...files);
      const serializer = new ProtobufSerializer(client, SerdeType.VALUE, { registry: types, autoRegisterSchemas: true });
      return serializer.serialize(topic, fromJson(orderType, order));
    }
  }
}

async function read(format: string, topic: string, payload: Buffer): Promise<unknown> {
  switch (format) {
    case "avro":
      return new AvroDeserializer(client, SerdeType.VALUE, {}).deserialize(topic, payload);
    case "json":
      return new JsonDeserializer(client, SerdeType.VALUE, { validate: true }).deserialize(topic, payload);
    default:
      return toJson(orderType, await new ProtobufDeserializer(client, SerdeType.VALUE, {}).deserialize(topic, payload));
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  const [verb, format, topic, hex] = line.split(" ");
  if (verb === "write") {
    console.log((await write(format, topic)).toString("hex"));
  } else {
    console.log(JSON.stringify(await read(format, topic, Buffer.from(hex, "hex"))));
  }
}
