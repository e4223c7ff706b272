-- Confluent Cloud: one connector, JSON Schema from the registry.

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
  'connector' = 'confluent',
  'value.format' = 'json-registry'
);

CREATE TABLE `filtered-car-created-events-flink` (
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
  'connector' = 'confluent',
  'value.format' = 'json-registry'
);

CREATE TABLE `filtered-loan-created-events-flink` (
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
  'connector' = 'confluent',
  'value.format' = 'json-registry'
);

CREATE TABLE `filtered-loan-payment-submitted-events-flink` (
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
  'connector' = 'confluent',
  'value.format' = 'json-registry'
);

CREATE TABLE `filtered-service-events-flink` (
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
  'connector' = 'confluent',
  'value.format' = 'json-registry'
);

INSERT INTO `filtered-car-created-events-flink`
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
WHERE `event_type` = 'CarCreated' AND `__op` = 'c';

INSERT INTO `filtered-loan-created-events-flink`
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
WHERE `event_type` = 'LoanCreated' AND `__op` = 'c';

INSERT INTO `filtered-loan-payment-submitted-events-flink`
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
WHERE `event_type` = 'LoanPaymentSubmitted' AND `__op` = 'c';

INSERT INTO `filtered-service-events-flink`
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
WHERE `event_type` = 'CarServiceDone' AND `__op` = 'c';
