-- Orders as the producer writes them: Avro, keyed by the order's id.
CREATE TABLE orders (
  `key` STRING,
  order_id STRING,
  customer_id STRING,
  items ARRAY<STRING>,
  order_total DOUBLE,
  order_time STRING
) WITH (
  'connector' = 'kafka',
  'topic' = 'grocery.orders.v1',
  'scan.startup.mode' = 'earliest-offset',
  'key.format' = 'raw',
  'key.fields' = 'key',
  'value.format' = 'avro-registry',
  'value.fields-include' = 'EXCEPT_KEY'
);

-- Pick lists, keyed by the order's id too, so that an order and its pick list share a partition number.
CREATE TABLE picklists (
  `key` STRING,
  picklist_id STRING,
  order_id STRING,
  items_to_pick ARRAY<STRING>,
  assigned_picker STRING,
  created_time STRING
) WITH (
  'connector' = 'kafka',
  'topic' = 'grocery.picklist.v1',
  'key.format' = 'raw',
  'key.fields' = 'key',
  'value.format' = 'avro-registry',
  'value.fields-include' = 'EXCEPT_KEY'
);

INSERT INTO picklists
SELECT
  order_id,
  UUID(),
  order_id,
  items,
  'picker-123',
  DATE_FORMAT(CURRENT_TIMESTAMP, 'yyyy-MM-dd HH:mm:ss')
FROM orders
WHERE CARDINALITY(items) > 0;
