//! Confluent's serializers in four languages over one broker and one registry: each reads what the others wrote, with
//! references, before and after the server was killed; and every call of their Java registry client.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{Offset, TopicPartitionList};
use rivulet_tests::{Server, client_folder, run, workspace};
use serde_json::{Value as Json, json};

const FORMATS: [&str; 3] = ["avro", "json", "protobuf"];

/// A program that answers lines, one language's serializers behind it.
struct Language {
    name: &'static str,
    formats: &'static [&'static str],
    program: Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Language {
    fn start(name: &'static str, registry: &str) -> Language {
        let folder = |name: &str| client_folder("serializers").join(name);
        let mut command = match name {
            "python" => {
                let mut command = Command::new(client_folder("python").join("bin/python"));
                command.arg(workspace().join("tests/serializers/serializers.py"));
                command
            }
            "go" => Command::new(folder("go").join("serializers")),
            "typescript" => {
                let mut command = Command::new("node");
                command.arg(folder("typescript").join("out/serializers.js"));
                command
            }
            _ => java("Serializers"),
        };
        command.arg(registry).arg(workspace().join("tests/serializers/schemas"));
        command.arg(folder("schemas").join("order.desc"));
        let mut program = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        Language {
            name,
            formats: if name == "java" {
                &["avro", "protobuf"]
            } else {
                &FORMATS
            },
            questions: program.stdin.take().expect("stdin is piped"),
            answers: BufReader::new(program.stdout.take().expect("stdout is piped")),
            program,
        }
    }

    fn ask(&mut self, question: &str) -> String {
        writeln!(self.questions, "{question}").unwrap_or_else(|error| panic!("{}: {error}", self.name));
        let mut answer = String::new();
        self.answers
            .read_line(&mut answer)
            .unwrap_or_else(|error| panic!("{}: {error}", self.name));
        assert!(!answer.is_empty(), "{} ended at `{question}`", self.name);
        answer.trim_end().to_owned()
    }
}

impl Drop for Language {
    fn drop(&mut self) {
        // It ends with its stdin anyhow.
        if self.program.kill().is_ok() && self.program.wait().is_err() {
            eprintln!("{} could not be waited for", self.name);
        }
    }
}

fn java(class: &str) -> Command {
    let folder = client_folder("serializers").join("java");
    let classpath = format!(
        "{}:{}/*",
        folder.join("classes").display(),
        folder.join("jars").display()
    );
    let mut command = Command::new("java");
    command.args(["-Xmx256m", "-cp", &classpath, class]);
    command
}

fn languages(registry: &str) -> Vec<Language> {
    ["python", "go", "typescript", "java"]
        .into_iter()
        .map(|name| Language::start(name, registry))
        .collect()
}

fn topic_of(format: &str) -> String {
    format!("orders-{format}")
}

/// Everybody reads every record of every topic.
fn read_all(server: &Server, written: &[(&'static str, &'static str)]) {
    let mut languages = languages(&server.registry);
    for format in FORMATS {
        let topic = topic_of(format);
        let writers: Vec<&str> = written
            .iter()
            .filter(|(one, _)| *one == format)
            .map(|(_, by)| *by)
            .collect();
        let values = consume(server, &topic, writers.len());
        for language in languages
            .iter_mut()
            .filter(|language| language.formats.contains(&format))
        {
            for (by, value) in writers.iter().zip(&values) {
                let answer = language.ask(&format!("read {format} {topic} {}", hex(value)));
                let order: Json = serde_json::from_str(&answer)
                    .unwrap_or_else(|error| panic!("{} read {format} of {by}: {error}: {answer}", language.name));
                let wanted = json!({
                    "id": format!("o-{by}"), "by": by, "quantity": 3, "customer": {"name": "Zoë", "city": "Köln"},
                });
                assert_eq!(order, wanted, "{} read {format} of {by}", language.name);
            }
        }
    }
}

#[test]
fn each_language_reads_what_the_others_wrote() {
    let mut server = Server::start();
    for format in FORMATS {
        let validated = "confluent.value.schema.validation=true";
        server.rivulet_ok(&["topic", "create", &topic_of(format), "--setting", validated]);
    }
    let mut written = Vec::new();
    for mut language in languages(&server.registry) {
        for format in language.formats {
            let topic = topic_of(format);
            let value = unhex(&language.ask(&format!("write {format} {topic}")));
            produce(&server, &topic, &value);
            written.push((*format, language.name));
        }
    }
    assert_eq!(written.len(), 11, "{written:?}");
    // Whoever wrote it, it is the same schema: nobody made a second version. Of a `.proto` file some send the text and
    // some a descriptor, in which names are qualified; without `normalize` these are versions, in any registry.
    for format in ["avro", "json"] {
        let path = format!("/subjects/{}-value/versions", topic_of(format));
        assert_eq!(get(&server, &path), "[1]", "{format}");
    }
    read_all(&server, &written);
    server.kill();
    server.restart();
    read_all(&server, &written);
}

#[test]
fn every_call_of_the_java_registry_client() {
    let server = Server::start();
    let printed = run(java("RegistryClient").arg(&server.registry));
    assert_eq!(
        printed.lines().filter(|line| line.starts_with("ok ")).count(),
        7,
        "{printed}"
    );
}

/// Client-side field encryption: rules and keys come from our registry.
#[test]
fn fields_are_encrypted_with_keys_of_ours() {
    let server = Server::start_with(&["--local-kms-secret", "mysecret"]);
    let program = client_folder("serializers").join("typescript/out/encryption.js");
    let printed = run(Command::new("node").arg(program).arg(&server.registry));
    assert_eq!(
        printed.lines().filter(|line| line.starts_with("ok ")).count(),
        3,
        "{printed}"
    );
}

fn settings(server: &Server) -> ClientConfig {
    let mut settings = ClientConfig::new();
    settings.set("bootstrap.servers", &server.kafka);
    settings
}

fn produce(server: &Server, topic: &str, value: &[u8]) {
    let producer: BaseProducer = settings(server).create().expect("a producer");
    producer
        .send(BaseRecord::<(), [u8]>::to(topic).payload(value))
        .unwrap_or_else(|(error, _)| panic!("{topic}: {error}"));
    producer
        .flush(Duration::from_secs(20))
        .unwrap_or_else(|error| panic!("{topic}: {error}"));
}

fn consume(server: &Server, topic: &str, count: usize) -> Vec<Vec<u8>> {
    let consumer: BaseConsumer = settings(server).set("group.id", "reader").create().expect("a consumer");
    let mut place = TopicPartitionList::new();
    place
        .add_partition_offset(topic, 0, Offset::Beginning)
        .expect("a place to read from");
    consumer.assign(&place).expect("the partition is assigned");
    (0..count)
        .map(|_| {
            let message = consumer
                .poll(Duration::from_secs(20))
                .unwrap_or_else(|| panic!("{topic}: no record came"))
                .unwrap_or_else(|error| panic!("{topic}: {error}"));
            message.payload().unwrap_or_default().to_vec()
        })
        .collect()
}

fn get(server: &Server, path: &str) -> String {
    run(Command::new("curl")
        .args(["--silent", "--fail"])
        .arg(format!("{}{path}", server.registry)))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len() / 2)
        .map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap_or_else(|error| panic!("{text}: {error}")))
        .collect()
}
