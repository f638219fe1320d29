//! Collections, vectors and answers in files.

use crate::Outcome;
use coracle::document::Chunk;
use coracle::document::Document;
use flate2::read::GzDecoder;
use half::f16;
use npyz::Deserialize;
use npyz::NpyFile;
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::collections::HashMap;
use std::fs;
use std::fs::File;
use std::io::BufRead;
use std::io::BufReader;
use std::path::Path;

/// Components of the vectors.
pub const DIM: usize = 384;

/// Passages with their titles and vectors.
#[derive(Debug)]
pub struct Corpus {
    pub titles: Vec<String>,
    pub texts: Vec<String>,
    /// [`DIM`] numbers for each passage.
    pub rows: Vec<f32>,
}

impl Corpus {
    /// The first `limit` passages of docs-100k.
    pub fn read(docs: &Path, limit: usize) -> Outcome<Self> {
        let (mut titles, mut texts) = (Vec::new(), Vec::new());
        let file = GzDecoder::new(File::open(docs.join("docs.jsonl.gz"))?);
        for line in BufReader::new(file).lines().take(limit) {
            let record: Json = serde_json::from_str(&line?)?;
            titles.push(text(&record, "title"));
            texts.push(text(&record, "text"));
        }
        let mut rows = numbers(&docs.join("base.f16.npy"), f16::to_f32)?;
        rows.truncate(texts.len() * DIM);
        Ok(Self {
            titles,
            texts,
            rows,
        })
    }

    /// Documents of one chunk each, with their vectors; their ids are their numbers.
    pub fn documents(&self) -> Vec<Document> {
        let passages = self.titles.iter().zip(&self.texts);
        let passages = passages.zip(self.rows.chunks_exact(DIM));
        let passages = passages.enumerate();
        passages
            .map(|(at, ((title, text), row))| document(at.to_string(), title, text, Some(row)))
            .collect()
    }
}

/// A document of one chunk.
pub fn document(id: String, title: &str, text: &str, row: Option<&[f32]>) -> Document {
    Document {
        url: format!("/{id}"),
        id,
        title: title.to_string(),
        language: String::new(),
        weight: 1.0,
        meta: BTreeMap::new(),
        chunks: vec![Chunk {
            headings: Vec::new(),
            anchor: String::new(),
            span: 0..text.len() as u64,
            tokens: text.split_whitespace().count() as u32,
            text: text.to_string(),
            embedding: row.map(<[f32]>::to_vec),
        }],
    }
}

/// Queries of docs-100k: texts and vectors.
#[derive(Debug)]
pub struct Queries {
    pub texts: Vec<String>,
    /// [`DIM`] numbers for each.
    pub rows: Vec<f32>,
}

impl Queries {
    /// `count` of them, evenly taken.
    pub fn read(docs: &Path, count: usize) -> Outcome<Self> {
        let texts: Vec<String> =
            serde_json::from_str(&fs::read_to_string(docs.join("queries.json"))?)?;
        let rows = numbers(&docs.join("queries.f32.npy"), |x: f32| x)?;
        let step = (texts.len() / count.max(1)).max(1);
        let rows = rows.chunks_exact(DIM).step_by(step).take(count);
        Ok(Self {
            texts: texts.into_iter().step_by(step).take(count).collect(),
            rows: rows.flatten().copied().collect(),
        })
    }

    /// Text and vector of each.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[f32])> {
        let texts = self.texts.iter().map(String::as_str);
        texts.zip(self.rows.chunks_exact(DIM))
    }
}

/// The ten nearest passages of the queries that [`Queries::read`] takes, in all dimensions.
pub fn neighbours(docs: &Path, count: usize) -> Outcome<Vec<Vec<u32>>> {
    const KNOWN: usize = 100;
    let ids: Vec<u32> = numbers(&docs.join("gt100.i32.npy"), |id: i32| id as u32)?;
    let step = (ids.len() / KNOWN / count.max(1)).max(1);
    let ten = |ids: &[u32]| ids.iter().take(10).copied().collect();
    let queries = ids.chunks_exact(KNOWN).step_by(step).take(count);
    Ok(queries.map(ten).collect())
}

/// Queries with the grades of documents.
#[derive(Debug)]
pub struct Judged {
    pub queries: Vec<(String, HashMap<String, f64>)>,
}

impl Judged {
    /// The judged queries of a collection in BEIR's layout.
    pub fn read(folder: &Path) -> Outcome<Self> {
        let mut grades: HashMap<String, HashMap<String, f64>> = HashMap::new();
        for line in fs::read_to_string(folder.join("qrels.tsv"))?.lines() {
            let fields: Vec<&str> = line.split('\t').collect();
            // The first line names the fields.
            if let [query, document, grade] = fields[..]
                && let Ok(grade) = grade.trim().parse()
            {
                let query = grades.entry(query.into()).or_default();
                query.insert(document.into(), grade);
            }
        }
        let mut queries = Vec::new();
        for line in fs::read_to_string(folder.join("queries.jsonl"))?.lines() {
            let record: Json = serde_json::from_str(line)?;
            if let Some(grades) = grades.remove(&text(&record, "_id")) {
                queries.push((text(&record, "text"), grades));
            }
        }
        Ok(Self { queries })
    }
}

fn text(record: &Json, field: &str) -> String {
    record[field].as_str().unwrap_or("").to_string()
}

/// All numbers of a NumPy file.
fn numbers<S: Deserialize, T>(path: &Path, convert: impl Fn(S) -> T) -> Outcome<Vec<T>> {
    let file = NpyFile::new(BufReader::new(File::open(path)?))?;
    let numbers = file.data::<S>()?;
    let numbers: Result<_, _> = numbers.map(|number| number.map(&convert)).collect();
    Ok(numbers?)
}
