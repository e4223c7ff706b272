//! A push as a JSON record: who pushed, and an entry for each point of each metric that stands for itself.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use prost::{DecodeError, Message};
use serde_json::{Map, Value, json};

use super::otlp::{
    Any, AnyValue, Buckets, Data, ExponentialPoint, HistogramPoint, KeyValue, Metric, MetricsData, Number, NumberPoint,
    Points, ResourceMetrics, ScopeMetrics, SummaryPoint,
};

const NS_PER_MS: u64 = 1_000_000;
/// What is counted since the last push.
const DELTA: i32 = 1;

/// Why a push has no record.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unreadable {
    #[error("it is not OpenTelemetry's MetricsData: {0}")]
    Malformed(#[from] DecodeError),
    #[error("as JSON it is larger than {bytes_max} bytes; hint: raise the topic's `max.message.bytes`")]
    TooLarge { bytes_max: usize },
}

type Attributes = Map<String, Value>;

/// `head` with the metrics of `payload` as its last field, in at most `bytes_max` bytes.
pub(super) fn record(head: &Attributes, payload: Bytes, bytes_max: usize) -> Result<String, Unreadable> {
    let mut out = Value::Object(head.clone()).to_string();
    out.pop();
    out.push_str(",\"metrics\":[");
    let mut list = List {
        out,
        bytes_max,
        is_empty: true,
    };
    for resource in MetricsData::decode(payload)?.resource_metrics {
        let resource = ResourceMetrics::decode(resource)?;
        let of_resource = attributes(resource.resource.unwrap_or_default().attributes)?;
        for scope in resource.scope_metrics {
            for metric in ScopeMetrics::decode(scope)?.metrics {
                list.add_metric(&of_resource, Metric::decode(metric)?)?;
            }
        }
    }
    list.out.push_str("]}");
    Ok(list.out)
}

struct List {
    out: String,
    bytes_max: usize,
    is_empty: bool,
}

impl List {
    fn add_metric(&mut self, of_resource: &Attributes, metric: Metric) -> Result<(), Unreadable> {
        let Some(data) = metric.data else { return Ok(()) };
        let (kind, points) = match data {
            Data::Gauge(points) => ("gauge", points),
            Data::Sum(points) => ("sum", points),
            Data::Histogram(points) => ("histogram", points),
            Data::ExponentialHistogram(points) => ("exponential_histogram", points),
            Data::Summary(points) => ("summary", points),
        };
        let head = head_of(&metric.name, &metric.unit, kind, &points);
        for point in points.data_points {
            let (own, values) = match kind {
                "histogram" => histogram(HistogramPoint::decode(point)?),
                "exponential_histogram" => exponential(ExponentialPoint::decode(point)?),
                "summary" => summary(SummaryPoint::decode(point)?),
                _ => number(NumberPoint::decode(point)?),
            };
            let mut entry = head.clone();
            let mut both = of_resource.clone();
            both.extend(attributes(own)?);
            entry.insert("attributes".to_owned(), Value::Object(both));
            entry.extend(values);
            self.add(&Value::Object(entry).to_string())?;
        }
        Ok(())
    }

    fn add(&mut self, entry: &str) -> Result<(), Unreadable> {
        // With the comma before it and what closes the record.
        if self.out.len() + entry.len() + 3 > self.bytes_max {
            return Err(Unreadable::TooLarge {
                bytes_max: self.bytes_max,
            });
        }
        if !std::mem::replace(&mut self.is_empty, false) {
            self.out.push(',');
        }
        self.out.push_str(entry);
        Ok(())
    }
}

fn object(fields: &[(&str, Value)]) -> Attributes {
    let fields = fields.iter().filter(|(_, value)| !value.is_null());
    fields
        .map(|(name, value)| ((*name).to_owned(), value.clone()))
        .collect()
}

/// What holds for all points of a metric.
fn head_of(name: &str, unit: &str, kind: &str, points: &Points) -> Attributes {
    let accumulates = !matches!(kind, "gauge" | "summary");
    object(&[
        ("name", name.into()),
        ("kind", kind.into()),
        ("unit", if unit.is_empty() { Value::Null } else { unit.into() }),
        (
            "delta",
            if accumulates {
                (points.temporality == DELTA).into()
            } else {
                Value::Null
            },
        ),
        (
            "monotonic",
            if kind == "sum" {
                points.is_monotonic.into()
            } else {
                Value::Null
            },
        ),
    ])
}

type Read = (Vec<Bytes>, Attributes);

/// Milliseconds of a time in nanoseconds; 0 is not known.
fn ms(ns: u64) -> Value {
    match ns {
        0 => Value::Null,
        ns => (ns / NS_PER_MS).into(),
    }
}

fn number(point: NumberPoint) -> Read {
    let value = match point.value {
        // JSON has no word for what is no number.
        Some(Number::Double(value)) => value.into(),
        Some(Number::Int(value)) => value.into(),
        None => Value::Null,
    };
    let mut fields = object(&[("start_ms", ms(point.start_ns)), ("time_ms", ms(point.time_ns))]);
    fields.insert("value".to_owned(), value);
    (point.attributes, fields)
}

fn histogram(point: HistogramPoint) -> Read {
    let fields = object(&[
        ("start_ms", ms(point.start_ns)),
        ("time_ms", ms(point.time_ns)),
        ("count", point.count.into()),
        ("sum", point.sum.into()),
        ("min", point.min.into()),
        ("max", point.max.into()),
        ("bounds", point.bounds.into()),
        ("buckets", point.buckets.into()),
    ]);
    (point.attributes, fields)
}

fn exponential(point: ExponentialPoint) -> Read {
    let buckets = |buckets: Option<Buckets>| match buckets {
        Some(buckets) => json!({"offset": buckets.offset, "counts": buckets.counts}),
        None => Value::Null,
    };
    let fields = object(&[
        ("start_ms", ms(point.start_ns)),
        ("time_ms", ms(point.time_ns)),
        ("count", point.count.into()),
        ("sum", point.sum.into()),
        ("min", point.min.into()),
        ("max", point.max.into()),
        ("scale", point.scale.into()),
        ("zero_count", point.zero_count.into()),
        ("positive", buckets(point.positive)),
        ("negative", buckets(point.negative)),
    ]);
    (point.attributes, fields)
}

fn summary(point: SummaryPoint) -> Read {
    let quantiles = point.quantiles.iter();
    let quantiles: Vec<Value> = quantiles
        .map(|one| json!({"quantile": one.quantile, "value": one.value}))
        .collect();
    let fields = object(&[
        ("start_ms", ms(point.start_ns)),
        ("time_ms", ms(point.time_ns)),
        ("count", point.count.into()),
        ("sum", point.sum.into()),
        ("quantiles", quantiles.into()),
    ]);
    (point.attributes, fields)
}

fn attributes(encoded: Vec<Bytes>) -> Result<Attributes, DecodeError> {
    let mut read = Attributes::new();
    for pair in encoded {
        let pair = KeyValue::decode(pair)?;
        read.insert(pair.key, any(pair.value));
    }
    Ok(read)
}

/// As deep as `prost` reads.
fn any(value: Option<AnyValue>) -> Value {
    match value.and_then(|value| value.value) {
        None => Value::Null,
        Some(Any::Text(text)) => text.into(),
        Some(Any::Bool(value)) => value.into(),
        Some(Any::Int(value)) => value.into(),
        Some(Any::Double(value)) => value.into(),
        Some(Any::Bytes(bytes)) => STANDARD.encode(bytes).into(),
        Some(Any::List(list)) => list.values.into_iter().map(|one| any(Some(one))).collect(),
        Some(Any::Map(map)) => {
            let pairs = map.values.into_iter().map(|pair| (pair.key, any(pair.value)));
            Value::Object(pairs.collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::otlp::{ListValue, Quantile, Resource};
    use super::*;

    fn bytes(message: impl Message) -> Bytes {
        message.encode_to_vec().into()
    }

    fn text(key: &str, value: &str) -> Bytes {
        bytes(KeyValue {
            key: key.to_owned(),
            value: Some(AnyValue {
                value: Some(Any::Text(value.to_owned())),
            }),
        })
    }

    fn push(name: &str, data: Data) -> Bytes {
        let metric = Metric {
            name: name.to_owned(),
            unit: "ms".to_owned(),
            data: Some(data),
        };
        let resource = Resource {
            attributes: vec![text("rack", "r"), text("both", "resource")],
        };
        let scope = ScopeMetrics {
            metrics: vec![bytes(metric)],
        };
        let of_resource = ResourceMetrics {
            resource: Some(resource),
            scope_metrics: vec![bytes(scope)],
        };
        bytes(MetricsData {
            resource_metrics: vec![bytes(of_resource)],
        })
    }

    fn points(point: impl Message) -> Points {
        Points {
            data_points: vec![bytes(point)],
            temporality: DELTA,
            is_monotonic: true,
        }
    }

    #[test]
    fn every_kind_of_metric_is_shown() {
        let check = |data: Data, expected: &str| {
            let shown = record(&object(&[("who", "me".into())]), push("m", data), 10_000).unwrap();
            let expected = format!(r#"{{"who":"me","metrics":[{{"name":"m",{expected}}}]}}"#);
            assert_eq!(shown, expected);
        };
        let (start_ns, time_ns) = (1_000_000, 2_999_999);
        let number = |value: Option<Number>, attributes: Vec<Bytes>| {
            points(NumberPoint {
                start_ns,
                time_ns,
                value,
                attributes,
            })
        };
        let nested = bytes(KeyValue {
            key: "list".to_owned(),
            value: Some(AnyValue {
                value: Some(Any::List(ListValue {
                    values: vec![
                        AnyValue {
                            value: Some(Any::Int(-1)),
                        },
                        AnyValue {
                            value: Some(Any::Bytes(Bytes::from_static(b"\xff"))),
                        },
                        AnyValue { value: None },
                    ],
                })),
            }),
        });
        check(
            Data::Sum(number(Some(Number::Double(1.5)), vec![text("both", "point"), nested])),
            r#""kind":"sum","unit":"ms","delta":true,"monotonic":true,"attributes":{"rack":"r","both":"point","list":[-1,"/w==",null]},"start_ms":1,"time_ms":2,"value":1.5"#,
        );
        let plain = r#""attributes":{"rack":"r","both":"resource"}"#;
        check(
            Data::Gauge(number(Some(Number::Int(-7)), vec![])),
            &format!(r#""kind":"gauge","unit":"ms",{plain},"start_ms":1,"time_ms":2,"value":-7"#),
        );
        check(
            Data::Gauge(number(Some(Number::Double(f64::NAN)), vec![])),
            &format!(r#""kind":"gauge","unit":"ms",{plain},"start_ms":1,"time_ms":2,"value":null"#),
        );
        check(
            Data::Histogram(points(HistogramPoint {
                time_ns,
                count: 3,
                sum: Some(4.0),
                buckets: vec![1, 2],
                bounds: vec![0.5],
                max: Some(2.0),
                ..HistogramPoint::default()
            })),
            &format!(
                r#""kind":"histogram","unit":"ms","delta":true,{plain},"time_ms":2,"count":3,"sum":4.0,"max":2.0,"bounds":[0.5],"buckets":[1,2]"#
            ),
        );
        check(
            Data::ExponentialHistogram(points(ExponentialPoint {
                count: 2,
                scale: -1,
                zero_count: 1,
                positive: Some(Buckets {
                    offset: 3,
                    counts: vec![1],
                }),
                ..ExponentialPoint::default()
            })),
            &format!(
                r#""kind":"exponential_histogram","unit":"ms","delta":true,{plain},"count":2,"scale":-1,"zero_count":1,"positive":{{"offset":3,"counts":[1]}}"#
            ),
        );
        check(
            Data::Summary(points(SummaryPoint {
                count: 2,
                sum: 1.0,
                quantiles: vec![Quantile {
                    quantile: 0.5,
                    value: 0.25,
                }],
                ..SummaryPoint::default()
            })),
            &format!(
                r#""kind":"summary","unit":"ms",{plain},"count":2,"sum":1.0,"quantiles":[{{"quantile":0.5,"value":0.25}}]"#
            ),
        );
    }

    #[test]
    fn nesting_has_an_end() {
        let nested = |depth: usize| {
            let mut value = AnyValue {
                value: Some(Any::Int(1)),
            };
            for _ in 0..depth {
                value = AnyValue {
                    value: Some(Any::List(ListValue { values: vec![value] })),
                };
            }
            let attribute = KeyValue {
                key: "deep".to_owned(),
                value: Some(value),
            };
            let point = NumberPoint {
                attributes: vec![bytes(attribute)],
                ..NumberPoint::default()
            };
            record(&Attributes::new(), push("m", Data::Gauge(points(point))), 100_000)
        };
        assert!(nested(10).unwrap().contains("[[[[[[[[[[1]]]]]]]]]]"));
        let found = nested(1_000);
        assert!(matches!(found, Err(Unreadable::Malformed(_))), "{found:?}");
    }

    #[test]
    fn what_is_no_push_or_too_large_a_record_is_refused() {
        let head = object(&[("who", "me".into())]);
        assert_eq!(
            record(&head, Bytes::new(), 100).unwrap(),
            r#"{"who":"me","metrics":[]}"#
        );
        for damaged in [&b"\x0a\x05abc"[..], b"\xff", b"\x0a\x02\x0a\x09"] {
            let found = record(&head, Bytes::copy_from_slice(damaged), 100);
            assert!(matches!(found, Err(Unreadable::Malformed(_))), "{found:?}");
        }
        let one = push("m", Data::Gauge(points(NumberPoint::default())));
        let whole = record(&head, one.clone(), 10_000).unwrap().len();
        assert!(record(&head, one.clone(), whole + 1).is_ok());
        let found = record(&head, one, whole - 1);
        assert!(matches!(found, Err(Unreadable::TooLarge { .. })), "{found:?}");
    }
}
