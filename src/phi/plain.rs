//! A plain value of patient data: its kind, its text, and the ciphertext that it becomes.

use std::borrow::Cow;

use auria_openpgp::limits::MAX_PLAINTEXT;
use pgrx::datum::Date;
use uuid::Uuid;

use super::columns::{Kind, iso};
use super::keyring;
use crate::error::Result;
use crate::pg::bytes::Stored;
use crate::pg::spi::Row;
use crate::pg::trigger::{Column, RowTrigger};

/// The value of a plain column that is not NULL.
pub enum Plain<'row> {
    /// A text, or jsonb as PostgreSQL writes it, not fetched yet.
    Text(Stored<'row>),
    /// A date.
    Date(Date),
}

impl<'row> Plain<'row> {
    /// The value at this position of a row that a statement returned; `None` is NULL.
    pub fn read(row: &'row Row<'_>, position: i32, kind: Kind) -> Result<Option<Self>> {
        Ok(match kind {
            Kind::Text | Kind::Jsonb => row.stored(position)?.map(Self::Text),
            Kind::Date => row.get(position)?.map(Self::Date),
        })
    }

    /// The value that a statement writes to this column of a trigger's row; `None` is NULL.
    pub fn written(row: &'row RowTrigger<'_>, column: Column, kind: Kind) -> Result<Option<Self>> {
        Ok(match kind {
            Kind::Text | Kind::Jsonb => row.new_stored(column)?.map(Self::Text),
            Kind::Date => row.new_value(column)?.map(Self::Date),
        })
    }

    /// The text that is encrypted. What is fetched for it stays in the current memory context.
    fn text(&self) -> Cow<'_, [u8]> {
        match self {
            Self::Text(stored) => stored.read().into(),
            Self::Date(date) => iso(*date).into_bytes().into(),
        }
    }

    /// Whether this is its text.
    pub fn equals(&self, text: &str) -> bool {
        match self {
            Self::Text(stored) => stored.equals(text.as_bytes()),
            Self::Date(date) => iso(*date) == text,
        }
    }

    /// Whether it is within what may be encrypted, found without fetching it.
    pub fn can_be_encrypted(&self) -> bool {
        match self {
            Self::Text(stored) => stored.len() <= MAX_PLAINTEXT,
            Self::Date(_) => true,
        }
    }

    /// A message with its text: one that names its owner, as the sealed layout stores it, or
    /// nobody, as the open one does.
    pub fn encrypt(&self, owner: Option<Uuid>) -> Result<Vec<u8>> {
        keyring::encrypt(&self.text(), owner)
    }
}
