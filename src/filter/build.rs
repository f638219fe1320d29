//! Metadata of documents into columns.

use crate::document::DocumentId;
use crate::document::Value;
use crate::filter::Column;
use crate::filter::Scalar;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// Which fields are worth a column.
///
/// Nobody filters by a summary that every document has another of, and its column would cost more
/// bytes than a whole search. Categories, tags, authors, dates and paths stay within the defaults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ColumnParams {
    /// Longest text in bytes; a field with a longer one gets no column.
    pub max_text_bytes: usize,
    /// Most bytes of distinct texts of a field, each counted with one byte more; a field with more
    /// gets no column. The default, 256 KiB, holds 20,000 dates.
    pub max_dictionary_bytes: usize,
}

impl Default for ColumnParams {
    fn default() -> Self {
        Self {
            max_text_bytes: 256,
            max_dictionary_bytes: 256 << 10,
        }
    }
}

/// Why a field got no column, and the first document that shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeftOut {
    /// A text is longer than [`ColumnParams::max_text_bytes`].
    LongText {
        /// The document that has it.
        document: DocumentId,
        /// Its length in bytes.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// The distinct texts take more than [`ColumnParams::max_dictionary_bytes`].
    LargeDictionary {
        /// The document that passed the limit.
        document: DocumentId,
        /// The limit in bytes.
        max: usize,
    },
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LongText {
                document,
                bytes,
                max,
            } => write!(
                f,
                "not filterable: document {document} has a text of {bytes} bytes, at most {max} are indexed"
            ),
            Self::LargeDictionary { document, max } => write!(
                f,
                "not filterable: its distinct texts passed {max} bytes at document {document}; use numbers or fewer values"
            ),
        }
    }
}

/// Why metadata cannot be added.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum BuildError {
    /// A number is NaN or infinite.
    NotFinite {
        /// The document that has it.
        document: DocumentId,
        /// The field that has it.
        field: String,
    },
    /// Documents must come in ascending order, each once, below the count given at the end.
    OutOfOrder {
        /// The document that does not.
        document: DocumentId,
    },
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFinite { document, field } => write!(
                f,
                "document {document}: metadata field `{field}` is NaN or infinite; leave it out or store a finite number"
            ),
            Self::OutOfOrder { document } => {
                write!(
                    f,
                    "document {document}: metadata must be added once, in ascending order"
                )
            }
        }
    }
}

impl core::error::Error for BuildError {}

/// What [`ColumnsBuilder::finish`] returns.
#[derive(Debug, Clone, PartialEq)]
pub struct BuiltColumns {
    /// The column of each filterable field.
    pub columns: BTreeMap<String, Column>,
    /// The fields without a column, and why.
    pub left_out: BTreeMap<String, LeftOut>,
}

/// Collects metadata, document by document.
#[derive(Debug, Default)]
pub struct ColumnsBuilder {
    params: ColumnParams,
    fields: BTreeMap<String, Field>,
    /// The smallest document that may come next.
    next: u64,
}

#[derive(Debug, Default)]
struct Field {
    /// The documents of each value, ascending.
    postings: BTreeMap<Scalar, Vec<DocumentId>>,
    dictionary_bytes: usize,
    left_out: Option<LeftOut>,
}

impl ColumnsBuilder {
    /// An empty builder.
    pub fn new(params: ColumnParams) -> Self {
        Self {
            params,
            ..Self::default()
        }
    }

    /// Adds the metadata of a document. Lists count as their elements, at any nesting.
    ///
    /// # Errors
    /// [`BuildError`]; the builder then holds part of this document and is of no further use.
    pub fn add(
        &mut self,
        document: DocumentId,
        meta: &BTreeMap<String, Value>,
    ) -> Result<(), BuildError> {
        if u64::from(document) < self.next {
            return Err(BuildError::OutOfOrder { document });
        }
        self.next = u64::from(document) + 1;
        for (name, value) in meta {
            if !self.fields.contains_key(name) {
                self.fields.insert(name.clone(), Field::default());
            }
            if let Some(field) = self.fields.get_mut(name)
                && !field.add(document, value, &self.params)
            {
                return Err(BuildError::NotFinite {
                    document,
                    field: name.clone(),
                });
            }
        }
        Ok(())
    }

    /// The columns of an index of `documents` documents; those never added have no values.
    ///
    /// # Errors
    /// [`BuildError::OutOfOrder`] if a document past the end was added.
    pub fn finish(self, documents: u32) -> Result<BuiltColumns, BuildError> {
        if self.next > u64::from(documents) {
            return Err(BuildError::OutOfOrder {
                document: (self.next - 1) as u32,
            });
        }
        let mut out = BuiltColumns {
            columns: BTreeMap::new(),
            left_out: BTreeMap::new(),
        };
        for (name, field) in self.fields {
            match field.left_out {
                Some(reason) => {
                    out.left_out.insert(name, reason);
                }
                None => {
                    let column = Column::from_postings(documents, field.postings.into_iter());
                    out.columns.insert(name, column);
                }
            }
        }
        Ok(out)
    }
}

impl Field {
    /// Adds a value; false if it is not finite.
    fn add(&mut self, document: DocumentId, value: &Value, params: &ColumnParams) -> bool {
        let scalar = match value {
            Value::Bool(truth) => Scalar::Bool(*truth),
            Value::Number(number) if !number.is_finite() => return false,
            // Adding zero makes negative zero positive, so that equal columns have equal bytes.
            Value::Number(number) => Scalar::Number(number + 0.0),
            Value::Text(text) => {
                if text.len() > params.max_text_bytes {
                    self.leave_out(LeftOut::LongText {
                        document,
                        bytes: text.len(),
                        max: params.max_text_bytes,
                    });
                }
                Scalar::Text(text.clone())
            }
            Value::List(values) => {
                return values.iter().all(|value| self.add(document, value, params));
            }
        };
        if self.left_out.is_some() {
            return true;
        }
        if let Scalar::Text(text) = &scalar
            && !self.postings.contains_key(&scalar)
        {
            self.dictionary_bytes += text.len() + 1;
        }
        let documents = self.postings.entry(scalar).or_default();
        if documents.last() != Some(&document) {
            documents.push(document);
        }
        if self.dictionary_bytes > params.max_dictionary_bytes {
            self.leave_out(LeftOut::LargeDictionary {
                document,
                max: params.max_dictionary_bytes,
            });
        }
        true
    }

    /// Gives the field up and frees what it holds; the first reason stays.
    fn leave_out(&mut self, reason: LeftOut) {
        self.left_out.get_or_insert(reason);
        self.postings.clear();
    }
}
