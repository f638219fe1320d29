//! A server on the loopback that checks every request against the documented schema and answers as
//! its script says.

use std::io::BufRead;
use std::io::BufReader;
use std::io::Read;
use std::io::Write;
use std::net::Shutdown;
use std::net::TcpListener;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::Mutex;
use std::thread;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;
use serde_json::json;

/// Components of the embeddings served.
pub const DIM: usize = 8;

/// What the script lets the server do with a good request.
pub enum Reply {
    /// One embedding per text, in the form asked for.
    Embed,
    /// A status, extra header lines (each ended by CRLF), a body.
    Status(u16, String, String),
    /// Hangs up without a word.
    Drop,
    /// Hangs up in the middle of the body.
    Cut,
}

/// A request as the server saw it.
#[derive(Clone, Debug)]
pub struct Seen {
    pub head: String,
    pub texts: Vec<String>,
}

pub struct Double {
    pub url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
}

/// The embedding served for a text: any function that tells texts apart.
pub fn row(text: &str) -> Vec<f32> {
    let hash = |i: usize| xxhash_rust::xxh3::xxh3_64_with_seed(text.as_bytes(), i as u64);
    (0..DIM)
        .map(|i| hash(i) as f32 / u64::MAX as f32 - 0.25)
        .collect()
}

/// A good response with `rows` as its embeddings.
pub fn response(rows: &[Value]) -> String {
    let data = rows.iter().enumerate();
    let data = data.map(|(i, row)| json!({"object": "embedding", "index": i, "embedding": row}));
    json!({"object": "list", "data": data.collect::<Vec<_>>(), "model": "m", "unknown": 1})
        .to_string()
}

pub fn base64(row: &[f32]) -> Value {
    let bytes: Vec<u8> = row.iter().flat_map(|x| x.to_le_bytes()).collect();
    BASE64_STANDARD.encode(bytes).into()
}

impl Double {
    /// Serves until the test ends; `script` gets the request's number and texts.
    pub fn new(script: impl Fn(usize, &[String]) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (script, shared) = (Arc::new(script), seen.clone());
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (script, seen) = (script.clone(), shared.clone());
                thread::spawn(move || serve(&stream, &*script, &seen));
            }
        });
        Self { url, seen }
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// Texts that were sent, over all requests: what a provider would charge for.
    pub fn charged(&self) -> usize {
        self.seen().iter().map(|seen| seen.texts.len()).sum()
    }
}

fn serve(
    mut stream: &TcpStream,
    script: &dyn Fn(usize, &[String]) -> Reply,
    seen: &Mutex<Vec<Seen>>,
) -> Option<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if reader.read_line(&mut head).ok()? == 0 {
                return None;
            }
        }
        let lower = head.to_ascii_lowercase();
        let length = lower
            .split("content-length: ")
            .nth(1)?
            .split("\r\n")
            .next()?;
        let mut body = vec![0; length.parse().ok()?];
        reader.read_exact(&mut body).ok()?;
        let (texts, format) = match check(&lower, &body) {
            Ok(good) => good,
            Err(why) => {
                let body = json!({"error": {"message": why}}).to_string();
                send(stream, 400, "", &body, body.len());
                continue;
            }
        };
        let number = {
            let mut seen = seen.lock().unwrap();
            seen.push(Seen {
                head,
                texts: texts.clone(),
            });
            seen.len() - 1
        };
        let embed = || {
            let rows = texts.iter().map(|text| match format.as_str() {
                "base64" => base64(&row(text)),
                _ => row(text).into(),
            });
            response(&rows.collect::<Vec<_>>())
        };
        match script(number, &texts) {
            Reply::Embed => {
                let body = embed();
                send(stream, 200, "", &body, body.len());
            }
            Reply::Status(status, headers, body) => {
                send(stream, status, &headers, &body, body.len())
            }
            Reply::Drop => {
                stream.shutdown(Shutdown::Both).ok()?;
                return None;
            }
            Reply::Cut => {
                let body = embed();
                send(stream, 200, "", &body[..body.len() / 2], body.len());
                stream.flush().ok()?;
                stream.shutdown(Shutdown::Both).ok()?;
                return None;
            }
        }
    }
}

fn send(mut stream: &TcpStream, status: u16, headers: &str, body: &str, length: usize) {
    let head = format!("HTTP/1.1 {status} x\r\ncontent-type: application/json\r\n");
    let _ = write!(
        stream,
        "{head}content-length: {length}\r\n{headers}\r\n{body}"
    );
}

/// The texts and the format asked for, or what the API description forbids.
fn check(head: &str, body: &[u8]) -> Result<(Vec<String>, String), String> {
    if !head.starts_with("post /v1/embeddings http/1.1\r\n") {
        return Err(format!("wrong request line in {head}"));
    }
    if !head.contains("\r\ncontent-type: application/json\r\n") {
        return Err("content-type is not application/json".into());
    }
    let body: Value = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    let fields = body.as_object().ok_or("not an object")?;
    for name in fields.keys() {
        if !["model", "input", "encoding_format", "dimensions", "user"].contains(&name.as_str()) {
            return Err(format!("unknown field {name}"));
        }
    }
    body["model"]
        .as_str()
        .filter(|model| !model.is_empty())
        .ok_or("model")?;
    let format = body
        .get("encoding_format")
        .map_or(Some("float"), Value::as_str)
        .ok_or("format")?;
    if !["float", "base64"].contains(&format) {
        return Err(format!("encoding_format {format}"));
    }
    if body
        .get("dimensions")
        .is_some_and(|dimensions| dimensions.as_u64().is_none_or(|d| d < 1))
    {
        return Err("dimensions".into());
    }
    let texts: Option<Vec<String>> = body["input"]
        .as_array()
        .filter(|input| (1..=2048).contains(&input.len()))
        .ok_or("input")?
        .iter()
        .map(|text| {
            text.as_str()
                .filter(|text| !text.is_empty())
                .map(String::from)
        })
        .collect();
    Ok((
        texts.ok_or("input holds something other than non-empty strings")?,
        format.into(),
    ))
}
