//! Subjects and cases by name.

use crate::case::Case;
use crate::failure::Failure;
use crate::subjects::{ALL, BARE, Entry, TOWER};

/// The subjects named, in the order of the table, with those that the others are compared with; all if none is named.
pub(crate) fn subjects(names: &[String]) -> Result<Vec<Entry>, Failure> {
    for name in names {
        subject(name)?;
    }
    let is_wanted = |entry: &Entry| {
        names.is_empty() || [BARE, TOWER].contains(&entry.name) || names.iter().any(|name| name == entry.name)
    };
    Ok(ALL.into_iter().filter(is_wanted).collect())
}

/// The cases named, in the order of the table; all if none is named.
pub(crate) fn cases(names: &[String]) -> Result<Vec<Case>, Failure> {
    for name in names {
        case(name)?;
    }
    let is_wanted = |case: &Case| names.is_empty() || names.contains(&case.name());
    Ok(Case::all().into_iter().filter(is_wanted).collect())
}

pub(crate) fn subject(name: &str) -> Result<Entry, Failure> {
    ALL.into_iter().find(|entry| entry.name == name).ok_or_else(|| {
        let allowed = ALL.map(|entry| entry.name).join(", ");
        Failure::input(format_args!("subject is {name:?}, allowed is one of {allowed}"))
    })
}

pub(crate) fn case(name: &str) -> Result<Case, Failure> {
    Case::all().into_iter().find(|case| case.name() == name).ok_or_else(|| {
        let allowed: Vec<String> = Case::all().into_iter().map(Case::name).collect();
        Failure::input(format_args!("case is {name:?}, allowed is one of {}", allowed.join(", ")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_comes_with_those_it_is_compared_with() {
        let names = subjects(&["tidegate_limit".to_owned()])
            .unwrap()
            .iter()
            .map(|entry| entry.name)
            .collect::<Vec<_>>();
        assert_eq!(names, [BARE, TOWER, "tidegate_limit"]);
        assert_eq!(subjects(&[]).unwrap().len(), ALL.len());
    }

    #[test]
    fn an_unknown_name_is_told_what_is_allowed() {
        let line = cases(&["free".to_owned(), "fre".to_owned()]).unwrap_err().to_string();
        assert!(
            line.starts_with(r#"error: case is "fre", allowed is one of free, queue, contended_2,"#),
            "{line}"
        );
        let line = subjects(&[String::new()]).unwrap_err().to_string();
        assert!(line.starts_with(r#"error: subject is "", allowed is one of bare, floor,"#), "{line}");
    }
}
