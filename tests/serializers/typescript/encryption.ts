// Client-side field encryption with @confluentinc/schemaregistry: rules and keys come from the registry. Prints `ok NAME` a
// check. Argument: the registry's URL, whose server knows the local KMS's secret.

import assert from "node:assert/strict";
import {
  AvroDeserializer,
  AvroSerializer,
  FieldEncryptionExecutor,
  LocalKmsDriver,
  RuleMode,
  RuleRegistry,
  SchemaRegistryClient,
  SerdeType,
} from "@confluentinc/schemaregistry";

const [registry] = process.argv.slice(2);
LocalKmsDriver.register();

/** Serializer and deserializer of a client that knows the secret, or does not. */
function client(secret?: string) {
  const rules = () => {
    const rules = new RuleRegistry();
    rules.registerExecutor(new FieldEncryptionExecutor());
    return rules;
  };
  const ruleConfig: Record<string, string> = secret === undefined ? {} : { secret };
  const connection = new SchemaRegistryClient({ baseURLs: [registry] });
  const writing = { autoRegisterSchemas: false, useLatestVersion: true, ruleConfig };
  return {
    connection,
    serializer: new AvroSerializer(connection, SerdeType.VALUE, writing, rules()),
    deserializer: new AvroDeserializer(connection, SerdeType.VALUE, { ruleConfig }, rules()),
  };
}

const schema = JSON.stringify({
  type: "record",
  name: "Patient",
  fields: [
    { name: "id", type: "string" },
    { name: "name", type: "string", "confluent:tags": ["PII"] },
  ],
});

async function register(topic: string, kek: string, algorithm: string): Promise<void> {
  const rule = {
    name: "encrypt",
    kind: "TRANSFORM",
    mode: RuleMode.WRITEREAD,
    type: "ENCRYPT",
    tags: ["PII"],
    params: {
      "encrypt.kek.name": kek,
      "encrypt.kms.type": "local-kms",
      "encrypt.kms.key.id": "key",
      "encrypt.dek.algorithm": algorithm,
    },
    onFailure: "ERROR,ERROR",
  };
  const ruleSet = { domainRules: [rule] };
  await client().connection.register(`${topic}-value`, { schema, schemaType: "AVRO", ruleSet });
}

async function post(path: string, body: unknown): Promise<void> {
  const headers = { "content-type": "application/json" };
  const answer = await fetch(registry + path, { method: "POST", headers, body: JSON.stringify(body) });
  assert.equal(answer.status, 200, await answer.text());
}

const patient = { id: "p1", name: "Ada Lovelace" };

async function roundTrip(topic: string, writer?: string, reader?: string): Promise<void> {
  const bytes = await client(writer).serializer.serialize(topic, { ...patient });
  assert.ok(!bytes.toString("latin1").includes("Lovelace"), "the name is not on the wire");
  assert.deepEqual({ ...(await client(reader).deserializer.deserialize(topic, bytes)) }, patient);
}

// The client has the KMS; the registry keeps what it cannot read.
await register("own", "own-kek", "AES256_GCM");
await roundTrip("own", "mysecret", "mysecret");
const bytes = await client("mysecret").serializer.serialize("own", { ...patient });
const ignorant = new AvroDeserializer(client().connection, SerdeType.VALUE, {}, new RuleRegistry());
await assert.rejects(ignorant.deserialize("own", bytes), "who cannot decrypt cannot read");
console.log("ok own");

await register("siv", "siv-kek", "AES256_SIV");
await roundTrip("siv", "mysecret", "mysecret");
console.log("ok deterministic");

// A shared key: the registry has the KMS, clients need no secret.
await post("/dek-registry/v1/keks", { name: "shared-kek", kmsType: "local-kms", kmsKeyId: "key", shared: true });
await register("shared", "shared-kek", "AES256_GCM");
await roundTrip("shared");
console.log("ok shared");
process.exit(0);
