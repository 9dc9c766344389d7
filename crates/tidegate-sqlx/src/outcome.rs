mod chain;
#[cfg(test)]
mod tests;

use sqlx::Error;
use sqlx::error::DatabaseError;
use tidegate_core::Outcome;

pub use chain::classify_chain;

/// What a failed query or acquire says about load.
///
/// [`Outcome::Overload`]: fewer calls at once would have helped. There was no room (the pool timed out, the server has too
/// many connections, or is out of memory), or the call was too slow (a statement or lock timeout), or it collided with
/// others (deadlock, serialization failure, a busy SQLite file).
///
/// [`Outcome::Ignored`]: everything else. The server answered (no such row, a constraint violated, a bad statement), or it
/// is down or going away, which fewer calls at once do not mend. What is not known is ignored, never a success.
///
/// It never answers [`Outcome::Success`], as nothing succeeded.
/// It judges this error alone; [`classify_chain`] also finds one in a box or behind an error of your own.
/// MySQL's error numbers are seen with the feature `mysql` only; without it, only its SQLSTATE codes are.
///
/// ```
/// use tidegate_core::Outcome;
/// use tidegate_sqlx::classify;
///
/// assert_eq!(classify(&sqlx::Error::PoolTimedOut), Outcome::Overload);
/// assert_eq!(classify(&sqlx::Error::RowNotFound), Outcome::Ignored);
/// ```
#[must_use]
pub fn classify(error: &Error) -> Outcome {
    judge(error).unwrap_or(Outcome::Ignored)
}

/// The verdict, where an error is one about which anything is known.
fn judge(error: &Error) -> Option<Outcome> {
    match error {
        Error::PoolTimedOut => Some(Outcome::Overload),
        Error::Database(error) => Some(judge_database(&**error)),
        _ => None,
    }
}

fn judge_database(error: &dyn DatabaseError) -> Outcome {
    if is_overload(error) { Outcome::Overload } else { Outcome::Ignored }
}

fn is_overload(error: &dyn DatabaseError) -> bool {
    if let Some(number) = mysql_number(error) {
        return is_mysql_overload(number);
    }
    let Some(code) = error.code() else { return false };
    // An SQLSTATE has five characters always; a result code of SQLite is a number of four digits at most.
    if code.len() == 5 {
        is_sqlstate_overload(&code) || is_pgbouncer_overload(&code, error.message())
    } else {
        code.parse().is_ok_and(is_sqlite_overload)
    }
}

fn is_sqlstate_overload(code: &str) -> bool {
    matches!(
        code,
        // The server has no room: connection rejected, insufficient resources, out of memory, too many connections, a
        // configured limit exceeded. (Not 53100: fewer calls do not empty a full disk.)
        "08004" | "53000" | "53200" | "53300" | "53400"
        // Too slow: a statement timeout (or an operator who cancels statements) and a lock not had in time.
        | "57014" | "55P03"
        // Contention: a serialization failure and a deadlock.
        | "40001" | "40P01"
    )
}

/// PgBouncer has one code for all its refusals, a protocol violation, and tells them apart by text.
fn is_pgbouncer_overload(code: &str, message: &str) -> bool {
    const REFUSALS: [&str; 2] = ["query_wait_timeout", "no more connections allowed"];
    code == "08P01" && REFUSALS.iter().any(|text| message.contains(text))
}

/// By number, since MySQL files a lock timeout under the SQLSTATE for "general error".
fn is_mysql_overload(number: u16) -> bool {
    matches!(
        number,
        // No room: too many connections, for the server, for the user, for the user's account. Out of memory.
        1040 | 1203 | 1226 | 1037 | 1038 | 1041
        // Too slow: a lock timeout, a statement timeout (of MySQL, of MariaDB).
        | 1205 | 3024 | 1969
        // Contention: a deadlock.
        | 1213
    )
}

/// Busy (5) and locked (6), with whatever detail stands in the higher byte.
fn is_sqlite_overload(code: u32) -> bool {
    matches!(code & 0xff, 5 | 6)
}

#[cfg(feature = "mysql")]
fn mysql_number(error: &dyn DatabaseError) -> Option<u16> {
    error.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>().map(sqlx::mysql::MySqlDatabaseError::number)
}

#[cfg(not(feature = "mysql"))]
fn mysql_number(_error: &dyn DatabaseError) -> Option<u16> {
    None
}
