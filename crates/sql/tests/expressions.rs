//! Expression, then its type and value, as Apache Flink gives them.

mod common;

fn check(cases: &[(&str, &str)]) {
    let mut wrong = Vec::new();
    for (expr, expected) in cases {
        let got = common::evaluate(expr);
        if got != *expected {
            wrong.push(format!("{expr}\n   expected {expected}\n        got {got}"));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn arithmetic_has_flinks_types() {
    check(&[
        ("1 + 1", "INT NOT NULL = 2"),
        ("-7 / 2", "INT NOT NULL = -3"),
        ("-7 % 3", "INT NOT NULL = -1"),
        ("2147483647 + 1", "INT NOT NULL = -2147483648"),
        ("2147483648", "BIGINT NOT NULL = 2147483648"),
        ("9223372036854775807 + 1", "BIGINT NOT NULL = -9223372036854775808"),
        ("1.0 / 3", "DECIMAL(13, 12) = 0.333333333333"),
        ("7.0 / 2", "DECIMAL(13, 12) = 3.500000000000"),
        (
            "1 / 0",
            "INT NOT NULL fails: division by zero; guard it: CASE WHEN d <> 0 THEN n / d END, or n / NULLIF(d, 0)",
        ),
        (
            "CAST(1 AS DOUBLE) / 0",
            "DOUBLE NOT NULL fails: division by zero; guard it: CASE WHEN d <> 0 THEN n / d END, or n / NULLIF(d, 0)",
        ),
        ("CAST(1.5 AS DECIMAL(10,2)) * 3", "DECIMAL(21, 2) = 4.50"),
        (
            "CAST(1.5 AS DECIMAL(10,2)) * CAST(3 AS BIGINT)",
            "DECIMAL(30, 2) = 4.50",
        ),
        (
            "CAST(1 AS DECIMAL(38,10)) * CAST(1 AS DECIMAL(38,10))",
            "DECIMAL(38, 6) = 1.000000",
        ),
        ("CAST(1.5 AS FLOAT) + CAST(1 AS DOUBLE)", "FLOAT NOT NULL = 2.5"),
        ("CAST(1.5 AS DOUBLE) + 1.5", "DOUBLE NOT NULL = 3.0"),
        ("MOD(CAST(7 AS BIGINT), 3)", "INT NOT NULL = 1"),
        ("1E10", "DOUBLE NOT NULL = 1.0E10"),
        ("CAST(100 AS DOUBLE)", "DOUBLE NOT NULL = 100.0"),
        ("1 + CAST(NULL AS INT)", "INT = NULL"),
    ]);
}

#[test]
fn casts_follow_flinks_text_formats() {
    check(&[
        ("CAST(300 AS TINYINT)", "TINYINT NOT NULL = 44"),
        ("CAST(2.9 AS INT)", "INT NOT NULL = 2"),
        ("CAST(-2.9 AS INT)", "INT NOT NULL = -2"),
        ("CAST(2.345 AS DECIMAL(10,2))", "DECIMAL(10, 2) NOT NULL = 2.35"),
        ("CAST(123456 AS DECIMAL(4,0))", "DECIMAL(4, 0) NOT NULL = NULL"),
        ("CAST('abc' AS CHAR(5))", "CHAR(5) NOT NULL = abc  "),
        ("CAST('abcdef' AS VARCHAR(3))", "VARCHAR(3) NOT NULL = abc"),
        ("'abc' = 'abc  '", "BOOLEAN NOT NULL = FALSE"),
        ("CAST(TRUE AS STRING)", "STRING NOT NULL = TRUE"),
        ("CAST('t' AS BOOLEAN)", "BOOLEAN NOT NULL = TRUE"),
        ("CAST('yes' AS BOOLEAN)", "BOOLEAN NOT NULL = TRUE"),
        ("CAST(1 AS BOOLEAN)", "BOOLEAN NOT NULL = TRUE"),
        ("CAST(' 12 ' AS INT)", "INT NOT NULL = 12"),
        ("TRY_CAST('x' AS INT)", "INT = NULL"),
        (
            "CAST('x' AS INT)",
            "INT NOT NULL fails: 'x' cannot be cast to INT; TRY_CAST gives NULL instead",
        ),
        (
            "TRY_CAST('2026-01-02T03:04:05Z' AS TIMESTAMP(3))",
            "TIMESTAMP(3) = NULL",
        ),
        (
            "CAST('2026-01-02 03:04:05.1' AS TIMESTAMP(3))",
            "TIMESTAMP(3) NOT NULL = 2026-01-02 03:04:05.100",
        ),
        (
            "CAST(TIMESTAMP '2026-01-02 03:04:05' AS STRING)",
            "STRING NOT NULL = 2026-01-02 03:04:05",
        ),
        (
            "CAST(DATE '2026-01-02' AS TIMESTAMP(0))",
            "TIMESTAMP(0) NOT NULL = 2026-01-02 00:00:00",
        ),
        ("CAST('12:30' AS TIME)", "TIME(0) NOT NULL = 12:30:00"),
        ("CAST(ARRAY[1, 2] AS STRING)", "STRING NOT NULL = [1, 2]"),
        ("CAST(MAP['a', 1] AS STRING)", "STRING NOT NULL = {a=1}"),
        (
            "CAST(ROW(1, 'x', CAST(NULL AS INT)) AS STRING)",
            "STRING NOT NULL = (1, x, NULL)",
        ),
        ("CAST(ROW(1, 'x') AS ROW<a BIGINT, b STRING>).b", "STRING = x"),
        ("CAST('ab' AS BYTES)", "BYTES NOT NULL = ab"),
        ("CAST(1 AS TIMESTAMP)", "error: INT cannot be cast to TIMESTAMP(6)"),
        ("CAST(0.0001 AS DOUBLE)", "DOUBLE NOT NULL = 1.0E-4"),
        ("CAST(12345678 AS DOUBLE)", "DOUBLE NOT NULL = 1.2345678E7"),
        ("CAST(1.1 AS FLOAT)", "FLOAT NOT NULL = 1.1"),
    ]);
}

#[test]
fn logic_has_three_values() {
    check(&[
        ("TRUE AND NULL", "BOOLEAN = NULL"),
        ("FALSE AND NULL", "BOOLEAN = FALSE"),
        ("TRUE OR NULL", "BOOLEAN = TRUE"),
        ("NOT CAST(NULL AS BOOLEAN)", "BOOLEAN = NULL"),
        ("CAST(NULL AS INT) = 1", "BOOLEAN = NULL"),
        ("CAST(NULL AS INT) IS NULL", "BOOLEAN NOT NULL = TRUE"),
        ("CAST(NULL AS BOOLEAN) IS NOT TRUE", "BOOLEAN NOT NULL = TRUE"),
        ("CAST(NULL AS INT) IS NOT DISTINCT FROM NULL", "BOOLEAN NOT NULL = TRUE"),
        ("1 IS DISTINCT FROM NULL", "BOOLEAN NOT NULL = TRUE"),
        ("2 IN (1, 2, NULL)", "BOOLEAN = TRUE"),
        ("3 IN (1, 2, NULL)", "BOOLEAN = NULL"),
        ("3 NOT IN (1, 2)", "BOOLEAN NOT NULL = TRUE"),
        ("'f' IN ('a','b','c','d','e','f')", "BOOLEAN NOT NULL = TRUE"),
        ("2 BETWEEN 1 AND 3", "BOOLEAN NOT NULL = TRUE"),
        ("2 BETWEEN 3 AND 1", "BOOLEAN NOT NULL = FALSE"),
        ("2 BETWEEN SYMMETRIC 3 AND 1", "BOOLEAN NOT NULL = TRUE"),
        ("2 NOT BETWEEN 1 AND 3", "BOOLEAN NOT NULL = FALSE"),
        (
            "CASE WHEN 1 > 2 THEN 'a' WHEN NULL THEN 'b' ELSE 'cc' END",
            "VARCHAR(2) NOT NULL = cc",
        ),
        ("CASE 2 WHEN 1 THEN 10 WHEN 2 THEN 20 END", "INT = 20"),
        ("CASE WHEN TRUE THEN 1 ELSE 2.5 END", "DECIMAL(11, 1) NOT NULL = 1.0"),
        ("COALESCE(CAST(NULL AS STRING), 'x')", "STRING NOT NULL = x"),
        ("NULLIF(1, 1)", "INT = NULL"),
        ("IF(1 < 2, 'y', 'n')", "CHAR(1) NOT NULL = y"),
        ("GREATEST(1, 3, 2)", "INT NOT NULL = 3"),
        ("LEAST('b', 'a')", "CHAR(1) NOT NULL = a"),
        ("DATE '2026-01-02' > '2026-01-01'", "BOOLEAN NOT NULL = TRUE"),
        ("1 = '1'", "error: `=` cannot compare INT with CHAR(1)"),
    ]);
}

#[test]
fn strings() {
    check(&[
        ("'a' || NULL", "STRING = NULL"),
        ("'a' || 1", "STRING NOT NULL = a1"),
        ("CONCAT('a', CAST(NULL AS STRING))", "STRING = NULL"),
        (
            "CONCAT_WS('-', 'a', CAST(NULL AS STRING), 'b')",
            "STRING NOT NULL = a-b",
        ),
        ("SUBSTRING('hello', 0, 3)", "STRING = hel"),
        ("SUBSTRING('hello' FROM -3)", "STRING NOT NULL = llo"),
        ("SUBSTRING('hello' FROM 2 FOR 2)", "STRING = el"),
        ("SPLIT_INDEX('a,b,c', ',', 1)", "STRING = b"),
        ("SPLIT_INDEX('a,b,c', ',', 9)", "STRING = NULL"),
        ("UPPER('straße')", "STRING NOT NULL = STRASSE"),
        ("TRIM('  a ')", "STRING NOT NULL = a"),
        ("TRIM(LEADING 'x' FROM 'xxa')", "STRING NOT NULL = a"),
        ("POSITION('l' IN 'hello')", "INT NOT NULL = 3"),
        ("LOCATE('l', 'hello', 4)", "INT NOT NULL = 4"),
        ("REPLACE('banana', 'an', 'o')", "STRING NOT NULL = booa"),
        ("LPAD('7', 3, '0')", "STRING = 007"),
        ("RPAD('abc', 2, 'x')", "STRING = ab"),
        ("REVERSE('abc')", "STRING NOT NULL = cba"),
        ("REPEAT('ab', 3)", "STRING = ababab"),
        ("INITCAP('hELLO wORLD')", "STRING NOT NULL = Hello World"),
        ("LEFT('hello', 2) || RIGHT('hello', 2)", "STRING NOT NULL = helo"),
        ("CHAR_LENGTH('äöü')", "INT NOT NULL = 3"),
        ("OVERLAY('hello' PLACING 'XX' FROM 2 FOR 3)", "STRING NOT NULL = hXXo"),
        ("ASCII('A')", "INT NOT NULL = 65"),
        ("CHR(97)", "STRING NOT NULL = a"),
        ("PARSE_URL('http://u@h.io:80/p?a=1&b=2#f', 'QUERY', 'b')", "STRING = 2"),
        ("PARSE_URL('http://u@h.io:80/p?a=1', 'HOST')", "STRING = h.io"),
        ("STR_TO_MAP('a=1,b=2')['b']", "STRING = 2"),
        ("'it''s'", "CHAR(4) NOT NULL = it's"),
        ("UPPER(1)", "error: argument 1 of `UPPER` must be a string, not INT"),
        ("UPER('a')", "error: there is no function `UPER`"),
    ]);
}

#[test]
fn patterns() {
    check(&[
        ("'hello' LIKE 'h%o'", "BOOLEAN NOT NULL = TRUE"),
        ("'a%c' LIKE 'a!%c' ESCAPE '!'", "BOOLEAN NOT NULL = TRUE"),
        ("'hello' NOT LIKE '%z%'", "BOOLEAN NOT NULL = TRUE"),
        ("'abab' SIMILAR TO '(ab)+'", "BOOLEAN NOT NULL = TRUE"),
        ("'x.y' SIMILAR TO 'x.y'", "BOOLEAN NOT NULL = TRUE"),
        ("'xay' SIMILAR TO 'x.y'", "BOOLEAN NOT NULL = FALSE"),
        ("REGEXP('foobar', 'o+b')", "BOOLEAN NOT NULL = TRUE"),
        ("'foobar' REGEXP '^bar'", "BOOLEAN NOT NULL = FALSE"),
        ("REGEXP_EXTRACT('foothebar', 'foo(.*?)(bar)', 2)", "STRING = bar"),
        ("REGEXP_REPLACE('foobar', 'o+', '$1')", "STRING NOT NULL = f$1bar"),
        (
            "REGEXP_REPLACE('2026-01-02', '(?<=-)0', '')",
            "STRING NOT NULL = 2026-1-2",
        ),
        (
            "REGEXP('a', '(')",
            "error: the pattern '(' is not a regular expression: Parsing error at position 1: Opening parenthesis without closing parenthesis",
        ),
    ]);
}

#[test]
fn numbers() {
    check(&[
        ("ROUND(2.5)", "DECIMAL(2, 0) NOT NULL = 3"),
        ("ROUND(2.345, 2)", "DECIMAL(4, 2) NOT NULL = 2.35"),
        ("ROUND(CAST(-2.5 AS DOUBLE))", "DOUBLE NOT NULL = -3.0"),
        ("TRUNCATE(42.324, 2)", "DECIMAL(5, 3) NOT NULL = 42.320"),
        ("FLOOR(-1.5)", "DECIMAL(2, 0) NOT NULL = -2"),
        ("CEIL(1.2)", "DECIMAL(2, 0) NOT NULL = 2"),
        ("ABS(-3)", "INT NOT NULL = 3"),
        ("SIGN(-2.5)", "DECIMAL(2, 1) NOT NULL = -1.0"),
        ("POWER(2, 10)", "DOUBLE NOT NULL = 1024.0"),
        ("SQRT(9)", "DOUBLE NOT NULL = 3.0"),
        ("LOG(2, 8)", "DOUBLE NOT NULL = 3.0"),
        ("HEX(255)", "STRING NOT NULL = FF"),
        ("BIN(5)", "STRING NOT NULL = 101"),
    ]);
}

#[test]
fn times() {
    check(&[
        (
            "CURRENT_TIMESTAMP",
            "TIMESTAMP_LTZ(3) NOT NULL = 2026-01-02 03:04:05.678",
        ),
        ("NOW()", "TIMESTAMP_LTZ(3) NOT NULL = 2026-01-02 03:04:05.678"),
        ("LOCALTIMESTAMP", "TIMESTAMP(3) NOT NULL = 2026-01-02 03:04:05.678"),
        ("CURRENT_DATE", "DATE NOT NULL = 2026-01-02"),
        ("UNIX_TIMESTAMP() * 1000", "BIGINT NOT NULL = 1767323045000"),
        ("UNIX_TIMESTAMP('1970-01-02 00:00:00')", "BIGINT NOT NULL = 86400"),
        ("FROM_UNIXTIME(86400)", "STRING = 1970-01-02 00:00:00"),
        (
            "TO_TIMESTAMP_LTZ(1767323045678, 3)",
            "TIMESTAMP_LTZ(3) = 2026-01-02 03:04:05.678",
        ),
        (
            "TO_TIMESTAMP('2026-01-02T03:04:05', 'yyyy-MM-dd''T''HH:mm:ss')",
            "TIMESTAMP(3) = 2026-01-02 03:04:05.000",
        ),
        ("TO_TIMESTAMP('garbage')", "TIMESTAMP(3) = NULL"),
        (
            "TIMESTAMP '2026-01-31 00:00:00' + INTERVAL '1' MONTH",
            "TIMESTAMP(0) NOT NULL = 2026-02-28 00:00:00",
        ),
        ("DATE '2026-03-01' - INTERVAL '1' DAY", "DATE NOT NULL = 2026-02-28"),
        (
            "DATE_FORMAT(TIMESTAMP '2026-01-02 03:04:05', 'EEE u w')",
            "STRING = Fri 2026 1",
        ),
        (
            "DATE_FORMAT(TIMESTAMP '2026-01-02 15:04:05', 'yyyy/MM/dd hh:mm a')",
            "STRING = 2026/01/02 03:04 PM",
        ),
        ("EXTRACT(DOW FROM DATE '2026-01-04')", "BIGINT NOT NULL = 1"),
        ("EXTRACT(QUARTER FROM DATE '2026-05-04')", "BIGINT NOT NULL = 2"),
        ("HOUR(TIMESTAMP '2026-01-02 15:04:05')", "BIGINT NOT NULL = 15"),
        (
            "HOUR(FROM_UNIXTIME(1767323045))",
            "error: `HOUR` takes a date or timestamp, not STRING",
        ),
        ("TIMESTAMPADD(DAY, 2, DATE '2026-02-27')", "DATE = 2026-03-01"),
        (
            "TIMESTAMPDIFF(HOUR, TIMESTAMP '2026-01-01 00:00:00', TIMESTAMP '2026-01-02 01:30:00')",
            "INT = 25",
        ),
        ("TIMESTAMPDIFF(MONTH, DATE '2026-01-31', DATE '2026-02-28')", "INT = 1"),
        (
            "FLOOR(TIMESTAMP '2026-01-02 15:04:05' TO DAY)",
            "TIMESTAMP(0) NOT NULL = 2026-01-02 00:00:00",
        ),
        (
            "CAST(INTERVAL '1 02:03:04' DAY TO SECOND AS STRING)",
            "STRING NOT NULL = +1 02:03:04.000",
        ),
        (
            "INTERVAL '1-6' YEAR TO MONTH",
            "INTERVAL YEAR TO MONTH NOT NULL = +1-06",
        ),
        ("DATE '2026-13-01'", "error: '2026-13-01' is not a DATE"),
    ]);
}

#[test]
fn json() {
    check(&[
        ("JSON_VALUE('{\"a\": true}', '$.a')", "STRING = true"),
        ("JSON_VALUE('{\"a\": true}', '$.a' RETURNING BOOLEAN)", "BOOLEAN = TRUE"),
        ("JSON_VALUE('{\"a\": 12}', '$.a' RETURNING INTEGER)", "INT = 12"),
        ("JSON_VALUE('{\"a\": {\"b\": [1, 2]}}', '$.a.b[1]')", "STRING = 2"),
        ("JSON_VALUE('{\"a\": {}}', '$.a')", "STRING = NULL"),
        ("JSON_VALUE('not json', '$.a')", "STRING = NULL"),
        (
            "JSON_VALUE('{\"a\": 1}', 'lax $.b' DEFAULT FALSE ON EMPTY)",
            "STRING = false",
        ),
        (
            "JSON_VALUE('{\"a\": 1}', 'strict $.b' DEFAULT 'no' ON ERROR)",
            "STRING = no",
        ),
        (
            "JSON_VALUE('{\"a.b\": [0.998, 0.996]}', '$.[\"a.b\"][0]' RETURNING DOUBLE)",
            "DOUBLE = 0.998",
        ),
        (
            "JSON_VALUE('{\"x\": 1}', 'strict $.y' ERROR ON ERROR)",
            "STRING fails: the path finds nothing in the JSON text '{\"x\": 1}'",
        ),
        ("JSON_QUERY('{\"a\": {\"b\": 1}}', '$.a')", "STRING = {\"b\":1}"),
        (
            "JSON_QUERY('{\"a\": [1, 2]}', '$.a[*]' WITH WRAPPER)",
            "STRING = [[1,2]]",
        ),
        (
            "JSON_QUERY('{\"a\": 1}', '$.a' WITH CONDITIONAL ARRAY WRAPPER)",
            "STRING = [1]",
        ),
        ("JSON_EXISTS('{\"a\": 1}', '$.a')", "BOOLEAN = TRUE"),
        (
            "JSON_EXISTS('{\"a\": 1}', 'strict $.b' TRUE ON ERROR)",
            "BOOLEAN = TRUE",
        ),
        ("'[1]' IS JSON ARRAY", "BOOLEAN NOT NULL = TRUE"),
        ("'{}' IS NOT JSON OBJECT", "BOOLEAN NOT NULL = FALSE"),
        (
            "JSON_OBJECT('a' VALUE 1, 'b' VALUE JSON_ARRAY(1, NULL, 'x'))",
            "STRING NOT NULL = {\"a\":1,\"b\":[1,\"x\"]}",
        ),
        (
            "JSON_OBJECT(KEY 'a' VALUE CAST(NULL AS INT) ABSENT ON NULL)",
            "STRING NOT NULL = {}",
        ),
        ("JSON_STRING(MAP['k', 1.5])", "STRING NOT NULL = {\"k\":1.5}"),
        ("JSON_VALUE('{}', 'a')", "error: the JSON path 'a' must begin with `$`"),
    ]);
}

#[test]
fn collections() {
    check(&[
        ("ARRAY[10, 20][1]", "INT = 10"),
        ("ARRAY[10, 20][3]", "INT = NULL"),
        ("ARRAY[10, 20][0]", "error: arrays begin at 1 in Flink"),
        ("MAP['k', 1]['z']", "INT = NULL"),
        ("CARDINALITY(ARRAY[1, 2, 3])", "INT NOT NULL = 3"),
        ("ELEMENT(ARRAY[7])", "INT = 7"),
        ("ARRAY_CONTAINS(ARRAY['a', 'b'], 'b')", "BOOLEAN NOT NULL = TRUE"),
        (
            "ARRAY_DISTINCT(ARRAY[1, 1, 2])",
            "ARRAY<INT NOT NULL> NOT NULL = [1, 2]",
        ),
        ("ARRAY_JOIN(ARRAY['a', 'b'], '-')", "STRING NOT NULL = a-b"),
        (
            "ARRAY_SLICE(ARRAY[1, 2, 3, 4], 2, 3)",
            "ARRAY<INT NOT NULL> NOT NULL = [2, 3]",
        ),
        (
            "MAP_KEYS(MAP['a', 1, 'b', 2])",
            "ARRAY<CHAR(1) NOT NULL> NOT NULL = [a, b]",
        ),
        ("ARRAY[1, 'a']", "error: ARRAY[…] mixes INT and CHAR(1)"),
        ("MD5('a')", "STRING NOT NULL = 0cc175b9c0f1b6a831c399e269772661"),
        (
            "SHA256('a')",
            "STRING NOT NULL = ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb",
        ),
        ("TO_BASE64('hi')", "STRING NOT NULL = aGk="),
        ("FROM_BASE64('aGk=')", "STRING = hi"),
        ("DECODE(ENCODE('ä', 'UTF-8'), 'UTF-8')", "STRING = ä"),
        ("CHAR_LENGTH(UUID())", "INT NOT NULL = 36"),
        (
            "CAST(ROW(1, ROW('x')) AS ROW<a INT, b ROW<c STRING>>).b.c",
            "STRING = x",
        ),
    ]);
}
