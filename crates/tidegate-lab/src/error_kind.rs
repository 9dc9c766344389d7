//! What went wrong in a query, sorted into the kinds the report counts.

use sqlx::error::DatabaseError;
use sqlx::mysql::MySqlDatabaseError;

/// The kind of a failed query.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ErrorKind {
    /// SQLite: another connection writes.
    Busy,
    /// The server could not be reached, or the connection broke.
    Connection,
    Deadlock,
    LockTimeout,
    Other,
    /// The pool gave up on the caller.
    PoolTimeout,
    /// The limiter's queue refused the expert.
    Refused,
    Serialization,
    TooManyConnections,
}

impl ErrorKind {
    pub(crate) fn of(err: &sqlx::Error) -> Self {
        match err {
            sqlx::Error::PoolTimedOut => Self::PoolTimeout,
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed => Self::Connection,
            sqlx::Error::Database(err) => Self::of_database(err.as_ref()),
            _ => Self::Other,
        }
    }

    fn of_database(err: &dyn DatabaseError) -> Self {
        // MySQL's SQLSTATE says too little (HY000 for a lock timeout), its own numbers say enough.
        if let Some(mysql) = err.try_downcast_ref::<MySqlDatabaseError>() {
            return Self::of_mysql(mysql.number());
        }
        err.code().map_or(Self::Other, |code| Self::of_code(&code))
    }

    fn of_mysql(number: u16) -> Self {
        match number {
            1040 | 1203 | 1226 => Self::TooManyConnections,
            1053 | 1152 | 1927 => Self::Connection,
            1205 => Self::LockTimeout,
            1213 => Self::Deadlock,
            _ => Self::Other,
        }
    }

    /// SQLSTATEs have five characters, SQLite's extended codes at most four.
    fn of_code(code: &str) -> Self {
        match code {
            "53300" => Self::TooManyConnections,
            "40P01" => Self::Deadlock,
            "40001" => Self::Serialization,
            "55P03" => Self::LockTimeout,
            "57P01" | "57P02" | "57P03" => Self::Connection,
            "5" | "6" | "261" | "262" | "517" | "773" => Self::Busy,
            code if code.len() == 5 && code.starts_with("08") => Self::Connection,
            _ => Self::Other,
        }
    }

    /// Whether the caller was denied a connection, or lost it: what must not happen under a good limit.
    pub(crate) const fn is_connection_error(self) -> bool {
        matches!(self, Self::Connection | Self::PoolTimeout | Self::TooManyConnections)
    }

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Busy => "busy",
            Self::Connection => "connection",
            Self::Deadlock => "deadlock",
            Self::LockTimeout => "lock_timeout",
            Self::Other => "other",
            Self::PoolTimeout => "pool_timeout",
            Self::Refused => "refused",
            Self::Serialization => "serialization",
            Self::TooManyConnections => "too_many_connections",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_code(code: &str, kind: ErrorKind, is_connection_error: bool) {
        assert_eq!(ErrorKind::of_code(code), kind, "{code}");
        assert_eq!(kind.is_connection_error(), is_connection_error, "{code}");
    }

    #[test]
    fn codes_have_kinds() {
        check_code("53300", ErrorKind::TooManyConnections, true);
        check_code("57P03", ErrorKind::Connection, true);
        check_code("08006", ErrorKind::Connection, true);
        check_code("40P01", ErrorKind::Deadlock, false);
        check_code("40001", ErrorKind::Serialization, false);
        check_code("55P03", ErrorKind::LockTimeout, false);
        check_code("5", ErrorKind::Busy, false);
        check_code("517", ErrorKind::Busy, false);
        check_code("42P01", ErrorKind::Other, false);
    }

    #[test]
    fn mysql_numbers_have_kinds() {
        assert_eq!(ErrorKind::of_mysql(1040), ErrorKind::TooManyConnections);
        assert_eq!(ErrorKind::of_mysql(1203), ErrorKind::TooManyConnections);
        assert_eq!(ErrorKind::of_mysql(1226), ErrorKind::TooManyConnections);
        assert_eq!(ErrorKind::of_mysql(1205), ErrorKind::LockTimeout);
        assert_eq!(ErrorKind::of_mysql(1213), ErrorKind::Deadlock);
        assert_eq!(ErrorKind::of_mysql(1064), ErrorKind::Other);
    }

    #[test]
    fn the_pool_giving_up_is_a_connection_error() {
        assert_eq!(ErrorKind::of(&sqlx::Error::PoolTimedOut), ErrorKind::PoolTimeout);
        assert!(ErrorKind::PoolTimeout.is_connection_error());
        assert_eq!(ErrorKind::of(&sqlx::Error::RowNotFound), ErrorKind::Other);
    }
}
