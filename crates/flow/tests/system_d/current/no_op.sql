-- The variant that takes every operation.

CREATE TABLE `raw-event-headers` (
  `id` STRING,
  `event_name` STRING,
  `event_type` STRING,
  `created_date` STRING,
  `saved_date` STRING,
  `header_data` STRING,
  `__op` STRING,
  `__table` STRING,
  `__ts_ms` BIGINT
) WITH (
  'connector' = 'kafka',
  'topic' = 'raw-event-headers',
  'properties.bootstrap.servers' = 'kafka:29092',
  'properties.group.id' = 'flink-event-router',
  'scan.startup.mode' = 'earliest-offset',
  'format' = 'json',
  'json.ignore-parse-errors' = 'true'
);

CREATE TABLE `filtered-car-created-events-spring` (
  `key` BYTES,
  `id` STRING,
  `event_name` STRING,
  `event_type` STRING,
  `created_date` STRING,
  `saved_date` STRING,
  `header_data` STRING,
  `__op` STRING,
  `__table` STRING
) WITH (
  'connector' = 'kafka',
  'topic' = 'filtered-car-created-events-spring',
  'properties.bootstrap.servers' = 'kafka:29092',
  'format' = 'json'
);

CREATE TABLE `filtered-loan-created-events-spring` (
  `key` BYTES,
  `id` STRING,
  `event_name` STRING,
  `event_type` STRING,
  `created_date` STRING,
  `saved_date` STRING,
  `header_data` STRING,
  `__op` STRING,
  `__table` STRING
) WITH (
  'connector' = 'kafka',
  'topic' = 'filtered-loan-created-events-spring',
  'properties.bootstrap.servers' = 'kafka:29092',
  'format' = 'json'
);

CREATE TABLE `filtered-loan-payment-submitted-events-spring` (
  `key` BYTES,
  `id` STRING,
  `event_name` STRING,
  `event_type` STRING,
  `created_date` STRING,
  `saved_date` STRING,
  `header_data` STRING,
  `__op` STRING,
  `__table` STRING
) WITH (
  'connector' = 'kafka',
  'topic' = 'filtered-loan-payment-submitted-events-spring',
  'properties.bootstrap.servers' = 'kafka:29092',
  'format' = 'json'
);

CREATE TABLE `filtered-service-events-spring` (
  `key` BYTES,
  `id` STRING,
  `event_name` STRING,
  `event_type` STRING,
  `created_date` STRING,
  `saved_date` STRING,
  `header_data` STRING,
  `__op` STRING,
  `__table` STRING
) WITH (
  'connector' = 'kafka',
  'topic' = 'filtered-service-events-spring',
  'properties.bootstrap.servers' = 'kafka:29092',
  'format' = 'json'
);

INSERT INTO `filtered-car-created-events-spring`
SELECT
  CAST(`id` AS BYTES) AS `key`,
  `id`,
  `event_name`,
  `event_type`,
  `created_date`,
  `saved_date`,
  `header_data`,
  `__op`,
  `__table`
FROM `raw-event-headers`
WHERE `event_type` = 'CarCreated';

INSERT INTO `filtered-loan-created-events-spring`
SELECT
  CAST(`id` AS BYTES) AS `key`,
  `id`,
  `event_name`,
  `event_type`,
  `created_date`,
  `saved_date`,
  `header_data`,
  `__op`,
  `__table`
FROM `raw-event-headers`
WHERE `event_type` = 'LoanCreated';

INSERT INTO `filtered-loan-payment-submitted-events-spring`
SELECT
  CAST(`id` AS BYTES) AS `key`,
  `id`,
  `event_name`,
  `event_type`,
  `created_date`,
  `saved_date`,
  `header_data`,
  `__op`,
  `__table`
FROM `raw-event-headers`
WHERE `event_type` = 'LoanPaymentSubmitted';

INSERT INTO `filtered-service-events-spring`
SELECT
  CAST(`id` AS BYTES) AS `key`,
  `id`,
  `event_name`,
  `event_type`,
  `created_date`,
  `saved_date`,
  `header_data`,
  `__op`,
  `__table`
FROM `raw-event-headers`
WHERE `event_type` = 'CarServiceDone';
