//! JSON Schema against what Confluent's registry says: texts it writes or refuses, and rules it finds broken.

use rivulet_schema::difference::{Policy, Reader};
use rivulet_schema::json::{Schema, compare};

/// The blocks of a table: lines of a word and the rest, blocks apart by empty lines.
fn blocks(table: &str) -> Vec<Vec<(&str, &str)>> {
    let mut blocks = vec![Vec::new()];
    for line in table.lines().filter(|line| !line.starts_with('#')) {
        match line {
            "" => blocks.push(Vec::new()),
            line => {
                let entry = line.split_once(' ').unwrap_or((line, ""));
                blocks.last_mut().expect("there is a first block").push(entry);
            }
        }
    }
    blocks.retain(|block| !block.is_empty());
    blocks
}

fn one<'a>(block: &[(&str, &'a str)], word: &str) -> Option<&'a str> {
    block.iter().find(|(key, _)| *key == word).map(|(_, rest)| *rest)
}

fn references(block: &[(&str, &str)]) -> Vec<(String, String)> {
    let split = |rest: &str| {
        rest.split_once(' ')
            .map(|(name, text)| (name.to_owned(), text.to_owned()))
    };
    block
        .iter()
        .filter(|(word, _)| *word == "ref")
        .filter_map(|(_, rest)| split(rest))
        .collect()
}

#[test]
fn texts() {
    let blocks = blocks(include_str!("json/texts.txt"));
    assert!(blocks.len() >= 130, "only {} texts", blocks.len());
    for block in blocks {
        let text = one(&block, "text").expect("a text");
        let parsed = Schema::parse(text, &references(&block));
        match (one(&block, "refused"), parsed) {
            (Some(expected), Err(message)) => assert_eq!(message, expected, "{text}"),
            (Some(_), Ok(_)) => panic!("not refused: {text}"),
            (None, Err(message)) => panic!("refused: {text}: {message}"),
            (None, Ok(schema)) => {
                let canonical = one(&block, "canonical").expect("a canonical text");
                assert_eq!(schema.canonical(), canonical, "{text}");
                assert_eq!(
                    schema.normalized(),
                    one(&block, "normalized").unwrap_or(canonical),
                    "{text}"
                );
                let again = Schema::parse(canonical, &references(&block)).expect("a canonical text is a schema");
                assert_eq!(again.canonical(), canonical);
            }
        }
    }
}

#[test]
fn compatibility() {
    let blocks = blocks(include_str!("json/compatibility.txt"));
    assert!(blocks.len() >= 300, "only {} pairs", blocks.len());
    let mut wrong = Vec::new();
    for block in blocks {
        let references = references(&block);
        let parse = |word: &str| {
            let text = one(&block, word).expect("a schema");
            Schema::parse(text, &references).unwrap_or_else(|cause| panic!("{text}: {cause}"))
        };
        let (old, new) = (parse("old"), parse("new"));
        let policy = if one(&block, "lenient").is_some() {
            Policy::Lenient
        } else {
            Policy::Strict
        };
        for (word, reader, writer, is) in [("back", &new, &old, Reader::New), ("forward", &old, &new, Reader::Old)] {
            let found = compare(reader, writer, is, policy);
            let mut found: Vec<String> = found.iter().map(|one| format!("{} {}", one.rule, one.path)).collect();
            let mut expected: Vec<&str> = block
                .iter()
                .filter(|(key, _)| *key == word)
                .map(|(_, rest)| *rest)
                .collect();
            found.sort();
            expected.sort_unstable();
            if found != expected {
                wrong.push(format!("{word} {block:#?}\nfound {found:#?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} differ, first:\n{}", wrong.len(), wrong[0]);
}

#[test]
fn sentences() {
    let parse = |text: &str| Schema::parse(text, &[]).unwrap();
    let old = parse(r#"{"type":"object","properties":{"a":{"type":"string"}},"additionalProperties":false}"#);
    let new = parse(r#"{"type":"object","properties":{"a":{"type":"string","maxLength":4}}}"#);
    let said = |reader, writer, is| -> Vec<String> {
        compare(reader, writer, is, Policy::Strict)
            .into_iter()
            .map(|found| found.description)
            .collect()
    };
    assert_eq!(
        said(&new, &old, Reader::New),
        ["The keyword at path '#/properties/a/maxLength' in the new schema is not present in the old schema"]
    );
    assert_eq!(
        said(&old, &new, Reader::Old),
        ["The keyword at path '#/additionalProperties' in the old schema is not present in the new schema"]
    );
    let found = &compare(&new, &old, Reader::New, Policy::Strict)[0];
    assert_eq!((found.writer.as_deref(), found.reader.as_deref()), (None, Some("4")));
}

/// What grows without bound in other places is bounded here: none of these may take long or end the process.
#[test]
fn bounds() {
    let nested = |levels: usize| format!("{}{}{}", r#"{"not":"#.repeat(levels), "{}", "}".repeat(levels));
    let deep = Schema::parse(&nested(500), &[]).unwrap();
    assert!(compare(&deep, &deep, Reader::New, Policy::Strict).is_empty());
    assert!(deep.validator().unwrap().check(b"1").is_ok());
    assert!(
        Schema::parse(&nested(600), &[])
            .unwrap_err()
            .contains("nested deeper than 512 levels")
    );
    let modern = nested(200).replacen('{', r#"{"$schema":"https://json-schema.org/draft/2020-12/schema","#, 1);
    assert!(Schema::parse(&modern, &[]).is_ok());

    let chain = |links: usize| {
        let link = |at: usize| format!(r##""d{at}":{{"$ref":"#/definitions/d{}"}}"##, at + 1);
        let links_text: Vec<String> = (0..links).map(link).collect();
        format!(
            r##"{{"$ref":"#/definitions/d0","definitions":{{{},"d{links}":{{}}}}}}"##,
            links_text.join(",")
        )
    };
    assert!(Schema::parse(&chain(500), &[]).is_ok());
    assert!(
        Schema::parse(&chain(5_000), &[])
            .unwrap_err()
            .contains("within each other")
    );

    let doubled = r#"{"type":["object","object"],"properties":{"a":"#.repeat(40) + "{}" + &"}}".repeat(40);
    assert!(
        Schema::parse(&doubled, &[])
            .unwrap_err()
            .contains("unfolds to more than")
    );

    // Each definition refers to each, twice: all pairs of definitions have to be compared, once each.
    let everyone = |count: usize, kind: &str| {
        let any: Vec<String> = (0..count)
            .map(|at| format!(r##"{{"$ref":"#/definitions/n{at}"}}"##))
            .collect();
        let definition = |at: usize| {
            let any = any.join(",");
            format!(r#""n{at}":{{"title":"{at}","properties":{{"p":{{"oneOf":[{any}]}},"v":{{"type":"{kind}"}}}}}}"#)
        };
        let definitions: Vec<String> = (0..count).map(definition).collect();
        let text = format!(
            r##"{{"$ref":"#/definitions/n0","definitions":{{{}}}}}"##,
            definitions.join(",")
        );
        Schema::parse(&text, &[]).unwrap()
    };
    let (few, others) = (everyone(8, "string"), everyone(8, "integer"));
    assert!(compare(&few, &few, Reader::New, Policy::Strict).is_empty());
    assert!(!compare(&few, &others, Reader::New, Policy::Strict).is_empty());
    let many = everyone(60, "string");
    let given_up = compare(&many, &many, Reader::New, Policy::Strict);
    assert_eq!(
        given_up.iter().map(|found| found.rule).collect::<Vec<_>>(),
        ["COMPARISON_GIVEN_UP"]
    );
    assert!(given_up[0].description.contains("reached its limit"));

    // One difference that is reached over 2 to the 30th ways.
    let ways = |kind: &str| {
        let step = |at: usize| {
            let next = format!(r##"{{"$ref":"#/definitions/d{}"}}"##, at + 1);
            format!(r#""d{at}":{{"properties":{{"a":{next},"b":{next}}}}}"#)
        };
        let steps: Vec<String> = (0..30).map(step).collect();
        let text = format!(
            r##"{{"$ref":"#/definitions/d0","definitions":{{{},"d30":{{"type":"{kind}"}}}}}}"##,
            steps.join(",")
        );
        Schema::parse(&text, &[]).unwrap()
    };
    assert_eq!(
        compare(&ways("string"), &ways("null"), Reader::New, Policy::Strict)[0].rule,
        "COMPARISON_GIVEN_UP"
    );
}

#[test]
fn payloads() {
    // Brokers check many payloads at once with one validator.
    fn is_shared<T: Send + Sync>(_: &T) {}
    let references = [(
        "id.json".to_owned(),
        r#"{"definitions":{"id":{"type":"integer","minimum":1}}}"#.to_owned(),
    )];
    for draft in ["", r#""$schema":"https://json-schema.org/draft/2020-12/schema","#] {
        let text = format!(
            r##"{{{draft}"type":"object","required":["id"],"properties":{{"id":{{"$ref":"id.json#/definitions/id"}}}}}}"##
        );
        let validator = Schema::parse(&text, &references).unwrap().validator().unwrap();
        is_shared(&validator);
        assert_eq!(validator.check(br#"{"id":1,"more":[]}"#), Ok(()));
        assert_eq!(
            validator.check(br#"{"id":0}"#),
            Err("`#/id`: 0 is less than the minimum of 1".to_owned())
        );
        assert_eq!(
            validator.check(b"{}"),
            Err("`#`: \"id\" is a required property".to_owned())
        );
        assert!(validator.check(b"{").unwrap_err().starts_with("the payload is no JSON"));
        assert!(validator.check(&b"[".repeat(100_000)).is_err());
    }
    for endless in [
        r##"{"$ref":"#"}"##,
        r##"{"anyOf":[{"type":"string"},{"not":{"$ref":"#"}}]}"##,
    ] {
        let refused = Schema::parse(endless, &[]).unwrap().validator().unwrap_err();
        assert_eq!(refused, "`#` leads back to itself, so no payload could ever be checked");
    }
    let unknown = Schema::parse(r#"{"$schema":"http://a.example/of","type":"string"}"#, &[]).unwrap();
    assert_eq!(unknown.validator().unwrap().check(b"\"a\""), Ok(()));
}
