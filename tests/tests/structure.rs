//! The workspace's shape: imports point strictly downwards, and what the documents link to exists.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use rivulet_tests::workspace;

/// A crate's layer and the crates of ours it names as dependencies, from its manifest.
fn manifest(path: &Path) -> (u32, Vec<String>) {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let (mut layer, mut dependencies, mut section) = (None, Vec::new(), String::new());
    for line in text.lines() {
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_end_matches(']').to_owned();
        } else if section == "package.metadata.rivulet" && line.starts_with("layer") {
            layer = line.split('=').nth(1).and_then(|number| number.trim().parse().ok());
        } else if section == "dependencies" {
            dependencies.extend(line.split(['.', ' ', '=']).next().map(str::to_owned));
        }
    }
    (
        layer.unwrap_or_else(|| panic!("{} names no layer", path.display())),
        dependencies,
    )
}

#[test]
fn crates_import_strictly_downwards() {
    let mut crates = BTreeMap::new();
    for folder in fs::read_dir(workspace().join("crates")).expect("crates").flatten() {
        let name = folder.file_name().to_string_lossy().into_owned();
        crates.insert(name, manifest(&folder.path().join("Cargo.toml")));
    }
    assert!(crates.len() >= 13, "{:?}", crates.keys());
    for (name, (layer, dependencies)) in &crates {
        for dependency in dependencies
            .iter()
            .filter(|dependency| crates.contains_key(*dependency))
        {
            let below = crates[dependency].0;
            assert!(
                below < *layer,
                "`{name}` (layer {layer}) imports `{dependency}` (layer {below})"
            );
        }
    }
}

/// Heavy dependencies live in one place each.
#[test]
fn heavy_dependencies_have_one_home() {
    for (dependency, home) in [("rdkafka", "client"), ("axum", "http"), ("saphyr", "project")] {
        for folder in fs::read_dir(workspace().join("crates")).expect("crates").flatten() {
            let text = fs::read_to_string(folder.path().join("Cargo.toml")).expect("a manifest");
            let named = text
                .lines()
                .any(|line| line.starts_with(&format!("{dependency}.")) || line.starts_with(&format!("{dependency} ")));
            assert!(
                !named || folder.file_name() == home,
                "`{dependency}` belongs into `{home}` only"
            );
        }
    }
}

/// Every relative link of the documents leads to a file; a `#L` or `#name` part names something that stands in it.
#[test]
fn links_in_the_documents_hold() {
    let mut checked = 0;
    for document in ["README.md", "docs/ARCHITECTURE.md"] {
        let path = workspace().join(document);
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{document}: {error}"));
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if link.contains("://") || link.starts_with('#') {
                continue;
            }
            let (file, part) = link.split_once('#').unwrap_or((link, ""));
            let target = path.parent().expect("a folder").join(file);
            assert!(target.exists(), "{document} links to `{link}`, which is not there");
            if !part.is_empty() {
                let code = fs::read_to_string(&target).expect("a text file");
                assert!(
                    code.contains(part),
                    "{document} links to `{part}` in `{file}`, which does not name it"
                );
            }
            checked += 1;
        }
    }
    assert!(checked >= 20, "only {checked} links: is the text still there?");
}
