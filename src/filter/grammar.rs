//! Filters from and to JSON; the grammar stands in the parent module.

use crate::filter::Filter;
use crate::filter::FilterError;
use crate::filter::Scalar;
use crate::json::Json;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;
use core::ops::Bound;

/// Longest filter text in bytes: room for a list of a thousand values, and too little to keep a
/// worker busy with numbers that are slow to read (0.1 s at worst, for a text full of `1e300`).
pub const MAX_BYTES: usize = 16 << 10;

/// Most comparisons in a filter: each is a pass over a column, and a filter may come from anyone. A
/// list of values is one comparison.
pub const MAX_CONDITIONS: usize = 256;

/// Keys that combine filters; fields of these names need the `field` form.
const RESERVED: [&str; 7] = ["and", "or", "not", "any", "all", "none", "field"];

impl Filter {
    /// Reads a filter from JSON text of at most [`MAX_BYTES`] bytes.
    ///
    /// # Errors
    /// [`FilterError::Json`] and those of [`Filter::from_json`].
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        let json = Json::parse_within(text, MAX_BYTES).map_err(FilterError::Json)?;
        Self::from_json(&json)
    }

    /// Reads a filter from JSON.
    ///
    /// # Errors
    /// [`FilterError::Grammar`], [`FilterError::UnknownOperator`],
    /// [`FilterError::TooManyConditions`].
    pub fn from_json(json: &Json) -> Result<Self, FilterError> {
        Parser {
            path: String::new(),
            conditions: 0,
        }
        .filter(json)
    }

    /// The filter as JSON that [`Filter::from_json`] reads back as an equal filter, unless it has a
    /// range that JSON cannot say: without bounds, or with bounds that are not both numbers or
    /// both texts.
    pub fn to_json(&self) -> Json {
        let list = |parts: &[Self]| Json::Array(parts.iter().map(Self::to_json).collect());
        match self {
            Self::In { field, values } => match values.as_slice() {
                [value] => on_field(field, "eq", scalar_json(value)),
                values => on_field(
                    field,
                    "in",
                    values.iter().map(scalar_json).collect::<Vec<_>>(),
                ),
            },
            Self::Range {
                field,
                lower,
                upper,
            } => {
                let mut operators = Vec::new();
                for (bound, included, excluded) in [(lower, "gte", "gt"), (upper, "lte", "lt")] {
                    match bound {
                        Bound::Included(v) => operators.push((included.into(), scalar_json(v))),
                        Bound::Excluded(v) => operators.push((excluded.into(), scalar_json(v))),
                        Bound::Unbounded => {}
                    }
                }
                if operators.is_empty() {
                    operators.push(("exists".into(), true.into()));
                }
                with_operators(field, operators)
            }
            Self::Exists { field } => on_field(field, "exists", true),
            Self::And(parts) => member("and", list(parts)),
            Self::Or(parts) => member("or", list(parts)),
            Self::Not(part) => member("not", part.to_json()),
        }
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_json().fmt(f)
    }
}

fn member(key: &str, value: Json) -> Json {
    Json::Object(vec![(key.into(), value)])
}

fn on_field(field: &str, operator: &str, value: impl Into<Json>) -> Json {
    with_operators(field, vec![(operator.into(), value.into())])
}

/// The shortest form: a bare value for `eq` and `in`, the `field` form for reserved names.
fn with_operators(field: &str, mut operators: Vec<(String, Json)>) -> Json {
    if RESERVED.contains(&field) {
        operators.insert(0, ("name".into(), field.into()));
        return member("field", Json::Object(operators));
    }
    let bare = operators.pop_if(|(operator, _)| operator == "eq" || operator == "in");
    member(
        field,
        bare.map_or(Json::Object(operators), |(_, value)| value),
    )
}

fn scalar_json(scalar: &Scalar) -> Json {
    match scalar {
        Scalar::Bool(truth) => (*truth).into(),
        Scalar::Number(number) => (*number).into(),
        Scalar::Text(text) => text.as_str().into(),
    }
}

const FILTERS: &str =
    "a list of filters; a field of this name is written {\"field\": {\"name\": …, \"eq\": …}}";

const VALUES: &str = "a list of texts, numbers or truth values";

struct Parser {
    /// Where in the filter reading is, for errors.
    path: String,
    conditions: usize,
}

impl Parser {
    fn expected(&self, expected: &'static str) -> FilterError {
        FilterError::Grammar {
            path: self.path.clone(),
            expected,
        }
    }

    /// Reads what stands one step further down.
    fn inside<T>(
        &mut self,
        step: &str,
        read: impl FnOnce(&mut Self) -> Result<T, FilterError>,
    ) -> Result<T, FilterError> {
        let len = self.path.len();
        if len > 0 && !step.starts_with('[') {
            self.path.push('.');
        }
        self.path.push_str(step);
        let out = read(self)?;
        self.path.truncate(len);
        Ok(out)
    }

    fn filter(&mut self, json: &Json) -> Result<Filter, FilterError> {
        let Json::Object(members) = json else {
            return Err(self.expected(
                "an object such as {\"lang\": \"en\"}; a field named like an operator is written {\"field\": {\"name\": \"any\", \"in\": [1]}}",
            ));
        };
        let mut parts = Vec::new();
        for (key, value) in members {
            parts.push(self.inside(key, |parser| match key.as_str() {
                "and" | "all" => Ok(Filter::And(parser.filters(value)?)),
                "or" | "any" => Ok(Filter::Or(parser.filters(value)?)),
                "none" => Ok(not(Filter::Or(parser.filters(value)?))),
                "not" => Ok(not(parser.filter(value)?)),
                "field" => match (value.get("name"), value) {
                    (Some(Json::String(name)), Json::Object(members)) => {
                        parser.operators(name, members, true)
                    }
                    _ => Err(parser.expected("an object with the field's name and an operator, such as {\"name\": \"and\", \"eq\": 1}")),
                },
                field => parser.condition(field, value),
            })?);
        }
        Ok(all(parts))
    }

    fn filters(&mut self, json: &Json) -> Result<Vec<Filter>, FilterError> {
        self.elements(json, FILTERS, &mut |parser, one| parser.filter(one))
    }

    /// Reads what a field's value must be.
    fn condition(&mut self, field: &str, json: &Json) -> Result<Filter, FilterError> {
        match json {
            Json::Object(members) => self.operators(field, members, false),
            Json::Array(_) => self.one_of(field, json),
            _ => self.equal(field, json),
        }
    }

    fn operators(
        &mut self,
        field: &str,
        members: &[(String, Json)],
        named: bool,
    ) -> Result<Filter, FilterError> {
        let (mut lower, mut upper) = (Bound::Unbounded, Bound::Unbounded);
        let mut parts = Vec::new();
        for (operator, operand) in members {
            if named && operator == "name" {
                continue;
            }
            let part = self.inside(operator, |parser| {
                let side = match operator.as_str() {
                    "gt" | "gte" => &mut lower,
                    "lt" | "lte" => &mut upper,
                    _ => return parser.operator(field, operator, operand).map(Some),
                };
                let value = parser.scalar(operand)?;
                if value.kind() == Scalar::Bool(true).kind() {
                    return Err(parser.expected("a number or a text"));
                }
                if *side != Bound::Unbounded {
                    return Err(
                        parser.expected("only one bound on this side; keep the narrower one")
                    );
                }
                let included = operator.ends_with('e');
                *side = if included {
                    Bound::Included(value)
                } else {
                    Bound::Excluded(value)
                };
                Ok(None)
            })?;
            parts.extend(part);
        }
        if let (Bound::Included(a) | Bound::Excluded(a), Bound::Included(b) | Bound::Excluded(b)) =
            (&lower, &upper)
            && a.kind() != b.kind()
        {
            return Err(self.expected("bounds that are both numbers or both texts"));
        }
        if lower != Bound::Unbounded || upper != Bound::Unbounded {
            parts.push(self.counted(Filter::Range {
                field: field.into(),
                lower,
                upper,
            })?);
        }
        if parts.is_empty() {
            return Err(self.expected("an operator, such as {\"gte\": 1} or {\"exists\": true}"));
        }
        Ok(all(parts))
    }

    /// Reads an operator that is no bound.
    fn operator(
        &mut self,
        field: &str,
        operator: &str,
        operand: &Json,
    ) -> Result<Filter, FilterError> {
        match operator {
            "eq" => self.equal(field, operand),
            "in" | "any" => self.one_of(field, operand),
            "none" => self.one_of(field, operand).map(not),
            "all" => {
                let values =
                    self.elements(operand, VALUES, &mut |parser, one| parser.equal(field, one));
                values.map(Filter::And)
            }
            "not" => self.condition(field, operand).map(not),
            "exists" => {
                let Some(exists) = operand.as_bool() else {
                    return Err(self.expected("true or false"));
                };
                let part = self.counted(Filter::Exists {
                    field: field.into(),
                })?;
                Ok(if exists { part } else { not(part) })
            }
            _ => Err(FilterError::UnknownOperator {
                path: self.path.clone(),
            }),
        }
    }

    fn equal(&mut self, field: &str, json: &Json) -> Result<Filter, FilterError> {
        let values = vec![self.scalar(json)?];
        self.counted(Filter::In {
            field: field.into(),
            values,
        })
    }

    fn one_of(&mut self, field: &str, json: &Json) -> Result<Filter, FilterError> {
        let values = self.elements(json, VALUES, &mut |parser, one| parser.scalar(one))?;
        self.counted(Filter::In {
            field: field.into(),
            values,
        })
    }

    /// Reads the elements of a list of what is `expected`.
    fn elements<T>(
        &mut self,
        json: &Json,
        expected: &'static str,
        read: &mut dyn FnMut(&mut Self, &Json) -> Result<T, FilterError>,
    ) -> Result<Vec<T>, FilterError> {
        let Some(elements) = json.as_array() else {
            return Err(self.expected(expected));
        };
        let mut all = Vec::with_capacity(elements.len());
        for (at, one) in elements.iter().enumerate() {
            all.push(self.inside(&format!("[{at}]"), |parser| read(parser, one))?);
        }
        Ok(all)
    }

    fn scalar(&self, json: &Json) -> Result<Scalar, FilterError> {
        match json {
            Json::Bool(truth) => Ok(Scalar::Bool(*truth)),
            Json::Number(number) if number.is_finite() => Ok(Scalar::Number(*number)),
            Json::String(text) => Ok(Scalar::Text(text.clone())),
            Json::Null => Err(self.expected("a value; absence is written {\"exists\": false}")),
            _ => Err(self.expected("a text, a finite number or a truth value")),
        }
    }

    fn counted(&mut self, filter: Filter) -> Result<Filter, FilterError> {
        self.conditions += 1;
        if self.conditions > MAX_CONDITIONS {
            return Err(FilterError::TooManyConditions {
                max: MAX_CONDITIONS,
            });
        }
        Ok(filter)
    }
}

fn not(filter: Filter) -> Filter {
    Filter::Not(Box::new(filter))
}

/// All of `parts`, without an `and` around a single one.
fn all(mut parts: Vec<Filter>) -> Filter {
    match (parts.len(), parts.pop()) {
        (1, Some(only)) => only,
        (_, last) => {
            parts.extend(last);
            Filter::And(parts)
        }
    }
}
