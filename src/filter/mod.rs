//! Document metadata into columns, and filters over them into the set of documents that pass.
//!
//! ```text
//! metadata --ColumnsBuilder--> Column per field --encode--> one block of bytes per field
//! filter JSON --Filter::parse--> Filter --missing--> blocks to read --load--> Columns
//!                                Filter + Columns --evaluate--> Bitmap of documents --spread--> of chunks
//! ```
//!
//! | file | holds |
//! |---|---|
//! | `bitmap.rs` | [`Bitmap`]: a set of documents, chunks or codes |
//! | `build.rs` | [`ColumnsBuilder`]: metadata to columns, and which fields are left out |
//! | `column.rs` | [`Column`], [`Scalar`]: the bytes of a field, facet counts, sort keys |
//! | `grammar.rs` | [`Filter`] from and to JSON |
//!
//! # Grammar
//! A filter is a JSON object; several members must all hold, and `{}` holds always.
//!
//! | filter | holds for documents where |
//! |---|---|
//! | `{"lang": "en"}` | a value of `lang` is `en` (text, number or truth value) |
//! | `{"lang": ["en", "de"]}` | a value is one of these; never for `[]` |
//! | `{"year": {"gte": 2020, "lt": 2024}}` | one value lies within both bounds (`lt`, `lte`, `gt`, `gte`; numbers, or texts by their bytes, which orders ISO 8601 dates) |
//! | `{"draft": {"exists": false}}` | the field has no value |
//! | `{"lang": {"eq": "en"}}`, `{"lang": {"in": ["en"]}}` | the first two, spelt out |
//! | `{"lang": {"not": …}}` | what stands in place of `…` does not hold |
//! | `{"tag": {"any": […]}}`, `{"tag": {"all": […]}}`, `{"tag": {"none": […]}}` | some, every, no value of the list is among the field's |
//! | `{"and": [F, …]}`, `{"or": [F, …]}`, `{"not": F}` | all, some of the filters hold; the filter does not |
//! | `{"all": [F, …]}`, `{"any": [F, …]}`, `{"none": [F, …]}` | all, some, none hold (Pagefind's words) |
//! | `{"field": {"name": "and", "eq": 1}}` | as `{"and": {"eq": 1}}` would for a field named `and`, `or`, `not`, `any`, `all`, `none` or `field` |
//!
//! Unlike Pagefind, a bare list means *one of*; its *all of* is `{"tag": {"all": […]}}`.
//!
//! # Semantics
//! A field may hold values of several types; a comparison sees those of its own type only
//! (`{"year": "2020"}` never finds the number). Missing fields hold no values: every comparison
//! fails, and `not` of it holds. A field that no document of the index has is an error, not an
//! empty result.

mod bitmap;
mod build;
mod column;
mod grammar;

pub use bitmap::Bitmap;
pub use build::BuildError;
pub use build::BuiltColumns;
pub use build::ColumnParams;
pub use build::ColumnsBuilder;
pub use build::LeftOut;
pub use column::Column;
pub use column::Scalar;
pub use grammar::MAX_BYTES;
pub use grammar::MAX_CONDITIONS;

use crate::bytes::FormatError;
use crate::json::JsonError;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::ops::Bound;

/// A predicate on document metadata; the module's documentation defines it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Filter {
    /// A value of the field is one of `values`; equality is a list of one.
    In {
        /// Field name.
        field: String,
        /// The values looked for.
        values: Vec<Scalar>,
    },
    /// A value of the field lies within both bounds and has their type. Bounds of different types
    /// hold for no value, two open ones for every value.
    Range {
        /// Field name.
        field: String,
        /// Lower bound.
        lower: Bound<Scalar>,
        /// Upper bound.
        upper: Bound<Scalar>,
    },
    /// The field has a value.
    Exists {
        /// Field name.
        field: String,
    },
    /// All hold.
    And(Vec<Filter>),
    /// At least one holds.
    Or(Vec<Filter>),
    /// It does not hold.
    Not(Box<Filter>),
}

/// Why a filter cannot be read or evaluated.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum FilterError {
    /// The text is not JSON.
    Json(JsonError),
    /// The JSON is not a filter.
    Grammar {
        /// Where in the filter, for example `and[1].year.gte`; empty at its top.
        path: String,
        /// What must stand there.
        expected: &'static str,
    },
    /// A field's object has a member that is no operator.
    UnknownOperator {
        /// Where in the filter, the operator last.
        path: String,
    },
    /// The filter compares too often.
    TooManyConditions {
        /// The most that are evaluated.
        max: usize,
    },
    /// The index has no column of this name.
    UnknownField {
        /// The name in the filter.
        field: String,
        /// The names that exist, in the index's order.
        known: Vec<String>,
    },
    /// The column exists and has not been loaded; [`Columns::missing`] says so beforehand.
    NotLoaded {
        /// The column's field.
        field: String,
    },
    /// The bytes of a column are damaged.
    Column {
        /// The column's field.
        field: String,
        /// What is wrong with them.
        error: FormatError,
    },
}

impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Json(error) => write!(f, "filter: {error}"),
            Self::Grammar { path, expected } if path.is_empty() => {
                write!(f, "filter: expected {expected}")
            }
            Self::Grammar { path, expected } => write!(f, "filter: {path}: expected {expected}"),
            Self::UnknownOperator { path } => write!(
                f,
                "filter: {path}: unknown operator; there are eq, in, any, all, none, not, lt, lte, gt, gte, exists"
            ),
            Self::TooManyConditions { max } => write!(
                f,
                "filter: more than {max} conditions; put values of one field into one list"
            ),
            Self::UnknownField { field, known } if known.is_empty() => {
                write!(
                    f,
                    "filter: no field `{field}`; this index has no filterable fields"
                )
            }
            Self::UnknownField { field, known } => {
                write!(
                    f,
                    "filter: no field `{field}`; there are: {}",
                    known.join(", ")
                )
            }
            Self::NotLoaded { field } => {
                write!(
                    f,
                    "filter: column `{field}` is not loaded; load what `missing` names"
                )
            }
            Self::Column { field, error } => write!(f, "column `{field}`: {error}"),
        }
    }
}

impl core::error::Error for FilterError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Json(error) => Some(error),
            Self::Column { error, .. } => Some(error),
            _ => None,
        }
    }
}

impl Filter {
    /// The fields it compares, each once, in order of first mention.
    pub fn fields(&self) -> Vec<&str> {
        let mut out = Vec::new();
        self.collect_fields(&mut out);
        out
    }

    fn collect_fields<'a>(&'a self, out: &mut Vec<&'a str>) {
        match self {
            Self::In { field, .. } | Self::Range { field, .. } | Self::Exists { field } => {
                if !out.contains(&field.as_str()) {
                    out.push(field);
                }
            }
            Self::And(parts) | Self::Or(parts) => {
                parts.iter().for_each(|part| part.collect_fields(out));
            }
            Self::Not(part) => part.collect_fields(out),
        }
    }

    /// The documents for which it holds.
    ///
    /// # Errors
    /// [`FilterError::UnknownField`], [`FilterError::NotLoaded`].
    ///
    /// # Cost
    /// One pass over the codes of a column for each condition, one over bits for each `and`, `or`
    /// and `not`.
    pub fn evaluate(&self, columns: &Columns) -> Result<Bitmap, FilterError> {
        Ok(match self {
            Self::In { field, values } => {
                let column = columns.column(field)?;
                let mut codes = Bitmap::new(column.distinct().len() as u32);
                for value in values {
                    if let Ok(code) = column.distinct().binary_search(value) {
                        codes.set(code as u32);
                    }
                }
                column.documents_with(&codes)
            }
            Self::Range {
                field,
                lower,
                upper,
            } => {
                let column = columns.column(field)?;
                let mut codes = Bitmap::new(column.distinct().len() as u32);
                let range = column.codes_between(lower.as_ref(), upper.as_ref());
                codes.set_range(range.start, range.end);
                column.documents_with(&codes)
            }
            Self::Exists { field } => {
                let column = columns.column(field)?;
                column.documents_with(&Bitmap::full(column.distinct().len() as u32))
            }
            Self::And(parts) => {
                let mut out = Bitmap::full(columns.documents);
                for part in parts {
                    out.and(&part.evaluate(columns)?);
                }
                out
            }
            Self::Or(parts) => {
                let mut out = Bitmap::new(columns.documents);
                for part in parts {
                    out.or(&part.evaluate(columns)?);
                }
                out
            }
            Self::Not(part) => {
                let mut out = part.evaluate(columns)?;
                out.not();
                out
            }
        })
    }
}

/// The columns of an open index: the names of all, the contents of those loaded so far.
#[derive(Debug, Clone)]
pub struct Columns {
    documents: u32,
    fields: Vec<(String, Option<Column>)>,
}

impl Columns {
    /// The columns named `fields` of an index of `documents` documents, none of them loaded.
    pub fn new(documents: u32, fields: impl IntoIterator<Item = String>) -> Self {
        Self {
            documents,
            fields: fields.into_iter().map(|field| (field, None)).collect(),
        }
    }

    /// The fields that `filter` compares and whose columns are still to be loaded.
    ///
    /// # Errors
    /// [`FilterError::UnknownField`].
    #[inline(never)]
    pub fn missing<'a>(&self, filter: &'a Filter) -> Result<Vec<&'a str>, FilterError> {
        let mut fields = filter.fields();
        for field in &fields {
            self.position(field)?;
        }
        fields.retain(|field| self.column(field).is_err());
        Ok(fields)
    }

    /// Takes in the bytes of one column, as [`Column::encode`] wrote them.
    ///
    /// # Errors
    /// [`FilterError::UnknownField`], [`FilterError::Column`].
    #[inline(never)]
    pub fn load(&mut self, field: &str, bytes: &[u8]) -> Result<(), FilterError> {
        let at = self.position(field)?;
        let column = Column::parse(bytes, self.documents).map_err(|error| FilterError::Column {
            field: field.into(),
            error,
        })?;
        self.fields[at].1 = Some(column);
        Ok(())
    }

    /// Whether the column of `field` has been loaded.
    ///
    /// # Errors
    /// [`FilterError::UnknownField`].
    pub fn is_loaded(&self, field: &str) -> Result<bool, FilterError> {
        match self.column(field) {
            Ok(_) => Ok(true),
            Err(FilterError::NotLoaded { .. }) => Ok(false),
            Err(unknown) => Err(unknown),
        }
    }

    /// The column of `field`.
    ///
    /// # Errors
    /// [`FilterError::UnknownField`], [`FilterError::NotLoaded`].
    pub fn column(&self, field: &str) -> Result<&Column, FilterError> {
        let at = self.position(field)?;
        self.fields[at]
            .1
            .as_ref()
            .ok_or_else(|| FilterError::NotLoaded {
                field: field.into(),
            })
    }

    fn position(&self, field: &str) -> Result<usize, FilterError> {
        self.fields
            .iter()
            .position(|(name, _)| name == field)
            .ok_or_else(|| FilterError::UnknownField {
                field: field.into(),
                known: self.fields.iter().map(|(name, _)| name.clone()).collect(),
            })
    }
}
