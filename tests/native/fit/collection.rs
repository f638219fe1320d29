//! A judged collection with its embeddings, and the rankings to be compared.

use coracle::embed::QueryVector;
use coracle::postings::Bm25Params;
use coracle::postings::ChunkFields;
use coracle::postings::ChunkTerms;
use coracle::postings::Clause;
use coracle::postings::EncodedList;
use coracle::postings::EncodedTerm;
use coracle::postings::Postings;
use coracle::postings::PostingsBuilder;
use coracle::postings::WEIGHT_ONE;
use coracle::postings::top_k;
use coracle::text::Analyzer;
use coracle::text::Language;
use coracle::vector::Metric;
use coracle::vector::Quantizer;
use coracle::vector::Query;
use coracle::vector::binary::BinaryCodes;
use coracle::vector::binary::BinaryWriter;
use coracle::vector::row::Row;
use coracle::vector::row::encode_residual;
use coracle::vector::row::row_len;
use coracle_cli::embed::Cached;
use coracle_cli::embed::Embedder;
use coracle_cli::embed::MiniLm;
use coracle_cli::evaluate::metrics;
use coracle_cli::fit::FitParams;
use coracle_cli::fit::Lexicon;
use coracle_cli::fit::QueryTable;
use coracle_cli::fit::TextGroup;
use coracle_cli::fit::sentences;
use flate2::read::GzDecoder;
use serde_json::Value;
use std::collections::HashMap;
use std::fs::File;
use std::io::BufRead;
use std::io::BufReader;
use std::path::Path;

/// Characters of a document that take part in the fit: about what the model reads of it.
const EMBEDDED_CHARS: usize = 1300;

pub struct Collection {
    documents: Vec<String>,
    queries: Vec<String>,
    /// Gains by document, one map per query.
    gains: Vec<HashMap<usize, f64>>,
    document_rows: Vec<f32>,
    query_rows: Vec<f32>,
    sentence_rows: Vec<f32>,
    sentences: Vec<String>,
    dim: usize,
    postings: Postings,
}

fn records(lines: impl BufRead) -> (Vec<String>, Vec<String>) {
    let record = |line: std::io::Result<String>| {
        let record: Value = serde_json::from_str(&line.expect("readable")).expect("JSON");
        let field = |name: &str| record[name].as_str().expect("text").to_owned();
        (field("_id"), field("text"))
    };
    lines.lines().map(record).unzip()
}

fn analyzer() -> Analyzer {
    Analyzer::new(Language::English)
}

pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

impl Collection {
    /// Reads and embeds the collection; `None` without data.
    pub fn read(name: &str) -> Option<Self> {
        let folder = Path::new(&std::env::var_os("CORACLE_DATA")?)
            .join("ir")
            .join(name);
        let open = |name: &str| BufReader::new(File::open(folder.join(name)).expect("data"));
        let (ids, documents) = records(BufReader::new(GzDecoder::new(open("corpus.jsonl.gz"))));
        let (query_ids, queries) = records(open("queries.jsonl"));
        let ordinals = |ids: Vec<String>| ids.into_iter().zip(0..).collect::<HashMap<_, usize>>();
        let (ids, query_ids) = (ordinals(ids), ordinals(query_ids));
        let mut gains = vec![HashMap::new(); queries.len()];
        for line in open("qrels.tsv").lines().skip(1) {
            let line = line.expect("readable");
            let mut fields = line.split('\t');
            let mut next = || fields.next().expect("three fields");
            let (query, document, gain) = (next(), next(), next());
            if let (Some(query), Some(document)) = (query_ids.get(query), ids.get(document)) {
                gains[*query].insert(*document, gain.trim().parse().expect("a number"));
            }
        }
        let views: Vec<&str> = documents.iter().map(String::as_str).collect();
        let sentences: Vec<String> = sentences::sample(&views, sentences::most(views.len()))
            .into_iter()
            .map(|(_, sentence)| sentence.to_owned())
            .collect();
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::create_dir_all(&folder).expect("target folder");
        let model = Cached::open(MiniLm::new(None).expect("model"), &folder).expect("cache");
        let embed = |texts: &[String]| {
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            model.embed(&texts, &|_| {}).expect("embeddings")
        };
        let mut builder = PostingsBuilder::new(Bm25Params::default());
        for body in &documents {
            let fields = ChunkFields {
                title: "",
                headings: &[],
                body,
            };
            builder.push(&ChunkTerms::new(&analyzer(), &fields));
        }
        Some(Self {
            document_rows: embed(&documents),
            query_rows: embed(&queries),
            sentence_rows: embed(&sentences),
            dim: model.dim(),
            postings: builder.finish(),
            documents,
            queries,
            gains,
            sentences,
        })
    }

    fn terms(&self) -> Vec<EncodedTerm<'_>> {
        (0..self.postings.len())
            .map(|at| self.postings.encode(at))
            .collect()
    }

    /// The query table with default parameters.
    pub fn fit(&self) -> QueryTable {
        let terms = self.terms();
        let idf: Vec<f32> = terms.iter().map(|term| term.idf).collect();
        let terms: Vec<&str> = terms.iter().map(|term| term.term).collect();
        let cut = |text: &'_ String| {
            text.char_indices()
                .nth(EMBEDDED_CHARS)
                .map_or(text.len(), |(end, _)| end)
        };
        let documents: Vec<&str> = self
            .documents
            .iter()
            .map(|text| &text[..cut(text)])
            .collect();
        let sentences: Vec<&str> = self.sentences.iter().map(String::as_str).collect();
        let params = FitParams::default();
        let groups = [
            TextGroup {
                texts: &documents,
                embeddings: &self.document_rows,
                emphasis: params.chunk_emphasis,
            },
            TextGroup {
                texts: &sentences,
                embeddings: &self.sentence_rows,
                emphasis: 1.0,
            },
        ];
        let lexicon = Lexicon {
            analyzer: analyzer(),
            terms: &terms,
            idf: &idf,
        };
        QueryTable::fit(&lexicon, &groups, self.dim, &params.ridge, &|_| {}).expect("fits")
    }

    /// Sums of impacts of every document, by query.
    pub fn keyword_scores(&self) -> Vec<Vec<f32>> {
        let terms = self.terms();
        let lists: HashMap<&str, (u32, &EncodedList)> = terms
            .iter()
            .map(|term| (term.term, (term.df, &term.list)))
            .collect();
        let count = self.documents.len();
        let scores = |query: &String| {
            let found = analyzer().query_terms(query).terms;
            let clauses: Vec<Clause<'_>> = found
                .iter()
                .filter_map(|term| {
                    let (df, list) = lists.get(term.term.as_str())?;
                    let list = list.list(*df).expect("valid list");
                    Some(Clause::one(list, WEIGHT_ONE * term.count))
                })
                .collect();
            let mut scores = vec![0.0; count];
            for hit in top_k(&clauses, count as u32, count, None)
                .expect("valid lists")
                .hits
            {
                scores[hit.chunk as usize] = hit.score as f32;
            }
            scores
        };
        self.queries.iter().map(scores).collect()
    }

    /// The model's own query vectors.
    pub fn model_queries(&self) -> Vec<Option<Vec<f32>>> {
        self.query_rows
            .chunks_exact(self.dim)
            .map(|row| Some(row.to_vec()))
            .collect()
    }

    /// Sums of rows, encoded or as they were fitted.
    pub fn fitted_queries(&self, table: &QueryTable, encoded: bool) -> Vec<Option<Vec<f32>>> {
        let ordinals: HashMap<&str, usize> = self.postings.terms().zip(0..).collect();
        let query = |query: &String| {
            let mut sum = QueryVector::new(self.dim);
            let mut float_sum = vec![0.0f32; self.dim];
            for term in analyzer().query_terms(query).terms {
                let Some(&row) = ordinals.get(term.term.as_str()) else {
                    continue;
                };
                let weight = (term.count as f32).sqrt();
                let mut bytes = Vec::new();
                table.encode(row, &mut bytes).expect("finite");
                sum.add(&bytes, weight).expect("valid row");
                float_sum
                    .iter_mut()
                    .zip(table.row(row))
                    .for_each(|(s, x)| *s += weight * x);
            }
            if encoded {
                return sum.finish();
            }
            let norm = dot(&float_sum, &float_sum).sqrt();
            (norm > 0.0).then(|| float_sum.iter().map(|x| x / norm).collect())
        };
        self.queries.iter().map(query).collect()
    }

    /// Cosines of every document, by query; zeros where there is no query vector.
    pub fn cosines(&self, queries: &[Option<Vec<f32>>]) -> Vec<Vec<f32>> {
        let documents = || self.document_rows.chunks_exact(self.dim);
        let row = |query: &Option<Vec<f32>>| match query {
            Some(query) => documents().map(|document| dot(query, document)).collect(),
            None => vec![0.0; self.documents.len()],
        };
        queries.iter().map(row).collect()
    }
}

impl Collection {
    /// Scores as an index has them, by query: 50 candidates by 1-bit codes, ranked by their rows of 4
    /// bits; all others are out of reach.
    pub fn coded_cosines(&self, queries: &[Option<Vec<f32>>]) -> Vec<Vec<f32>> {
        let rows: Vec<&[f32]> = self.document_rows.chunks_exact(self.dim).collect();
        let quantizer = Quantizer::train(Metric::Cosine, self.dim, 1, &rows).expect("rows");
        let mut binary = BinaryWriter::new(quantizer.code_dim());
        let mut residuals = Vec::new();
        for row in &rows {
            let code = quantizer.encode_row(row).expect("a row");
            binary.push(&code);
            encode_residual(&quantizer, &code.int8, &mut residuals);
        }
        let binary = binary.into_bytes();
        let codes = BinaryCodes::parse(&binary, rows.len(), &quantizer).expect("codes");
        let len = row_len(quantizer.code_dim());
        let score = |query: &Option<Vec<f32>>| {
            let mut scores = vec![f32::MIN; rows.len()];
            if let Some(query) = query {
                let query = Query::new(&quantizer, query).expect("a query");
                for near in codes.scan(&query, None, 50) {
                    let at = near.id as usize;
                    let row = Row::parse(&residuals[at * len..][..len], quantizer.code_dim());
                    scores[at] = row.expect("a row").score(&query);
                }
            }
            scores
        };
        queries.iter().map(score).collect()
    }
}

/// 0.4 · meaning + 0.6 · words: words over their best, cosines from their mean over all documents
/// (0) to their best (1).
pub fn fuse(words: &[Vec<f32>], cosines: &[Vec<f32>]) -> Vec<Vec<f32>> {
    let best = |scores: &[f32]| scores.iter().copied().fold(f32::MIN, f32::max);
    let fused = |(words, cosines): (&Vec<f32>, &Vec<f32>)| {
        let mean = cosines.iter().sum::<f32>() / cosines.len() as f32;
        let span = (best(cosines) - mean).max(f32::MIN_POSITIVE);
        let most = best(words).max(f32::MIN_POSITIVE);
        words
            .iter()
            .zip(cosines)
            .map(|(w, c)| 0.6 * w / most + 0.4 * (c - mean) / span)
            .collect()
    };
    words.iter().zip(cosines).map(fused).collect()
}

/// Mean nDCG@10 as BEIR counts it: linear gains, queries without a judgment left out.
pub fn ndcg_at_10(collection: &Collection, scores: &[Vec<f32>]) -> f64 {
    let mut sum = 0.0;
    let mut judged = 0;
    for (scores, gains) in scores.iter().zip(&collection.gains) {
        let grades: Vec<f64> = gains.values().copied().collect();
        if !grades.iter().any(|&grade| grade > 0.0) {
            continue;
        }
        let mut order: Vec<usize> = (0..scores.len()).collect();
        order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]).then(a.cmp(&b)));
        let found: Vec<f64> = order
            .iter()
            .map(|document| gains.get(document).copied().unwrap_or(0.0))
            .collect();
        sum += metrics::ndcg(&found, &grades, 10);
        judged += 1;
    }
    sum / f64::from(judged)
}
