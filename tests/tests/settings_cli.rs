//! `tidegate settings` from outside.
#![cfg(unix)]
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a helper of these tests that cannot help ends the test"
)]

use serde_json::Value;
use tidegate::{LawSettings, Settings};
use tidegate_tests::{Lab, check_bad_input, text};

fn printed(args: &[&str]) -> String {
    let output = Lab::new().run(args);
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    text(&output.stdout)
}

fn read(toml: &str) -> Settings {
    let parsed = toml::Deserializer::parse(toml).unwrap_or_else(|error| panic!("{error}: {toml}"));
    Settings::read(parsed, Some(20)).unwrap_or_else(|error| panic!("{error}: {toml}"))
}

/// What the command says of a file with that content: its exit code, and the lines that are errors.
fn checked(name: &str, content: &str, args: &[&str]) -> (i32, Vec<String>) {
    let lab = Lab::new();
    std::fs::write(lab.path(name), content).unwrap();
    let output = lab.run(&[&["settings", "check", name], args].concat());
    let errors = text(&output.stderr).lines().map(str::to_owned).collect();
    assert_eq!(output.stdout.is_empty(), !output.status.success(), "{output:?}");
    (output.status.code().unwrap(), errors)
}

#[test]
fn the_schema_is_json_that_describes_the_settings() {
    let schema: Value = serde_json::from_str(&printed(&["settings", "schema"])).unwrap();
    assert_eq!(schema["title"], "Settings");
    assert!(schema["properties"]["tick"]["description"].as_str().unwrap().contains("10 ms to 1 s"));
}

#[test]
fn the_defaults_read_back_as_the_defaults() {
    assert_eq!(read(&printed(&["settings", "defaults"])), Settings::default());
}

/// A block that is a comment as a whole is a table that is not set, or a law in place of the default.
#[test]
fn every_commented_table_of_the_defaults_can_be_used() {
    let text = printed(&["settings", "defaults"]);
    let is_commented =
        |block: &&str| block.contains("\n# [") && block.lines().all(|line| line.starts_with('#'));
    let mut read_back = Vec::new();
    for block in text.split("\n\n").filter(is_commented) {
        let uncommented: Vec<_> =
            block.lines().map(|line| line.strip_prefix("# ").unwrap_or_default()).collect();
        read_back.push(read(&uncommented.join("\n")));
    }
    let laws: Vec<_> = read_back.iter().map(|settings| &settings.law).collect();
    assert!(laws.contains(&&LawSettings::Custom), "{laws:?}");
    assert!(laws.contains(&&LawSettings::Fixed { limit: 10 }), "{laws:?}");
    assert!(read_back.iter().any(|settings| settings.queue.sojourn.is_some()), "{text}");
}

#[test]
fn every_commented_setting_of_the_defaults_can_be_used() {
    let text = printed(&["settings", "defaults"]);
    let blocks = text.split("\n\n").filter(|block| !block.contains("\n# ["));
    let lines =
        blocks.flat_map(|block| block.lines().chain([""])).map(|line| match line.strip_prefix("# ") {
            Some(setting) if setting.split(' ').nth(1) == Some("=") => setting,
            _ => line,
        });
    let settings = read(&lines.collect::<Vec<_>>().join("\n"));
    assert_eq!(settings.queue.places, Some(500));
    let LawSettings::PoolAimd(law) = settings.law else { panic!("not the default law: {settings:?}") };
    assert_eq!((law.initial_limit, law.max_limit), (Some(10), Some(64)));
}

#[test]
fn a_file_that_can_be_used_is_said_to_be_so() {
    assert_eq!(checked("a.toml", "tick = '50ms'", &[]), (0, vec![]));
    assert_eq!(
        checked("a.json", "{\"law\": {\"kind\": \"fixed\", \"limit\": 7}}", &["--pool", "20"]),
        (0, vec![])
    );
}

#[test]
fn everything_wrong_with_a_file_is_said_in_one_go_a_line_each() {
    let content = "tick = 5\ntock = 1\n[law]\nkind = 'pool_aimd'\nmin_limit = 0\nconnections_per_call = 21\n";
    let (code, errors) = checked("a.toml", content, &["--pool", "20"]);
    assert_eq!(code, 2);
    assert_eq!(
        errors,
        [
            "error: tick is 5, allowed is a time with its unit, such as \"100ms\"",
            "error: tock is unknown, allowed is law, mode, queue, retry or tick",
            "error: law.min_limit is 0, allowed is 1 to 1048575 (max_limit)",
            "error: law.connections_per_call is 21, allowed is 1 to 20 (the pool's size)",
        ]
    );
}

#[test]
fn a_file_that_cannot_be_read_is_one_line() {
    for (name, content, word) in [
        ("a.toml", "tick = '50ms'\nmode\n", "line 2"),
        ("a.json", "{\"tick\":", "line 1 column 8"),
        ("a.yaml", "", "ends in .toml or .json"),
        ("a", "", "ends in .toml or .json"),
        ("a.json", "[]", "settings is a list"),
    ] {
        let (code, errors) = checked(name, content, &[]);
        assert_eq!((code, errors.len()), (2, 1), "{errors:?}");
        assert!(errors[0].contains(word), "{errors:?}");
    }
    let (code, errors) = checked("a.json", "{}", &["--pool", "many"]);
    assert_eq!(
        (code, &errors[..]),
        (2, &["error: pool is many, allowed is a whole number from 1 to 100000".to_owned()][..])
    );
    check_bad_input(&["settings", "check", "missing.toml"], "file");
}

#[test]
fn without_a_command_of_its_own_it_says_what_is_missing() {
    let output = Lab::new().run(&["settings"]);
    let said = text(&output.stderr);
    assert_eq!((output.status.code(), said.lines().count()), (Some(2), 1), "{said}");
    assert!(said.starts_with("error: "), "{said}");
}
