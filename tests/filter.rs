//! Filters over columns against a naive twin that walks the metadata itself, and columns against
//! damage.

#![cfg(not(target_arch = "wasm32"))]

use coracle::document::Value;
use coracle::filter::Bitmap;
use coracle::filter::BuildError;
use coracle::filter::Column;
use coracle::filter::ColumnParams;
use coracle::filter::Columns;
use coracle::filter::ColumnsBuilder;
use coracle::filter::Filter;
use coracle::filter::FilterError;
use coracle::filter::LeftOut;
use coracle::filter::MAX_CONDITIONS;
use coracle::filter::Scalar;
use proptest::collection::btree_map;
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::ops::Bound;

type Meta = BTreeMap<String, Value>;

const FIELDS: [&str; 5] = ["lang", "year", "and", "field", "a.b"];

fn built(documents: &[Meta]) -> BTreeMap<String, Column> {
    let mut builder = ColumnsBuilder::new(ColumnParams::default());
    for (id, meta) in (0..).zip(documents) {
        builder.add(id, meta).unwrap();
    }
    builder.finish(documents.len() as u32).unwrap().columns
}

/// Columns of all `FIELDS`, through their bytes.
fn loaded(documents: &[Meta]) -> Columns {
    let built = built(documents);
    let mut columns = Columns::new(documents.len() as u32, FIELDS.map(String::from));
    for field in FIELDS {
        let empty = Column::parse(
            &[documents.len() as u8, 0, 0, 0, 0, 0],
            documents.len() as u32,
        );
        let column = built.get(field).cloned().unwrap_or_else(|| empty.unwrap());
        columns.load(field, &column.encode()).unwrap();
    }
    columns
}

/// The values of a field, lists opened.
fn flat<'a>(value: &'a Value, out: &mut Vec<&'a Value>) {
    match value {
        Value::List(values) => values.iter().for_each(|value| flat(value, out)),
        value => out.push(value),
    }
}

fn values<'a>(meta: &'a Meta, field: &str) -> Vec<&'a Value> {
    let mut out = Vec::new();
    meta.get(field)
        .into_iter()
        .for_each(|value| flat(value, &mut out));
    out
}

/// Whether `value` stands in `relation` to `bound`, within one type.
fn relates(value: &Value, bound: &Scalar, relation: fn(std::cmp::Ordering) -> bool) -> bool {
    match (value, bound) {
        (Value::Bool(a), Scalar::Bool(b)) => relation(a.cmp(b)),
        (Value::Number(a), Scalar::Number(b)) => relation(a.partial_cmp(b).unwrap()),
        (Value::Text(a), Scalar::Text(b)) => relation(a.as_str().cmp(b.as_str())),
        _ => false,
    }
}

fn naive(filter: &Filter, meta: &Meta) -> bool {
    match filter {
        Filter::In {
            field,
            values: wanted,
        } => values(meta, field)
            .iter()
            .any(|value| wanted.iter().any(|one| relates(value, one, |o| o.is_eq()))),
        Filter::Range {
            field,
            lower,
            upper,
        } => values(meta, field).iter().any(|value| {
            let above = match lower {
                Bound::Included(bound) => relates(value, bound, |o| o.is_ge()),
                Bound::Excluded(bound) => relates(value, bound, |o| o.is_gt()),
                Bound::Unbounded => true,
            };
            let below = match upper {
                Bound::Included(bound) => relates(value, bound, |o| o.is_le()),
                Bound::Excluded(bound) => relates(value, bound, |o| o.is_lt()),
                Bound::Unbounded => true,
            };
            above && below
        }),
        Filter::Exists { field } => !values(meta, field).is_empty(),
        Filter::And(parts) => parts.iter().all(|part| naive(part, meta)),
        Filter::Or(parts) => parts.iter().any(|part| naive(part, meta)),
        Filter::Not(part) => !naive(part, meta),
    }
}

fn number() -> impl Strategy<Value = f64> {
    prop_oneof![
        Just(-0.0),
        (-3i8..4).prop_map(f64::from),
        (-3i8..4).prop_map(|n| f64::from(n) / 3.0),
        Just(9_007_199_254_740_992.0),
        Just(-9_007_199_254_740_992.0),
        Just(1e300),
    ]
}

fn scalar() -> impl Strategy<Value = Scalar> {
    prop_oneof![
        any::<bool>().prop_map(Scalar::Bool),
        number().prop_map(Scalar::Number),
        "[a-cé]{0,2}".prop_map(Scalar::Text),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    scalar()
        .prop_map(Value::from)
        .prop_recursive(2, 6, 4, |inner| vec(inner, 0..4).prop_map(Value::List))
}

fn documents() -> impl Strategy<Value = Vec<Meta>> {
    vec(
        btree_map(
            proptest::sample::select(&FIELDS[..]).prop_map(String::from),
            value(),
            0..5,
        ),
        0..100,
    )
}

fn field() -> impl Strategy<Value = String> {
    proptest::sample::select(&FIELDS[..]).prop_map(String::from)
}

fn bound() -> impl Strategy<Value = Bound<Scalar>> {
    prop_oneof![
        Just(Bound::Unbounded),
        scalar().prop_map(Bound::Included),
        scalar().prop_map(Bound::Excluded),
    ]
}

fn filter() -> impl Strategy<Value = Filter> {
    let leaf = prop_oneof![
        (field(), vec(scalar(), 0..4)).prop_map(|(field, values)| Filter::In { field, values }),
        (field(), bound(), bound()).prop_map(|(field, lower, upper)| Filter::Range {
            field,
            lower,
            upper
        }),
        field().prop_map(|field| Filter::Exists { field }),
    ];
    leaf.prop_recursive(4, 16, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Filter::And),
            vec(inner.clone(), 0..4).prop_map(Filter::Or),
            inner.prop_map(|part| Filter::Not(Box::new(part))),
        ]
    })
}

/// Whether JSON can say all ranges of the filter.
fn is_printable(filter: &Filter) -> bool {
    match filter {
        Filter::In { .. } | Filter::Exists { .. } => true,
        Filter::Range { lower, upper, .. } => match (lower, upper) {
            (Bound::Unbounded, Bound::Unbounded) => false,
            (Bound::Unbounded, Bound::Included(a) | Bound::Excluded(a))
            | (Bound::Included(a) | Bound::Excluded(a), Bound::Unbounded) => {
                !matches!(a, Scalar::Bool(_))
            }
            (Bound::Included(a) | Bound::Excluded(a), Bound::Included(b) | Bound::Excluded(b)) => {
                matches!(
                    (a, b),
                    (Scalar::Number(_), Scalar::Number(_)) | (Scalar::Text(_), Scalar::Text(_))
                )
            }
        },
        Filter::And(parts) | Filter::Or(parts) => parts.iter().all(is_printable),
        Filter::Not(part) => is_printable(part),
    }
}

proptest! {
    #[test]
    fn evaluation_over_columns_agrees_with_the_naive_twin(
        documents in documents(),
        filters in vec(filter(), 1..8),
    ) {
        let columns = loaded(&documents);
        for filter in filters {
            let expected: Vec<u32> = (0..).zip(&documents)
                .filter(|(_, meta)| naive(&filter, meta)).map(|(id, _)| id).collect();
            prop_assert_eq!(columns.missing(&filter), Ok(Vec::new()));
            let passed = filter.evaluate(&columns).unwrap();
            prop_assert_eq!(passed.iter().collect::<Vec<_>>(), expected, "{}", filter);
        }
    }

    #[test]
    fn printed_filter_reads_back_equal(filter in filter().prop_filter("printable", is_printable)) {
        prop_assert_eq!(Filter::parse(&filter.to_string()), Ok(filter));
    }

    #[test]
    fn printed_filter_of_any_kind_never_panics(filter in filter()) {
        let _ = Filter::parse(&filter.to_string());
    }

    #[test]
    fn encoded_columns_parse_to_the_same_columns(documents in documents()) {
        for column in built(&documents).values() {
            prop_assert_eq!(&Column::parse(&column.encode(), column.documents()).unwrap(), column);
        }
    }

    #[test]
    fn facets_and_sort_keys_agree_with_the_metadata(documents in documents(), limit in 0usize..6) {
        for (name, column) in built(&documents) {
            let mut counts: BTreeMap<Scalar, u32> = BTreeMap::new();
            for (id, meta) in (0..).zip(&documents) {
                let distinct: BTreeSet<Scalar> = values(meta, &name).into_iter().map(scalar_of).collect();
                prop_assert_eq!(column.values(id).cloned().collect::<Vec<_>>(), Vec::from_iter(distinct.clone()));
                let number = distinct.iter().find_map(|s| if let Scalar::Number(n) = s { Some(*n) } else { None });
                let text = distinct.iter().find_map(|s| if let Scalar::Text(t) = s { Some(t.as_str()) } else { None });
                prop_assert_eq!(column.number(id), number);
                prop_assert_eq!(column.text(id), text);
                if id % 2 == 0 {
                    distinct.into_iter().for_each(|value| *counts.entry(value).or_default() += 1);
                }
            }
            let mut expected: Vec<_> = counts.into_iter().collect();
            expected.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
            expected.truncate(limit);
            let even = (0..documents.len() as u32).step_by(2);
            let facets = column.facet_counts(even, limit);
            prop_assert_eq!(facets.into_iter().map(|(v, n)| (scalar_of(&v), n)).collect::<Vec<_>>(), expected);
        }
    }
}

fn scalar_of(value: &Value) -> Scalar {
    match value {
        Value::Bool(truth) => Scalar::Bool(*truth),
        Value::Number(number) => Scalar::Number(*number),
        Value::Text(text) => Scalar::Text(text.clone()),
        Value::List(_) => unreachable!("lists are opened"),
    }
}

fn text(text: &str) -> Value {
    Value::Text(text.into())
}

fn list(texts: &[&str]) -> Value {
    Value::List(texts.iter().map(|one| text(one)).collect())
}

/// Four documents, in fields of every type.
fn library() -> (Vec<Meta>, Columns) {
    let meta = |members: &[(&str, Value)]| {
        members
            .iter()
            .map(|(name, value)| (name.to_string(), value.clone()))
            .collect::<Meta>()
    };
    let documents = vec![
        meta(&[
            ("lang", text("en")),
            ("year", Value::Number(2019.0)),
            ("tag", list(&["a", "b"])),
        ]),
        meta(&[
            ("lang", text("de")),
            ("year", Value::Number(2021.5)),
            ("tag", list(&["b", "c"])),
        ]),
        meta(&[
            ("lang", text("fr")),
            ("year", text("2021-05-01")),
            ("and", text("x")),
        ]),
        meta(&[
            ("draft", Value::Bool(true)),
            ("tag", list(&["a"])),
            ("year", Value::List(vec![])),
        ]),
    ];
    let built = built(&documents);
    let mut columns = Columns::new(4, built.keys().cloned());
    built
        .iter()
        .for_each(|(field, column)| columns.load(field, &column.encode()).unwrap());
    (documents, columns)
}

#[test]
fn filters_of_every_form_find_their_documents() {
    let (_, columns) = library();
    for (filter, expected) in [
        (r#"{}"#, &[0, 1, 2, 3][..]),
        (r#"{"lang":"en"}"#, &[0]),
        (r#"{"lang":["en","de","it"]}"#, &[0, 1]),
        (r#"{"lang":[]}"#, &[]),
        (r#"{"lang":{"eq":"de"}}"#, &[1]),
        (r#"{"lang":{"in":["de"]}}"#, &[1]),
        (r#"{"lang":{"not":"de"}}"#, &[0, 2, 3]),
        (r#"{"lang":{"not":{"not":["de"]}}}"#, &[1]),
        (r#"{"year":{"gte":2019,"lt":2021.5}}"#, &[0]),
        (r#"{"year":{"gt":2019,"lte":2021.5}}"#, &[1]),
        (r#"{"year":{"gt":2019}}"#, &[1]),
        (r#"{"year":{"gte":"2021","lt":"2022"}}"#, &[2]),
        (r#"{"year":"2019"}"#, &[]),
        (r#"{"year":{"exists":true}}"#, &[0, 1, 2]),
        (r#"{"draft":{"exists":false}}"#, &[0, 1, 2]),
        (r#"{"draft":true}"#, &[3]),
        (r#"{"draft":false}"#, &[]),
        (r#"{"tag":{"any":["a","c"]}}"#, &[0, 1, 3]),
        (r#"{"tag":{"all":["a","b"]}}"#, &[0]),
        (r#"{"tag":{"none":["c"]}}"#, &[0, 2, 3]),
        (r#"{"tag":{"in":["a"],"none":["b"]}}"#, &[3]),
        (r#"{"tag":"b","lang":"de"}"#, &[1]),
        (r#"{"and":[{"tag":"b"},{"lang":"de"}]}"#, &[1]),
        (r#"{"or":[{"tag":"b"},{"draft":true}]}"#, &[0, 1, 3]),
        (r#"{"not":{"tag":"b"}}"#, &[2, 3]),
        (r#"{"all":[{"tag":"b"},{"lang":"de"}]}"#, &[1]),
        (r#"{"any":[{"lang":"fr"},{"draft":true}]}"#, &[2, 3]),
        (r#"{"none":[{"lang":"fr"},{"draft":true}]}"#, &[0, 1]),
        (r#"{"and":[]}"#, &[0, 1, 2, 3]),
        (r#"{"or":[]}"#, &[]),
        (r#"{"field":{"name":"and","eq":"x"}}"#, &[2]),
        (r#"{"field":{"name":"and","exists":false}}"#, &[0, 1, 3]),
    ] {
        let parsed = Filter::parse(filter).unwrap_or_else(|error| panic!("{filter}: {error}"));
        let passed = parsed.evaluate(&columns).unwrap();
        assert_eq!(passed.iter().collect::<Vec<_>>(), expected, "{filter}");
        assert_eq!(Filter::parse(&parsed.to_string()), Ok(parsed), "{filter}");
    }
}

#[test]
fn malformed_filter_names_the_place_and_the_way_out() {
    for (filter, message) in [
        ("[1]", "filter: expected an object such as"),
        ("{\"a\":1", "filter: JSON at byte 6: expected `,` or `}`"),
        (
            r#"{"a":null}"#,
            "filter: a: expected a value; absence is written {\"exists\": false}",
        ),
        (r#"{"a":{}}"#, "filter: a: expected an operator"),
        (
            r#"{"a":{"like":1}}"#,
            "filter: a.like: unknown operator; there are eq,",
        ),
        (
            r#"{"a":{"eq":[1]}}"#,
            "filter: a.eq: expected a text, a finite number",
        ),
        (r#"{"a":{"in":1}}"#, "filter: a.in: expected a list"),
        (r#"{"a":[1,[2]]}"#, "filter: a[1]: expected a text"),
        (
            r#"{"a":{"exists":1}}"#,
            "filter: a.exists: expected true or false",
        ),
        (
            r#"{"a":{"gt":true}}"#,
            "filter: a.gt: expected a number or a text",
        ),
        (
            r#"{"a":{"gt":1,"gte":2}}"#,
            "filter: a.gte: expected only one bound",
        ),
        (
            r#"{"a":{"gt":1,"lt":"2"}}"#,
            "filter: a: expected bounds that are both",
        ),
        (
            r#"{"and":[{"a":1},{"b":{"lt":{}}}]}"#,
            "filter: and[1].b.lt: expected a text",
        ),
        (
            r#"{"and":"x"}"#,
            "filter: and: expected a list of filters; a field of this name",
        ),
        (
            r#"{"any":["x"]}"#,
            "filter: any[0]: expected an object such as",
        ),
        (
            r#"{"field":"x"}"#,
            "filter: field: expected an object with the field's name",
        ),
        (
            r#"{"field":{"name":"and"}}"#,
            "filter: field: expected an operator",
        ),
        (
            r#"{"a":{"name":"b","eq":1}}"#,
            "filter: a.name: unknown operator",
        ),
    ] {
        let error = Filter::parse(filter).expect_err(filter).to_string();
        assert!(
            error.starts_with(message),
            "{filter}\n  {error}\n  {message}"
        );
    }
    let conditions = |n: usize| format!("{{\"or\":[{}]}}", vec![r#"{"a":1}"#; n].join(","));
    assert!(Filter::parse(&conditions(MAX_CONDITIONS)).is_ok());
    assert_eq!(
        Filter::parse(&conditions(MAX_CONDITIONS + 1)),
        Err(FilterError::TooManyConditions {
            max: MAX_CONDITIONS
        })
    );
}

#[test]
fn columns_are_named_before_they_are_read_and_unknown_ones_refused() {
    let (documents, _) = library();
    let built = built(&documents);
    let mut columns = Columns::new(4, built.keys().cloned());
    let filter =
        Filter::parse(r#"{"or":[{"tag":"a"},{"not":{"lang":"en"}},{"tag":"b"}]}"#).unwrap();
    assert_eq!(filter.fields(), ["tag", "lang"]);
    assert_eq!(columns.missing(&filter), Ok(vec!["tag", "lang"]));
    assert_eq!(
        filter.evaluate(&columns),
        Err(FilterError::NotLoaded {
            field: "tag".into()
        })
    );
    columns.load("tag", &built["tag"].encode()).unwrap();
    assert_eq!(columns.missing(&filter), Ok(vec!["lang"]));

    let unknown = Filter::parse(r#"{"lnag":"en"}"#).unwrap();
    let error = columns.missing(&unknown).unwrap_err();
    assert_eq!(Err(error.clone()), unknown.evaluate(&columns));
    assert_eq!(
        error.to_string(),
        "filter: no field `lnag`; there are: and, draft, lang, tag, year"
    );
    let foreign = columns.load("tag", &[9, 0, 0, 0, 0, 0]).unwrap_err();
    assert_eq!(
        foreign.to_string(),
        "column `tag`: column: documents at byte 1: contradicts the rest of the index"
    );
}

#[test]
fn fields_of_long_or_many_texts_are_left_out_with_the_reason() {
    let params = ColumnParams {
        max_text_bytes: 10,
        max_dictionary_bytes: 40,
    };
    let mut builder = ColumnsBuilder::new(params);
    for id in 0..20 {
        let summary = if id == 3 { "a long summary" } else { "short" };
        let meta = Meta::from([
            ("summary".to_string(), text(summary)),
            ("slug".to_string(), text(&format!("page{id:02}"))),
            ("lang".to_string(), text("en")),
            ("size".to_string(), Value::Number(id.into())),
        ]);
        builder.add(id, &meta).unwrap();
    }
    let built = builder.finish(20).unwrap();
    assert_eq!(built.columns.keys().collect::<Vec<_>>(), ["lang", "size"]);
    assert_eq!(
        built.left_out["summary"],
        LeftOut::LongText {
            document: 3,
            bytes: 14,
            max: 10
        }
    );
    assert_eq!(
        built.left_out["slug"],
        LeftOut::LargeDictionary {
            document: 5,
            max: 40
        }
    );
}

#[test]
fn metadata_that_cannot_be_stored_is_refused() {
    let mut builder = ColumnsBuilder::default();
    let infinite = Meta::from([(
        "x".to_string(),
        Value::List(vec![Value::Number(f64::INFINITY)]),
    )]);
    let error = builder.add(0, &infinite).unwrap_err();
    assert_eq!(
        error,
        BuildError::NotFinite {
            document: 0,
            field: "x".into()
        }
    );

    let mut builder = ColumnsBuilder::default();
    builder.add(5, &Meta::new()).unwrap();
    assert_eq!(
        builder.add(5, &Meta::new()),
        Err(BuildError::OutOfOrder { document: 5 })
    );
    assert_eq!(
        builder.finish(5),
        Err(BuildError::OutOfOrder { document: 5 })
    );
}

#[test]
fn damaged_column_is_an_error_or_harmless() {
    let documents: Vec<Meta> = (0..70u32)
        .map(|id| {
            let number = f64::from(id * 7 % 50);
            Meta::from([
                ("lang".into(), text(["en", "de", "fr"][id as usize % 3])),
                ("year".into(), Value::Number(2000.0 + number)),
                ("and".into(), Value::Number(number / 3.0)),
                (
                    "field".into(),
                    Value::List(vec![
                        Value::Bool(id % 2 == 0),
                        Value::Number(number),
                        text("é"),
                    ]),
                ),
            ])
        })
        .collect();
    let all = Filter::parse(
        r#"{"or":[{"year":{"gt":5}},{"year":["en",1]},{"not":{"year":{"exists":true}}}]}"#,
    )
    .unwrap();
    let exercise = |bytes: &[u8]| {
        let mut columns = Columns::new(70, ["year".to_string()]);
        if columns.load("year", bytes).is_err() {
            return false;
        }
        all.evaluate(&columns).unwrap();
        let column = columns.column("year").unwrap();
        column.facet_counts(Bitmap::full(70).iter(), 9);
        for id in 0..71 {
            column.values(id).for_each(drop);
            let _ = (column.number(id), column.text(id));
        }
        assert_eq!(&Column::parse(&column.encode(), 70).unwrap(), column);
        true
    };
    for column in built(&documents).values() {
        let bytes = column.encode();
        assert!(exercise(&bytes));
        for len in 0..bytes.len() {
            assert!(
                !exercise(&bytes[..len]),
                "cut to {len} of {} bytes",
                bytes.len()
            );
        }
        let mut damaged = bytes.clone();
        for at in 0..bytes.len() {
            for flip in 1..=255 {
                damaged[at] = bytes[at] ^ flip;
                exercise(&damaged);
            }
            damaged[at] = bytes[at];
        }
    }
}

#[test]
fn typical_columns_take_few_bytes() {
    let documents: Vec<Meta> = (0..10_000u32)
        .map(|id| {
            Meta::from([
                ("lang".into(), text(["en", "de", "fr"][id as usize % 3])),
                ("year".into(), Value::Number(f64::from(2000 + id % 25))),
                ("time".into(), Value::Number(1.6e9 + f64::from(id) * 3600.0)),
            ])
        })
        .collect();
    let bytes = |field: &str| built(&documents)[field].encode().len();
    assert!(bytes("lang") <= 2_520, "two bits a document");
    assert!(bytes("year") <= 6_300, "five bits a document");
    assert!(
        bytes("time") <= 37_520,
        "two bytes a difference and 14 bits a document"
    );
}
