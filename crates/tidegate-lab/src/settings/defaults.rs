//! Every setting with its default and its description, as TOML, made from the schema.
//!
//! What has no default, and what stands in place of a default, is a comment with an example: it becomes a setting if the `# `
//! before it is taken away.

use serde_json::Value;

/// How wide a comment may be.
const COLUMNS: usize = 100;

pub(super) fn text(schema: &Value) -> String {
    let mut file = File { root: schema, lines: Vec::new() };
    let head = "Settings of a Tidegate limiter. Every line is the default; what is behind a # is not set.";
    file.comment(head);
    file.table(schema, "");
    file.lines.join("\n") + "\n"
}

struct File<'a> {
    root: &'a Value,
    lines: Vec<String>,
}

impl<'a> File<'a> {
    /// The settings of a table, then the tables in it.
    fn table(&mut self, schema: &'a Value, at: &str) {
        if let Some(kind) = schema["properties"]["kind"]["const"].as_str() {
            self.lines.push(format!("kind = \"{kind}\""));
        }
        let is_table = |property: &'a Value| self.is_table(property);
        let (tables, values): (Vec<_>, Vec<_>) =
            schema["properties"].as_object().into_iter().flatten().partition(|(_, one)| is_table(one));
        for (name, property) in values.into_iter().filter(|(name, _)| *name != "kind") {
            let must_be_given = |one: &Vec<Value>| one.iter().any(|required| required == name);
            let is_required = schema["required"].as_array().is_some_and(must_be_given);
            self.value(name, property, is_required);
        }
        for (name, property) in tables {
            let at = if at.is_empty() { name.clone() } else { format!("{at}.{name}") };
            self.inner_table(&at, property);
        }
    }

    fn value(&mut self, name: &str, property: &'a Value, is_required: bool) {
        self.lines.push(String::new());
        self.described(property);
        let examples = property["examples"].as_array();
        match (&property["default"], examples.and_then(|examples| examples.first())) {
            (Value::Null, Some(example)) if is_required => self.lines.push(format!("{name} = {example}")),
            (Value::Null, Some(example)) => self.lines.push(format!("# {name} = {example}")),
            (Value::Null, None) => self.lines.push(format!("# {name} is not set")),
            (default, _) => self.lines.push(format!("{name} = {default}")),
        }
    }

    /// A table that has a default is written out; others, and other kinds of it, are comments.
    fn inner_table(&mut self, at: &str, property: &'a Value) {
        let (schema, default) = (self.resolved(property), &property["default"]);
        let Some(kinds) = schema["oneOf"].as_array() else {
            return self.headed(at, property, schema, !default.is_null());
        };
        let is_default = |one: &&Value| one["properties"]["kind"]["const"] == default["kind"];
        for one in kinds.iter().filter(is_default) {
            self.headed(at, property, one, true);
        }
        for one in kinds.iter().filter(|one| !is_default(one)) {
            self.headed(at, one, one, false);
        }
    }

    fn headed(&mut self, at: &str, described: &'a Value, schema: &'a Value, is_set: bool) {
        let mut inner = File { root: self.root, lines: Vec::new() };
        inner.described(described);
        inner.lines.push(format!("[{at}]"));
        inner.table(schema, at);
        self.lines.push(String::new());
        let mark = |line: String| match (is_set, line.is_empty()) {
            (true, _) => line,
            (false, true) => "#".to_owned(),
            (false, false) => format!("# {line}"),
        };
        self.lines.extend(inner.lines.into_iter().map(mark));
    }

    fn is_table(&self, property: &'a Value) -> bool {
        let schema = self.resolved(property);
        let is_table = |one: &Value| one["properties"].is_object();
        is_table(schema) || schema["oneOf"].as_array().is_some_and(|kinds| kinds.iter().any(is_table))
    }

    fn resolved(&self, property: &'a Value) -> &'a Value {
        let inner = property["anyOf"].as_array().and_then(|any| any.first()).unwrap_or(property);
        let pointer = inner["$ref"].as_str().and_then(|path| path.strip_prefix('#'));
        pointer.and_then(|pointer| self.root.pointer(pointer)).unwrap_or(inner)
    }

    fn described(&mut self, property: &Value) {
        self.comment(property["description"].as_str().unwrap_or_default());
    }

    /// A comment, each paragraph of the text wrapped anew.
    fn comment(&mut self, text: &str) {
        for (i, paragraph) in text.split("\n\n").enumerate() {
            if i > 0 {
                self.lines.push("#".to_owned());
            }
            let mut line = "#".to_owned();
            for word in paragraph.split_whitespace() {
                if line.chars().count() + 1 + word.chars().count() > COLUMNS {
                    self.lines.push(std::mem::replace(&mut line, "#".to_owned()));
                }
                line.push(' ');
                line.push_str(word);
            }
            self.lines.push(line);
        }
    }
}
