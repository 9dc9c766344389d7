//! Which database is meant by a URL.

use std::path::{Path, PathBuf};

use sqlx::ConnectOptions;
use sqlx::mysql::MySqlConnectOptions;
use sqlx::postgres::PgConnectOptions;
use url::Url;

use crate::faults::Fault;

/// Where the run makes its schema.
#[derive(Clone, Debug)]
pub(crate) enum Target {
    /// A SQLite file in a temporary directory.
    Embedded,
    MySql {
        options: MySqlConnectOptions,
        shown: String,
    },
    Postgres {
        options: PgConnectOptions,
        shown: String,
    },
    /// A SQLite file of our own in that directory.
    SqliteIn(PathBuf),
}

const ALLOWED: &str = "postgres://user:password@host:port/database, mysql://user:password@host:port/database or sqlite://path/file";

impl Target {
    /// The one that was asked for with `--database-url`, or the embedded one.
    pub(crate) fn asked(url: Option<&str>) -> Result<Self, Fault> {
        url.map_or(Ok(Self::Embedded), Self::from_url)
    }

    pub(crate) fn from_url(text: &str) -> Result<Self, Fault> {
        // What cannot be read as a URL may still hold a password, so it is not repeated.
        let url = Url::parse(text.trim())
            .map_err(|err| Fault::new("database_url", format_args!("not a URL ({err})"), ALLOWED))?;
        let shown = without_secrets(&url);
        let bad = |err: sqlx::Error| Fault::new("database_url", format_args!("{shown} ({err})"), ALLOWED);
        match url.scheme() {
            "postgres" | "postgresql" => {
                let options = PgConnectOptions::from_url(&url).map_err(bad)?;
                Ok(Self::Postgres { options, shown })
            }
            "mysql" | "mariadb" => {
                let options = MySqlConnectOptions::from_url(&url).map_err(bad)?;
                Ok(Self::MySql { options, shown })
            }
            "sqlite" => Ok(Self::SqliteIn(sqlite_folder(text.trim())?)),
            _ => Err(Fault::new("database_url", shown, ALLOWED)),
        }
    }

    pub(crate) fn is_sqlite(&self) -> bool {
        matches!(self, Self::Embedded | Self::SqliteIn(_))
    }
}

/// The URL without its password and its options, which may hold one.
fn without_secrets(url: &Url) -> String {
    let mut shown = url.clone();
    shown.set_query(None);
    shown.set_fragment(None);
    // Fails for URLs that cannot have a password, which then have none.
    let _ = shown.set_password(None);
    // A password with an unescaped slash is read as part of the path.
    if shown.path().contains('@') {
        shown.set_path("…");
    }
    shown.to_string()
}

/// The directory of the named file; the file itself is never opened.
///
/// Readers and a writer at once need the write-ahead log, and switching a user's file to it would outlive the run.
fn sqlite_folder(url: &str) -> Result<PathBuf, Fault> {
    let fault = |given: &str| {
        Fault::new("database_url", given, "sqlite://path/file in a directory that exists; not in memory")
    };
    // Options may hold a secret.
    let url = url.split('?').next().unwrap_or_default();
    let rest = url.trim_start_matches("sqlite:").trim_start_matches("//");
    let path = rest.split('?').next().unwrap_or_default();
    if path.is_empty() || path.starts_with(':') {
        return Err(fault(url));
    }
    let path = Path::new(path);
    if path.is_dir() {
        return Ok(path.to_owned());
    }
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if folder.is_dir() { Ok(folder.to_owned()) } else { Err(fault(url)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schemes_choose_the_database() {
        let is = |url, check: fn(&Target) -> bool| check(&Target::from_url(url).unwrap());
        assert!(is("postgres://u:p@h:1/d", |t| matches!(t, Target::Postgres { .. })));
        assert!(is("postgresql://h/d", |t| matches!(t, Target::Postgres { .. })));
        assert!(is("mysql://u:p@h:1/d", |t| matches!(t, Target::MySql { .. })));
        assert!(is("mariadb://u:p@h:1/d", |t| matches!(t, Target::MySql { .. })));
        assert!(is("sqlite://some.db", Target::is_sqlite));
    }

    #[test]
    fn a_sqlite_url_means_the_directory_of_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().display();
        for url in [
            format!("sqlite://{root}/app.db?mode=rwc"),
            format!("sqlite:{root}/app.db"),
            format!("sqlite://{root}"),
        ] {
            let Target::SqliteIn(found) = Target::from_url(&url).unwrap() else { panic!("{url}") };
            assert_eq!(found, folder.path(), "{url}");
        }
        for url in [format!("sqlite://{root}/missing/app.db"), "sqlite::memory:".into(), "sqlite://".into()] {
            assert!(Target::from_url(&url).unwrap_err().to_string().contains("not in memory"), "{url}");
        }
    }

    #[test]
    fn secrets_are_never_shown() {
        for url in [
            "oracle://scott:tiger@db.example/x",
            "postgres://scott:tiger@db.example/x?sslmode=tiger",
            "postgres://scott:tiger@db.exa mple:port/x",
        ] {
            let line = Target::from_url(url).unwrap_err().to_string();
            assert!(line.starts_with("database_url is "), "{line}");
            assert!(!line.contains("scott:tiger"), "{line}");
        }
        let line = Target::from_url("oracle://scott:tiger@db.example/x").unwrap_err().to_string();
        assert!(line.contains("oracle://scott@db.example/x"), "{line}");
    }
}
