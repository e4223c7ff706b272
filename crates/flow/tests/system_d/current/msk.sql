-- Amazon MSK with IAM.

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
  'properties.bootstrap.servers' = '${bootstrap.servers}',
  'properties.security.protocol' = 'SASL_SSL',
  'properties.sasl.mechanism' = 'AWS_MSK_IAM',
  'properties.sasl.jaas.config' = 'software.amazon.msk.auth.iam.IAMLoginModule required;',
  'properties.sasl.client.callback.handler.class' = 'software.amazon.msk.auth.iam.IAMClientCallbackHandler',
  'scan.startup.mode' = 'earliest-offset',
  'format' = 'json',
  'json.ignore-parse-errors' = 'true'
);

CREATE TABLE `filtered-car-created-events-msk` (
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
  'topic' = 'filtered-car-created-events-msk',
  'properties.bootstrap.servers' = '${bootstrap.servers}',
  'properties.security.protocol' = 'SASL_SSL',
  'properties.sasl.mechanism' = 'AWS_MSK_IAM',
  'properties.sasl.jaas.config' = 'software.amazon.msk.auth.iam.IAMLoginModule required;',
  'properties.sasl.client.callback.handler.class' = 'software.amazon.msk.auth.iam.IAMClientCallbackHandler',
  'format' = 'json'
);

CREATE TABLE `filtered-loan-created-events-msk` (
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
  'topic' = 'filtered-loan-created-events-msk',
  'properties.bootstrap.servers' = '${bootstrap.servers}',
  'properties.security.protocol' = 'SASL_SSL',
  'properties.sasl.mechanism' = 'AWS_MSK_IAM',
  'properties.sasl.jaas.config' = 'software.amazon.msk.auth.iam.IAMLoginModule required;',
  'properties.sasl.client.callback.handler.class' = 'software.amazon.msk.auth.iam.IAMClientCallbackHandler',
  'format' = 'json'
);

CREATE TABLE `filtered-loan-payment-submitted-events-msk` (
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
  'topic' = 'filtered-loan-payment-submitted-events-msk',
  'properties.bootstrap.servers' = '${bootstrap.servers}',
  'properties.security.protocol' = 'SASL_SSL',
  'properties.sasl.mechanism' = 'AWS_MSK_IAM',
  'properties.sasl.jaas.config' = 'software.amazon.msk.auth.iam.IAMLoginModule required;',
  'properties.sasl.client.callback.handler.class' = 'software.amazon.msk.auth.iam.IAMClientCallbackHandler',
  'format' = 'json'
);

CREATE TABLE `filtered-service-events-msk` (
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
  'topic' = 'filtered-service-events-msk',
  'properties.bootstrap.servers' = '${bootstrap.servers}',
  'properties.security.protocol' = 'SASL_SSL',
  'properties.sasl.mechanism' = 'AWS_MSK_IAM',
  'properties.sasl.jaas.config' = 'software.amazon.msk.auth.iam.IAMLoginModule required;',
  'properties.sasl.client.callback.handler.class' = 'software.amazon.msk.auth.iam.IAMClientCallbackHandler',
  'format' = 'json'
);

INSERT INTO `filtered-car-created-events-msk`
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

INSERT INTO `filtered-loan-created-events-msk`
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

INSERT INTO `filtered-loan-payment-submitted-events-msk`
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

INSERT INTO `filtered-service-events-msk`
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
