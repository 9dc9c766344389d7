//! Which crate may stand on which.

use std::process::Command;

use serde_json::{Value, json};

use crate::{assert_clean, assert_one_fault, house};

/// The crates that are published, each with the crates of the house that it may stand on.
const PUBLISHED: [(&str, &[&str]); 5] = [
    ("tidegate-core", &[]),
    ("tidegate-limiter", &["tidegate-core"]),
    ("tidegate-tower", &["tidegate-limiter", "tidegate-core"]),
    ("tidegate-sqlx", &["tidegate-limiter", "tidegate-core"]),
    ("tidegate", &["tidegate-core", "tidegate-limiter", "tidegate-tower", "tidegate-sqlx"]),
];

/// What the core may stand on if one of its features asks for it: the text form of its settings.
const CORE_OPTIONAL: [&str; 3] = ["humantime", "schemars", "serde"];

/// The crates that never leave the house; `None` may stand on anything.
const UNPUBLISHED: [(&str, Option<&[&str]>); 5] = [
    ("tidegate-bench", None),
    ("tidegate-sim", Some(&["tidegate-core", "tidegate-limiter"])),
    ("tidegate-lab", None),
    ("tidegate-tests", None),
    ("tidegate-examples", None),
];

/// What `cargo metadata` says of the house.
pub(crate) fn metadata() -> Value {
    let answer = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1", "--offline"])
        .current_dir(house::root())
        .output()
        .unwrap();
    assert!(answer.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&answer.stderr));
    serde_json::from_slice(&answer.stdout).unwrap()
}

fn faults(metadata: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    let packages = metadata["packages"].as_array().unwrap();
    for (name, _) in PUBLISHED {
        if !packages.iter().any(|package| package["name"] == *name) {
            faults.push(format!("{name} is not in the workspace"));
        }
    }
    for package in packages {
        check_package(package, &mut faults);
    }
    faults
}

fn check_package(package: &Value, faults: &mut Vec<String>) {
    let name = package["name"].as_str().unwrap();
    let published = PUBLISHED.iter().find(|(known, _)| *known == name).map(|(_, allowed)| *allowed);
    let unpublished = UNPUBLISHED.iter().find(|(known, _)| *known == name).map(|(_, allowed)| *allowed);
    let allowed = match (published, unpublished) {
        (Some(allowed), _) => Some(allowed),
        (None, Some(allowed)) => allowed,
        (None, None) => {
            faults.push(format!("{name} has no place in the dependency table of the tidy test"));
            return;
        }
    };
    // `publish` is null for a crate that goes to the registry and an empty list for one that does not.
    if package["publish"].is_null() != published.is_some() {
        faults.push(format!("{name}: `publish` in its manifest does not say what the tidy test says"));
    }
    for dependency in package["dependencies"].as_array().unwrap() {
        let target = dependency["name"].as_str().unwrap();
        // Null is a normal dependency; the others are "dev" and "build".
        let is_dev = dependency["kind"] == "dev";
        let ours = target == "tidegate" || target.starts_with("tidegate-");
        // A crate's tests may stand on the crate itself, with a feature of it.
        let is_itself = is_dev && target == name;
        if ours && !is_itself && allowed.is_some_and(|allowed| !allowed.contains(&target)) {
            faults.push(format!("{name} must not stand on {target}"));
        }
        let is_asked_for = dependency["optional"] == true && CORE_OPTIONAL.contains(&target);
        if name == "tidegate-core" && !ours && !is_dev && !is_asked_for {
            faults.push(format!("tidegate-core must stand on nothing, and stands on {target}"));
        }
    }
}

#[test]
fn every_crate_stands_only_on_what_it_may() {
    assert_clean(&faults(&metadata()));
}

/// The house with one dependency more than it has.
fn with_dependency(package: &str, target: &str, kind: Option<&str>) -> Value {
    let mut metadata = metadata();
    let packages = metadata["packages"].as_array_mut().unwrap();
    let changed = packages.iter_mut().find(|candidate| candidate["name"] == package).unwrap();
    changed["dependencies"].as_array_mut().unwrap().push(json!({ "name": target, "kind": kind }));
    metadata
}

#[test]
fn a_wrong_edge_is_seen() {
    for (package, target, kind) in [
        ("tidegate-core", "tokio", None),
        ("tidegate-core", "metrics", None),
        ("tidegate-core", "serde", None),
        ("tidegate-core", "tracing", Some("build")),
        ("tidegate-core", "tidegate-limiter", Some("dev")),
        ("tidegate-limiter", "tidegate-tower", None),
        ("tidegate-limiter", "tidegate-sim", Some("dev")),
        ("tidegate-tower", "tidegate-sqlx", Some("dev")),
        ("tidegate-sqlx", "tidegate-tower", None),
        ("tidegate", "tidegate-lab", None),
        ("tidegate-sim", "tidegate-sqlx", None),
    ] {
        assert_one_fault(&faults(&with_dependency(package, target, kind)), target);
    }
    assert_clean(&faults(&with_dependency("tidegate-core", "proptest", Some("dev"))));
}

#[test]
fn a_crate_without_a_place_is_seen() {
    let mut metadata = metadata();
    let stranger = json!({ "name": "tidegate-new", "publish": null, "dependencies": [] });
    metadata["packages"].as_array_mut().unwrap().push(stranger);
    assert_one_fault(&faults(&metadata), "tidegate-new");
}

#[test]
fn a_crate_that_would_be_published_by_mistake_is_seen() {
    let mut metadata = metadata();
    let packages = metadata["packages"].as_array_mut().unwrap();
    packages.iter_mut().find(|package| package["name"] == "tidegate-sim").unwrap()["publish"] = Value::Null;
    assert_one_fault(&faults(&metadata), "tidegate-sim");
}

#[test]
fn a_missing_crate_is_seen() {
    let mut metadata = metadata();
    metadata["packages"].as_array_mut().unwrap().retain(|package| package["name"] != "tidegate-tower");
    assert_one_fault(&faults(&metadata), "tidegate-tower");
}
