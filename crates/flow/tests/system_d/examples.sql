-- Nineteen example filters. Each begins with a line `--- name: expectation`: `runs`, or the beginning of the refusal.
--- 01 create table as select: runs
CREATE TABLE loan_events WITH ('connector' = 'kafka', 'topic' = 'loan_events', 'format' = 'json') AS
SELECT eventHeader.uuid AS id, eventHeader.eventName AS event_name FROM raw_business_events WHERE eventHeader.eventName = 'Loan Created';
--- 02 several names: runs
INSERT INTO filtered SELECT eventHeader, sourceMetadata FROM raw_business_events WHERE eventHeader.eventName IN ('Loan Created', 'Loan Payment Submitted');
--- 03 amount above: runs
INSERT INTO filtered SELECT eventHeader, sourceMetadata FROM raw_business_events WHERE CAST(eventBody.entities[1].updatedAttributes['loan.loanAmount'] AS DOUBLE) > 100000;
--- 04 amount between: runs
INSERT INTO filtered SELECT eventHeader, sourceMetadata FROM raw_business_events WHERE CAST(eventBody.entities[1].updatedAttributes['loan.loanAmount'] AS DOUBLE) BETWEEN 50000 AND 150000;
--- 05 amount in a half-open range: runs
INSERT INTO filtered SELECT eventHeader, sourceMetadata FROM raw_business_events WHERE CAST(eventBody.entities[1].updatedAttributes['loan.loanAmount'] AS DOUBLE) >= 50000 AND CAST(eventBody.entities[1].updatedAttributes['loan.loanAmount'] AS DOUBLE) < 150000;
--- 06 name like: runs
INSERT INTO filtered SELECT eventHeader, sourceMetadata FROM raw_business_events WHERE eventHeader.eventName LIKE 'Loan%';
--- 07 name by pattern: runs
INSERT INTO filtered SELECT eventHeader, sourceMetadata FROM raw_business_events WHERE REGEXP(eventHeader.eventName, '^(Loan|Car) .*');
--- 08 working hours: `HOUR` takes a date or timestamp, not STRING
INSERT INTO filtered SELECT eventHeader, sourceMetadata FROM raw_business_events WHERE HOUR(FROM_UNIXTIME(eventHeader.createdDate / 1000)) BETWEEN 9 AND 17;
--- 09 working hours, as it should be: runs
INSERT INTO filtered SELECT eventHeader, sourceMetadata FROM raw_business_events WHERE HOUR(TO_TIMESTAMP_LTZ(eventHeader.createdDate, 3)) BETWEEN 9 AND 17;
--- 10 attribute missing: runs
INSERT INTO filtered SELECT eventHeader, sourceMetadata FROM raw_business_events WHERE eventBody.entities[1].updatedAttributes['dealerId'] IS NULL OR sourceMetadata.operation <> 'DELETE';
--- 11 not one of: runs
INSERT INTO filtered SELECT eventHeader, sourceMetadata FROM raw_business_events WHERE eventHeader.eventType NOT IN ('CarCreated') AND eventHeader.eventType IS NOT NULL;
--- 12 any entity: runs
INSERT INTO filtered SELECT e.eventHeader, e.sourceMetadata FROM raw_business_events AS e CROSS JOIN UNNEST(e.eventBody.entities) AS x (entityType, entityId, attributes) WHERE x.entityType = 'Dealer';
--- 13 tumbling count: the group window `TUMBLE` needs state that is not there yet
INSERT INTO counts SELECT TUMBLE_START(event_time, INTERVAL '1' MINUTE), eventHeader.eventName, COUNT(*) FROM raw_business_events GROUP BY TUMBLE(event_time, INTERVAL '1' MINUTE), eventHeader.eventName;
--- 14 hopping average: the group window `HOP` needs state that is not there yet
INSERT INTO averages SELECT HOP_START(event_time, INTERVAL '1' MINUTE, INTERVAL '5' MINUTE), AVG(CAST(eventBody.entities[1].updatedAttributes['loan.loanAmount'] AS DOUBLE)) FROM raw_business_events GROUP BY HOP(event_time, INTERVAL '1' MINUTE, INTERVAL '5' MINUTE);
--- 15 customers in a database: the connector 'jdbc' is not there: SQL here runs on topics
CREATE TABLE customers (id STRING, tier STRING, PRIMARY KEY (id) NOT ENFORCED) WITH ('connector' = 'jdbc', 'url' = 'jdbc:postgresql://db:5432/app', 'table-name' = 'customers');
--- 16 enriched by look-up: a lookup join (`FOR SYSTEM_TIME AS OF`) is not there yet
INSERT INTO filtered SELECT e.eventHeader, e.sourceMetadata FROM raw_business_events AS e LEFT JOIN customers FOR SYSTEM_TIME AS OF e.proc_time AS c ON e.eventHeader.uuid = c.id WHERE c.tier = 'gold';
--- 17 dead letters: runs
INSERT INTO dead_letters SELECT eventHeader.uuid, 'no entities', CAST(eventHeader.createdDate AS STRING) FROM raw_business_events WHERE eventBody.entities IS NULL OR CARDINALITY(eventBody.entities) = 0;
--- 18 a row of a type: `ROW<…>` is a type, not a value
INSERT INTO filtered SELECT ROW<uuid STRING, eventName STRING, eventType STRING, createdDate BIGINT, savedDate BIGINT>(eventHeader.uuid, 'x', 'y', 1, 2), sourceMetadata FROM raw_business_events;
--- 19 several filters at once: runs
EXECUTE STATEMENT SET BEGIN INSERT INTO filtered SELECT eventHeader, sourceMetadata FROM raw_business_events WHERE eventHeader.eventType = 'CarCreated'; INSERT INTO dead_letters SELECT eventHeader.uuid, eventHeader.eventType, 'unknown' FROM raw_business_events WHERE eventHeader.eventType SIMILAR TO 'Un%'; END;
