-- One source of nested Avro events, three sinks, one INSERT each.
CREATE TABLE raw_business_events (
  eventHeader ROW<uuid STRING, eventName STRING, eventType STRING, createdDate BIGINT, savedDate BIGINT>,
  eventBody ROW<entities ARRAY<ROW<entityType STRING, entityId STRING, updatedAttributes MAP<STRING, STRING>>>>,
  sourceMetadata ROW<`table` STRING, operation STRING, `timestamp` BIGINT>,
  proc_time AS PROCTIME(),
  event_time AS TO_TIMESTAMP_LTZ(eventHeader.createdDate, 3),
  WATERMARK FOR event_time AS event_time - INTERVAL '5' SECOND
) WITH (
  'connector' = 'kafka',
  'topic' = 'raw_business_events',
  'properties.bootstrap.servers' = 'pkc-1.us-east-1.aws.confluent.cloud:9092',
  'properties.security.protocol' = 'SASL_SSL',
  'properties.sasl.mechanism' = 'PLAIN',
  'properties.group.id' = 'event-router',
  'format' = 'avro',
  'avro.schema-registry.url' = 'https://psrc-1.us-east-1.aws.confluent.cloud',
  'scan.startup.mode' = 'earliest-offset'
);

CREATE TABLE filtered_loan_events (
  eventHeader ROW<uuid STRING, eventName STRING, eventType STRING, createdDate BIGINT, savedDate BIGINT>,
  eventBody ROW<entities ARRAY<ROW<entityType STRING, entityId STRING, updatedAttributes MAP<STRING, STRING>>>>,
  sourceMetadata ROW<`table` STRING, operation STRING, `timestamp` BIGINT>,
  filterMetadata ROW<filterId STRING, consumerId STRING, filteredAt BIGINT>
) WITH (
  'connector' = 'kafka',
  'topic' = 'filtered_loan_events',
  'properties.bootstrap.servers' = 'pkc-1.us-east-1.aws.confluent.cloud:9092',
  'format' = 'avro',
  'avro.schema-registry.url' = 'https://psrc-1.us-east-1.aws.confluent.cloud',
  'sink.partitioner' = 'fixed'
);

CREATE TABLE filtered_service_events (
  eventHeader ROW<uuid STRING, eventName STRING, eventType STRING, createdDate BIGINT, savedDate BIGINT>,
  eventBody ROW<entities ARRAY<ROW<entityType STRING, entityId STRING, updatedAttributes MAP<STRING, STRING>>>>,
  sourceMetadata ROW<`table` STRING, operation STRING, `timestamp` BIGINT>,
  filterMetadata ROW<filterId STRING, consumerId STRING, filteredAt BIGINT>
) WITH (
  'connector' = 'kafka',
  'topic' = 'filtered_service_events',
  'properties.bootstrap.servers' = 'pkc-1.us-east-1.aws.confluent.cloud:9092',
  'format' = 'avro',
  'avro.schema-registry.url' = 'https://psrc-1.us-east-1.aws.confluent.cloud',
  'sink.partitioner' = 'fixed'
);

CREATE TABLE filtered_car_events (
  eventHeader ROW<uuid STRING, eventName STRING, eventType STRING, createdDate BIGINT, savedDate BIGINT>,
  eventBody ROW<entities ARRAY<ROW<entityType STRING, entityId STRING, updatedAttributes MAP<STRING, STRING>>>>,
  sourceMetadata ROW<`table` STRING, operation STRING, `timestamp` BIGINT>,
  filterMetadata ROW<filterId STRING, consumerId STRING, filteredAt BIGINT>
) WITH (
  'connector' = 'kafka',
  'topic' = 'filtered_car_events',
  'properties.bootstrap.servers' = 'pkc-1.us-east-1.aws.confluent.cloud:9092',
  'format' = 'avro',
  'avro.schema-registry.url' = 'https://psrc-1.us-east-1.aws.confluent.cloud',
  'sink.partitioner' = 'fixed'
);

INSERT INTO filtered_loan_events
SELECT eventHeader, eventBody, sourceMetadata, ROW('loan-filter', 'loan-consumer', UNIX_TIMESTAMP() * 1000)
FROM raw_business_events
WHERE eventHeader.eventName IN ('Loan Created', 'Loan Payment Submitted')
  AND eventBody.entities[1].entityType = 'Loan';

INSERT INTO filtered_service_events
SELECT eventHeader, eventBody, sourceMetadata, ROW('service-filter', 'service-consumer', UNIX_TIMESTAMP() * 1000)
FROM raw_business_events
WHERE eventHeader.eventName = 'Car Service Done'
  AND eventBody.entities[1].updatedAttributes['dealerId'] = 'dealer-001';

INSERT INTO filtered_car_events
SELECT eventHeader, eventBody, sourceMetadata, ROW('car-filter', 'car-consumer', UNIX_TIMESTAMP() * 1000)
FROM raw_business_events
WHERE eventHeader.eventType = 'CarCreated';
