//! What an error of SQLite means to the caller of the store.

use rusqlite::{Error, ErrorCode, types::FromSqlError};

use crate::{file_access::describe, store::StoreError};

/// An error of a read, of SQLite or of what was read.
#[derive(Debug)]
pub(super) struct ReadError(pub(super) StoreError);

impl From<Error> for ReadError {
    fn from(error: Error) -> Self {
        Self(store_error(error))
    }
}

impl From<FromSqlError> for ReadError {
    fn from(error: FromSqlError) -> Self {
        Self(store_error(error.into()))
    }
}

impl From<StoreError> for ReadError {
    fn from(error: StoreError) -> Self {
        Self(error)
    }
}

/// Classifies an error of a single statement, or of a transaction before its commit: in both cases nothing was changed.
pub(super) fn store_error(e: Error) -> StoreError {
    match e {
        Error::FromSqlConversionFailure(..) | Error::IntegralValueOutOfRange(..) | Error::InvalidColumnType(..) | Error::Utf8Error(..) => {
            StoreError::Corrupt(e.to_string())
        }
        _ if matches!(e.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)) => {
            StoreError::Corrupt(e.to_string())
        }
        _ => StoreError::NotApplied(describe(&e)),
    }
}

/// Classifies an error of a commit: the data can have reached the disk nevertheless.
pub(super) fn commit_error(e: Error) -> StoreError {
    match store_error(e) {
        StoreError::NotApplied(reason) => StoreError::PerhapsApplied(reason),
        other => other,
    }
}

/// The error of every call after the store was closed.
pub(super) fn closed() -> StoreError {
    StoreError::NotApplied("it is closed".into())
}
