//! Plans and mistakes, as users see them.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{Known, mistakes};
use rivulet_sql::{bind, parse_script};

const TABLES: &str = "
CREATE TABLE orders (
  id STRING NOT NULL, amount DECIMAL(10, 2), kind STRING, tags ARRAY<STRING>,
  customer ROW<name STRING, address ROW<city STRING>>, attributes MAP<STRING, STRING>,
  millis BIGINT, ts AS TO_TIMESTAMP_LTZ(millis, 3), part INT METADATA FROM 'partition' VIRTUAL
);
CREATE TABLE big (id STRING NOT NULL, amount DOUBLE);
CREATE VIEW paid AS SELECT id, amount FROM orders WHERE kind = 'paid';
";

fn plan(sql: &str) -> String {
    let known = Known::default().with(TABLES);
    let script = parse_script(sql);
    assert!(script.errors.is_empty(), "{:?}", script.errors);
    let statement = script.items[0].statement.as_ref().unwrap();
    match bind(sql, statement, &known) {
        Ok(bound) => bound.plan().unwrap().explain(),
        Err(errors) => errors
            .iter()
            .map(|error| error.render(sql))
            .collect::<Vec<_>>()
            .join("\n"),
    }
}

fn refused(sql: &str) -> String {
    mistakes(sql, Known::default().with(TABLES))
}

#[test]
fn only_the_columns_needed_are_read() {
    insta::assert_snapshot!(plan("INSERT INTO big SELECT id, amount FROM orders WHERE customer.address.city = 'Bern' AND tags[1] LIKE 'a%'"), @r"
    Sink(table=[big], columns=[id, amount], changelog=[I])
    +- Calc(select=[id, CAST(amount AS DOUBLE) AS amount], where=[(customer.address.city = 'Bern') AND (tags[1] LIKE 'a%')])
       +- Scan(table=[orders], columns=[id, amount, tags, customer])
    ");
}

#[test]
fn a_statement_set_reads_its_source_once() {
    insta::assert_snapshot!(plan("EXECUTE STATEMENT SET BEGIN INSERT INTO big SELECT id, amount FROM orders WHERE kind = 'a'; INSERT INTO big (id) SELECT o.id FROM orders AS o; END;"), @r"
    Sink(table=[big], columns=[id, amount], changelog=[I])
    +- Calc(select=[id, CAST(amount AS DOUBLE) AS amount], where=[(kind = 'a')])
       +- Scan(table=[orders], columns=[id, amount, kind])
    Sink(table=[big], columns=[id, amount], changelog=[I])
    +- Calc(select=[id, NULL AS amount])
       +- Scan(table=[orders], columns=[id, amount, kind])
    Shared: orders is read once
    ");
}

#[test]
fn views_subqueries_and_unions_become_branches() {
    insta::assert_snapshot!(plan("WITH x AS (SELECT id, UUID() AS u FROM paid) SELECT id, u, u AS again FROM x WHERE id > 'a' UNION ALL SELECT t, 'lit', part || '' FROM orders CROSS JOIN UNNEST(tags) AS t LIMIT 5"), @r"
    Result(columns=[id STRING NOT NULL, u VARCHAR(36) NOT NULL, again STRING NOT NULL], changelog=[I])
    +- Limit(5)
       +- UnionAll(2 inputs)
          +- Calc(select=[id, u, u AS again], where=[(kind = 'paid') AND (id > 'a')])
             +- Extend(UUID())
                +- Scan(table=[orders], columns=[id, kind, tags, part])
          +- Calc(select=[t AS id, 'lit' AS u, (CAST(part AS STRING) || '') AS again])
             +- Unnest(tags)
                +- Scan(table=[orders], columns=[id, kind, tags, part])
    Shared: orders is read once
    ");
}

#[test]
fn five_mistakes_of_one_script_are_all_told() {
    insta::assert_snapshot!(refused("CREATE TABLE t (id INT, order STRING, n NUMBR);
INSERT INTO t SELECT id FROM missing;
INSERT INTO big SELECT \"id\", amount FROM orders WHERE amount == 'x';
INSERT INTO big SELECT idd, UPER(kind), amnt FROM orders;
SELECT id FROM orders WHERE kind = 'open"), @r#"
    error: `order` is a reserved word and cannot be a bare name
     --> line 1, column 25
      |
    1 | CREATE TABLE t (id INT, order STRING, n NUMBR);
      |                         ^^^^^
      = hint: put it in backquotes: `order`

    error: `NUMBR` is not a type
     --> line 1, column 41
      |
    1 | CREATE TABLE t (id INT, order STRING, n NUMBR);
      |                                         ^^^^^
      = hint: the types are BOOLEAN, TINYINT, SMALLINT, INT, INTEGER, BIGINT, FLOAT, DOUBLE, DECIMAL, NUMERIC, CHAR, VARCHAR, STRING, BINARY, VARBINARY, BYTES, DATE, TIME, TIMESTAMP, TIMESTAMP_LTZ, INTERVAL, ARRAY, MAP, MULTISET, ROW

    error: there is no table or topic `missing`
     --> line 2, column 30
      |
    2 | INSERT INTO t SELECT id FROM missing;
      |                              ^^^^^^^
      = hint: create it with CREATE TABLE, or create the topic of this name

    error: double quotes mean nothing in Flink SQL
     --> line 3, column 24
      |
    3 | INSERT INTO big SELECT "id", amount FROM orders WHERE amount == 'x';
      |                        ^^^^
      = hint: write `id` in backquotes for a name, 'id' in single quotes for a string

    error: `=` cannot compare DECIMAL(10, 2) with CHAR(1)
     --> line 3, column 55
      |
    3 | INSERT INTO big SELECT "id", amount FROM orders WHERE amount == 'x';
      |                                                       ^^^^^^^^^^^^^
      = hint: write the number without quotes

    error: `==` is not an operator of Flink SQL
     --> line 3, column 62
      |
    3 | INSERT INTO big SELECT "id", amount FROM orders WHERE amount == 'x';
      |                                                              ^^
      = hint: write `=`

    error: there is no column `idd`
     --> line 4, column 24
      |
    4 | INSERT INTO big SELECT idd, UPER(kind), amnt FROM orders;
      |                        ^^^
      = hint: did you mean `id`?

    error: there is no function `UPER`
     --> line 4, column 29
      |
    4 | INSERT INTO big SELECT idd, UPER(kind), amnt FROM orders;
      |                             ^^^^
      = hint: did you mean `UPPER`?

    error: there is no column `amnt`
     --> line 4, column 41
      |
    4 | INSERT INTO big SELECT idd, UPER(kind), amnt FROM orders;
      |                                         ^^^^
      = hint: did you mean `amount`?

    error: the string opened here is never closed
     --> line 5, column 36
      |
    5 | SELECT id FROM orders WHERE kind = 'open
      |                                    ^^^^^
      = hint: end it with `'`; a quote inside a string is written `''`
    "#);
}

/// The first message and hint of a text, in one line.
fn first(sql: &str) -> String {
    let known = Known::default().with(TABLES);
    let script = parse_script(sql);
    let mut errors = script.errors;
    for item in script.items {
        if let Some(statement) = item.statement
            && let Err(found) = bind(sql, &statement, &known)
        {
            errors.extend(found);
        }
    }
    errors.sort_by_key(|error| error.span.start);
    match errors.first() {
        Some(error) => format!(
            "{}:{} {} | {}",
            error.line,
            error.column,
            error.message,
            error.hint.as_deref().unwrap_or("")
        ),
        None => "fine".to_owned(),
    }
}

#[test]
fn what_flink_has_and_this_does_not_is_refused_by_name() {
    for (sql, wanted) in [
        (
            "WITH a AS (SELECT id FROM orders) INSERT INTO big (id) SELECT id FROM a",
            "1:1 `WITH` cannot stand before INSERT INTO in Flink | put it after the table",
        ),
        ("SELECT DISTINCT id FROM orders", "1:8 `SELECT DISTINCT` needs state"),
        (
            "SELECT o.id FROM orders o JOIN big b ON o.id = b.id",
            "1:27 `JOIN` needs state",
        ),
        (
            "SELECT o.id FROM orders o LEFT JOIN big b ON o.id = b.id",
            "1:27 `LEFT JOIN` needs state",
        ),
        (
            "SELECT id FROM orders, big",
            "1:22 a join (`FROM a, b`) is not there yet",
        ),
        (
            "SELECT id FROM orders ORDER BY ts",
            "1:23 `ORDER BY` over a stream is not there yet",
        ),
        (
            "SELECT COUNT(*) FROM orders",
            "1:8 the aggregate `COUNT` is not there yet",
        ),
        (
            "SELECT kind FROM orders GROUP BY kind HAVING COUNT(*) > 1",
            "1:25 `GROUP BY` needs state",
        ),
        (
            "SELECT id FROM TABLE(TUMBLE(TABLE orders, DESCRIPTOR(ts), INTERVAL '1' MINUTE))",
            "1:16 the window `TUMBLE` needs state",
        ),
        (
            "SELECT id FROM TUMBLE(TABLE orders, DESCRIPTOR(ts), INTERVAL '1' MINUTE)",
            "1:16 the window `TUMBLE` needs state",
        ),
        (
            "SELECT kind FROM orders GROUP BY HOP(ts, INTERVAL '1' MINUTE, INTERVAL '2' MINUTE), kind",
            "1:34 the group window `HOP` needs state",
        ),
        (
            "SELECT ROW_NUMBER() OVER (PARTITION BY id ORDER BY ts) FROM orders",
            "1:8 `OVER` over several rows needs state",
        ),
        (
            "SELECT id FROM orders MATCH_RECOGNIZE (PARTITION BY id MEASURES A.id AS x PATTERN (A B) DEFINE A AS TRUE)",
            "1:23 `MATCH_RECOGNIZE` is not there yet",
        ),
        (
            "SELECT id FROM orders UNION SELECT id FROM big",
            "1:23 `UNION` removes duplicates",
        ),
        (
            "SELECT id FROM orders EXCEPT SELECT id FROM big",
            "1:23 `EXCEPT` needs state",
        ),
        (
            "SELECT id FROM orders WHERE id IN (SELECT id FROM big)",
            "1:35 `IN (SELECT …)` is a join",
        ),
        (
            "SELECT id FROM orders WHERE EXISTS (SELECT 1 FROM big)",
            "1:29 `EXISTS (SELECT …)` is a join",
        ),
        (
            "SELECT t.x FROM orders CROSS JOIN LATERAL TABLE(UNNEST(tags)) AS t (x)",
            "1:35 `LATERAL TABLE(UNNEST(…))` does not exist in Flink",
        ),
        ("ALTER TABLE orders ADD x INT", "1:1 `ALTER` is not there yet"),
        ("CREATE FUNCTION f AS 'x.Y'", "1:8 `FUNCTION` cannot be created here"),
        (
            "SELECT id FROM orders WHERE kind ILIKE 'a'",
            "1:34 `ILIKE` does not exist in Flink",
        ),
    ] {
        let got = first(sql);
        assert!(got.starts_with(wanted), "{sql}\n  wanted {wanted}\n     got {got}");
    }
}

#[test]
fn mistakes_say_what_to_write_instead() {
    for (sql, wanted) in [
        (
            "SELEC 1",
            "1:1 `SELEC` does not begin a statement | did you mean `SELECT`?",
        ),
        (
            "SELECT ID FROM orders",
            "1:8 there is no column `ID` | names are case-sensitive: did you mean `id`?",
        ),
        (
            "SELECT id FROM Orders",
            "1:16 there is no table or topic `Orders` | names are case-sensitive: did you mean `orders`?",
        ),
        (
            "SELECT customer.nam FROM orders",
            "1:17 `customer` has no field `nam` | did you mean `name`?",
        ),
        (
            "SELECT tags.x FROM orders",
            "1:13 `tags` is ARRAY<STRING> and has no field `x` | take an element first: tags[1].x",
        ),
        (
            "SELECT attributes.x FROM orders",
            "1:19 `attributes` is MAP<STRING, STRING> and has no field `x` | write attributes['x']",
        ),
        (
            "SELECT kind.x FROM orders",
            "1:13 `kind` is STRING and has no field `x` | if it holds JSON, write JSON_VALUE(kind, '$.x')",
        ),
        (
            "SELECT tags[0] FROM orders",
            "1:8 arrays begin at 1 in Flink | the first element is [1]",
        ),
        (
            "SELECT kind + 'x' FROM orders",
            "1:8 `+` does not join strings (STRING + CHAR(1)) | write a || b",
        ),
        (
            "SELECT NVL(kind, 'x') FROM orders",
            "1:8 there is no function `NVL` | write COALESCE(a, b)",
        ),
        (
            "SELECT id FROM raw-orders",
            "1:16 `raw-orders` has a hyphen and cannot be a bare name | put it in backquotes: `raw-orders`",
        ),
        (
            "SELECT id, FROM orders",
            "1:10 a comma follows the last column | remove this `,`",
        ),
        (
            "SELECT id FROM orders WHERE",
            "1:28 expected an expression, found the end of the text | ",
        ),
        (
            "SELECT id FROM orders WHERE kind",
            "1:29 WHERE needs BOOLEAN, not STRING | write a comparison, such as x = 'a'",
        ),
        (
            "SELECT id FROM orders) ",
            "1:22 this `)` closes nothing | remove it, or open it with `(`",
        ),
        ("SELECT CAST(id AS TXT) FROM orders", "1:19 `TXT` is not a type"),
        (
            "INSERT INTO big SELECT id FROM orders",
            "1:17 the query gives 1 columns (id STRING), `big` takes 2 (id STRING, amount DOUBLE)",
        ),
        (
            "INSERT INTO big SELECT amount, amount FROM orders",
            "1:24 column `id` of `big` is STRING, the query gives DECIMAL(10, 2) | write CAST(… AS STRING)",
        ),
        (
            "INSERT INTO big (idd) SELECT id FROM orders",
            "1:18 `big` has no column `idd` | did you mean `id`?",
        ),
        (
            "INSERT INTO orders (id, part) SELECT id, 1 FROM big",
            "1:25 `part` of `orders` is computed or read-only",
        ),
        (
            "INSERT INTO paid SELECT id, amount FROM big",
            "1:13 `paid` is a view: rows cannot go into it",
        ),
        (
            "CREATE TABLE t (a INT, PRIMARY KEY (b) NOT ENFORCED)",
            "1:37 the primary key names `b`, which is no column",
        ),
        (
            "CREATE TABLE t (a INT, WATERMARK FOR a AS a)",
            "1:38 a watermark's column must be a TIMESTAMP, not INT",
        ),
        (
            "SELECT id FROM orders WHERE ts > 5",
            "1:29 `>` cannot compare TIMESTAMP_LTZ(3) with INT | for milliseconds since 1970 write TO_TIMESTAMP_LTZ(millis, 3)",
        ),
        (
            "EXECUTE STATEMENT SET BEGIN INSERT INTO big (id) SELECT id FROM orders;",
            "1:23 the statement set begun here never ends | end it with `END;`",
        ),
        (
            "SELECT 'a' FROM orders WHERE id = ‘x’",
            "1:35 `‘` has no place in SQL | write a plain single quote '",
        ),
        (
            "SELECT 1 /* open FROM orders",
            "1:10 the comment opened here is never closed",
        ),
    ] {
        let got = first(sql);
        assert!(got.starts_with(wanted), "{sql}\n  wanted {wanted}\n     got {got}");
    }
}

#[test]
fn any_text_is_read_without_a_panic() {
    let pieces = [
        "SELECT",
        "FROM",
        "(",
        ")",
        "'",
        "`",
        "\"",
        ",",
        "*",
        "INSERT INTO",
        "CASE",
        "WHEN",
        "ROW<",
        "[",
        "]",
        "é",
        "\u{0}",
        ".",
        "1e",
        "x'",
        "U&'\\",
        "/*+",
        "*/",
        "--",
        ";",
        "BEGIN STATEMENT SET;",
        "END",
        "CAST(",
        "AS",
        "INTERVAL",
        "JSON_VALUE(",
        "CREATE TABLE t (",
        "WITH",
        "UNNEST(",
        "\n",
        "$",
        "a-b",
        "LIKE",
        "ESCAPE",
        "OVER (",
        "=>",
        "||",
    ];
    let mut state = 42_u64;
    for _ in 0..3000 {
        let mut text = String::new();
        for _ in 0..12 {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            text.push_str(pieces[(state >> 33) as usize % pieces.len()]);
            if state & 1 == 0 {
                text.push(' ');
            }
        }
        let rendered = refused(&text);
        assert!(rendered.len() < 100_000);
    }
    let deep = format!("SELECT {}1{}", "(".repeat(5000), ")".repeat(5000));
    assert!(refused(&deep).contains("nested too deeply"));
}

#[test]
fn a_table_prints_as_the_statement_that_makes_it() {
    let known = Known::default().with(TABLES);
    let Some(rivulet_sql::Relation::Table(table)) = rivulet_sql::Tables::resolve(&known, "orders") else {
        panic!("no table")
    };
    let printed = table.create_sql();
    let again = Known::default().with(&printed);
    let Some(rivulet_sql::Relation::Table(same)) = rivulet_sql::Tables::resolve(&again, "orders") else {
        panic!("no table")
    };
    assert_eq!(same.create_sql(), printed);
}
