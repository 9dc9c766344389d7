//! `tidegate settings`: the settings of a limiter as files have them.

mod check;
mod defaults;

use schemars::schema_for;
use serde_json::Value;
use tidegate::Settings;

use crate::args::SettingsCommand;
use crate::{Failure, say};

/// Prints the schema or the defaults, or checks a file.
///
/// # Errors
///
/// A file that cannot be read, and everything that is wrong with its settings.
pub(crate) fn settings(command: &SettingsCommand) -> Result<(), Failure> {
    match command {
        SettingsCommand::Schema => say(&format!("{}\n", serde_json::to_string_pretty(&schema())?)),
        SettingsCommand::Defaults => say(&defaults::text(&schema())),
        SettingsCommand::Check(args) => {
            check::check(args)?;
            say(&format!("{} can be used\n", args.file.display()))
        }
    }
}

fn schema() -> Value {
    schema_for!(Settings).to_value()
}
