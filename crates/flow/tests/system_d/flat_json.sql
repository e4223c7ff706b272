-- A column that holds a JSON document, taken apart with JSON_VALUE.
CREATE TABLE raw_json_events (
  id STRING,
  `data` STRING,
  __op STRING
) WITH (
  'connector' = 'kafka',
  'topic' = 'raw_json_events',
  'properties.bootstrap.servers' = 'kafka:29092',
  'scan.startup.mode' = 'earliest-offset',
  'format' = 'json',
  'json.ignore-parse-errors' = 'true'
);

CREATE TABLE filtered_large_loans (
  id STRING,
  event_type STRING,
  loan_amount DOUBLE,
  `data` STRING
) WITH (
  'connector' = 'kafka',
  'topic' = 'filtered_large_loans',
  'properties.bootstrap.servers' = 'kafka:29092',
  'format' = 'json'
);

INSERT INTO filtered_large_loans
SELECT
  id,
  JSON_VALUE(`data`, '$.eventHeader.eventType'),
  CAST(JSON_VALUE(`data`, '$.loan.loanAmount') AS DOUBLE),
  `data`
FROM raw_json_events
WHERE JSON_VALUE(`data`, '$.eventHeader.eventType') = 'LoanCreated'
  AND CAST(JSON_VALUE(`data`, '$.loan.loanAmount') AS DOUBLE) > 100000;
