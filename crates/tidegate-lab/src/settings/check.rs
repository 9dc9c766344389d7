//! Whether a file's settings can be used.

use std::fmt::Display;
use std::path::Path;

use serde_json::Value;
use tidegate::{BuildError, Settings};

use crate::args::SettingsCheckArgs;
use crate::faults::{Fault, Faults};
use crate::parse;

/// The largest pool there may be, as in `tidegate plan`.
const POOL_MOST: u32 = 100_000;

pub(super) fn check(args: &SettingsCheckArgs) -> Result<(), Faults> {
    let mut faults = Faults::default();
    let pool = args.pool.as_deref().map(|text| parse::count("pool", text, 1, POOL_MOST)).transpose();
    let pool = faults.take(pool);
    let form = faults.take(form(&args.file));
    let text = faults.take(std::fs::read_to_string(&args.file).map_err(|err| unread(&args.file, err)));
    faults.check()?;
    let (Some(pool), Some(form), Some(text)) = (pool, form, text) else { return Ok(()) };
    let settings = match form {
        Form::Toml => {
            let toml = toml::Deserializer::parse(&text).map_err(|err| {
                let before = err.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
                let line = 1 + before.matches('\n').count();
                unread(&args.file, format_args!("line {line}: {}", err.message()))
            })?;
            Settings::read(toml, pool)
        }
        Form::Json => {
            let json: Value = serde_json::from_str(&text).map_err(|err| unread(&args.file, err))?;
            Settings::read(json, pool)
        }
    };
    settings.map(drop).map_err(|error| named(&args.file, &error))
}

#[derive(Clone, Copy)]
enum Form {
    Json,
    Toml,
}

fn form(file: &Path) -> Result<Form, Fault> {
    match file.extension().and_then(|extension| extension.to_str()) {
        Some("json") => Ok(Form::Json),
        Some("toml") => Ok(Form::Toml),
        _ => Err(Fault::new("file", file.display(), "a name that ends in .toml or .json")),
    }
}

fn unread(file: &Path, why: impl Display) -> Fault {
    Fault::new("file", file.display(), format_args!("a file of settings that can be read ({why})"))
}

/// One fault for each setting.
fn named(file: &Path, error: &BuildError) -> Faults {
    let mut faults = Faults::default();
    for fault in error.faults() {
        faults.require(false, fault.field().to_owned(), fault.given(), fault.allowed());
    }
    match faults.check() {
        Err(faults) => faults,
        Ok(()) => unread(file, error).into(),
    }
}
