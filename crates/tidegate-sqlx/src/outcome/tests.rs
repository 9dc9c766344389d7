use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::io;

use sqlx::error::ErrorKind;

use super::*;

#[derive(Debug)]
pub(super) struct Fake {
    code: Option<&'static str>,
    message: &'static str,
}

/// What the database answers with this code.
pub(super) fn answer(code: &'static str) -> Error {
    Error::Database(Box::new(Fake { code: Some(code), message: code }))
}

impl fmt::Display for Fake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message)
    }
}

impl StdError for Fake {}

impl DatabaseError for Fake {
    fn message(&self) -> &str {
        self.message
    }

    fn code(&self) -> Option<Cow<'_, str>> {
        self.code.map(Cow::Borrowed)
    }

    fn as_error(&self) -> &(dyn StdError + Send + Sync + 'static) {
        self
    }

    fn as_error_mut(&mut self) -> &mut (dyn StdError + Send + Sync + 'static) {
        self
    }

    fn into_error(self: Box<Self>) -> Box<dyn StdError + Send + Sync + 'static> {
        self
    }

    fn kind(&self) -> ErrorKind {
        ErrorKind::Other
    }
}

#[track_caller]
fn check(error: Error, expected: Outcome) {
    assert_eq!(classify(&error), expected, "{error}");
}

#[track_caller]
fn check_code(code: &'static str, expected: Outcome) {
    check(answer(code), expected);
}

#[track_caller]
fn check_text(code: &'static str, message: &'static str, expected: Outcome) {
    check(Error::Database(Box::new(Fake { code: Some(code), message })), expected);
}

#[test]
fn no_room_is_overload() {
    check(Error::PoolTimedOut, Outcome::Overload);
    check_code("53300", Outcome::Overload); // too_many_connections
    check_code("53400", Outcome::Overload); // configuration_limit_exceeded
    check_code("53000", Outcome::Overload); // insufficient_resources
    check_code("53200", Outcome::Overload); // out_of_memory
    check_code("08004", Outcome::Overload); // connection rejected; MySQL 1040
    check_text("08P01", "query_wait_timeout", Outcome::Overload);
    check_text("08P01", "no more connections allowed (max_client_conn)", Outcome::Overload);
}

#[test]
fn too_slow_is_overload() {
    check_code("57014", Outcome::Overload); // query_canceled
    check_code("55P03", Outcome::Overload); // lock_not_available
}

#[test]
fn contention_is_overload() {
    check_code("40001", Outcome::Overload); // serialization_failure
    check_code("40P01", Outcome::Overload); // deadlock_detected
}

#[test]
fn busy_sqlite_is_overload() {
    check_code("5", Outcome::Overload); // BUSY
    check_code("6", Outcome::Overload); // LOCKED
    check_code("261", Outcome::Overload); // BUSY_RECOVERY
    check_code("517", Outcome::Overload); // BUSY_SNAPSHOT
    check_code("773", Outcome::Overload); // BUSY_TIMEOUT
    check_code("262", Outcome::Overload); // LOCKED_SHAREDCACHE
}

#[test]
fn mysql_numbers_are_overload() {
    for number in [1040, 1203, 1226, 1037, 1038, 1041, 1205, 3024, 1969, 1213] {
        assert!(is_mysql_overload(number), "{number}");
    }
    // Duplicate key, syntax error, server shutting down, server gone away, connection lost.
    for number in [1062, 1064, 1053, 2006, 2013] {
        assert!(!is_mysql_overload(number), "{number}");
    }
}

#[test]
fn going_away_is_ignored() {
    for code in ["57P01", "57P02", "57P03", "08000", "08001", "08003", "08006", "08007", "08S01"] {
        check_code(code, Outcome::Ignored);
    }
    check(Error::Io(io::Error::from(io::ErrorKind::ConnectionReset)), Outcome::Ignored);
    check(Error::PoolClosed, Outcome::Ignored);
    check(Error::WorkerCrashed, Outcome::Ignored);
}

#[test]
fn idle_caller_is_ignored() {
    check_code("25P03", Outcome::Ignored); // idle_in_transaction_session_timeout
    check_code("57P05", Outcome::Ignored); // idle_session_timeout
}

#[test]
fn answer_is_ignored() {
    check(Error::RowNotFound, Outcome::Ignored);
    check(Error::ColumnNotFound("id".to_owned()), Outcome::Ignored);
    check(Error::Protocol("08P01".to_owned()), Outcome::Ignored);
    for code in ["23505", "23503", "23514", "23000", "42601", "42P01", "22012", "53100", "HY000"] {
        check_code(code, Outcome::Ignored);
    }
    check_text("08P01", "invalid frontend message type 90", Outcome::Ignored);
    check_text("42601", "syntax error at or near query_wait_timeout", Outcome::Ignored);
    for code in ["1", "8", "10", "14", "19", "2067", "787"] {
        check_code(code, Outcome::Ignored); // SQLite: error, read-only, I/O, cannot open, constraints
    }
}

#[test]
fn unknown_is_ignored() {
    check(Error::Database(Box::new(Fake { code: None, message: "?" })), Outcome::Ignored);
    for code in ["", "?????", "99999", "x", "-5", "123456789012"] {
        check_code(code, Outcome::Ignored);
    }
}
