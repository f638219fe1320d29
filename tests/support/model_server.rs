//! A server of models on the loopback: chat completions as a stream, and embeddings.
//!
//! It checks every request against OpenAI's API description and refuses what that forbids; beyond that
//! it does what its script says, and remembers what it was asked and whose connections were closed.

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
use std::time::Duration;
use std::time::Instant;

use serde_json::Value;
use serde_json::json;

/// Components of the embeddings served.
pub const DIM: usize = 8;

/// The key that a server [`with_key`](ModelServer::with_key) wants.
pub const KEY: &str = "sk-test-4f9a1c";

/// A request that keeps to the API description.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Its number, from 0, among all that were answered by the script.
    pub number: usize,
    /// `/chat/completions` or `/embeddings`.
    pub path: String,
    /// Its body.
    pub body: Value,
    /// When it came.
    pub at: Instant,
}

impl Asked {
    /// All that its messages say.
    pub fn text(&self) -> String {
        let messages = self.body["messages"].as_array().into_iter().flatten();
        let texts = messages.filter_map(|message| message["content"].as_str());
        texts.collect::<Vec<_>>().join("\n")
    }
}

/// What the script lets the server do.
pub enum Reply {
    /// Streams these pieces of text, and waits so long before each but the first.
    Say(Vec<String>, Duration),
    /// Streams these pieces and cuts the connection.
    Break(Vec<String>),
    /// Says nothing until the client goes.
    Hang,
    /// A status, extra header lines (each ended by CRLF), a body.
    Status(u16, String, String),
    /// One embedding per text.
    Embed,
}

impl Reply {
    /// Streams `text`, word by word and at once.
    pub fn say(text: &str) -> Self {
        let words = text.split_inclusive(' ').map(String::from);
        Self::Say(words.collect(), Duration::ZERO)
    }

    /// A refusal.
    pub fn refuse(status: u16, headers: &str) -> Self {
        let body =
            json!({ "error": { "message": format!("no: {KEY}"), "type": "t", "code": null } });
        Self::Status(status, headers.into(), body.to_string())
    }
}

/// The server.
pub struct ModelServer {
    /// Base address, ending in `/v1`.
    pub url: String,
    shared: Arc<Shared>,
}

struct Shared {
    script: Box<dyn Fn(&Asked) -> Reply + Send + Sync>,
    key: Option<&'static str>,
    asked: Mutex<Vec<Asked>>,
    /// Requests whose client went before their response was whole: number and when.
    gone: Mutex<Vec<(usize, Instant)>>,
    /// Why requests were refused by the server itself.
    wrong: Mutex<Vec<String>>,
}

impl ModelServer {
    /// Serves until the test ends, by a script and without a key.
    pub fn new(script: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        Self::start(None, Box::new(script))
    }

    /// The same for those who have [`KEY`].
    pub fn with_key(script: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        Self::start(Some(KEY), Box::new(script))
    }

    fn start(
        key: Option<&'static str>,
        script: Box<dyn Fn(&Asked) -> Reply + Send + Sync>,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared {
            script,
            key,
            asked: Mutex::default(),
            gone: Mutex::default(),
            wrong: Mutex::default(),
        });
        let server = shared.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = server.clone();
                thread::spawn(move || serve(&stream, &shared));
            }
        });
        let url = format!("http://{address}/v1");
        Self { url, shared }
    }

    /// All requests that kept to the description.
    pub fn asked(&self) -> Vec<Asked> {
        self.shared.asked.lock().expect("unpoisoned").clone()
    }

    /// Requests whose client went before their response was whole.
    pub fn gone(&self) -> Vec<(usize, Instant)> {
        self.shared.gone.lock().expect("unpoisoned").clone()
    }

    /// Requires that no request broke the description.
    #[track_caller]
    pub fn was_asked_rightly(&self) {
        let wrong = self.shared.wrong.lock().expect("unpoisoned");
        assert!(wrong.is_empty(), "{wrong:?}");
    }
}

/// The embedding of a text: any function that tells texts apart.
pub fn row(text: &str) -> Vec<f32> {
    let hash = |i: usize| xxhash_rust::xxh3::xxh3_64_with_seed(text.as_bytes(), i as u64);
    let number = |i| hash(i) as f32 / u64::MAX as f32 - 0.25;
    (0..DIM).map(number).collect()
}

fn serve(mut stream: &TcpStream, shared: &Shared) -> Option<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if reader.read_line(&mut head).ok()? == 0 {
                return None;
            }
        }
        let length = header(&head, "content-length")?;
        let mut body = vec![0; length.parse().ok()?];
        reader.read_exact(&mut body).ok()?;
        let (path, body) = match checked(&head, &body, shared.key) {
            Ok(good) => good,
            Err((status, why)) => {
                shared.wrong.lock().expect("unpoisoned").push(why.clone());
                let body = json!({ "error": { "message": why } }).to_string();
                whole(stream, status, "", &body).ok()?;
                continue;
            }
        };
        let asked = {
            let mut all = shared.asked.lock().expect("unpoisoned");
            let number = all.len();
            let at = Instant::now();
            all.push(Asked {
                number,
                path,
                body,
                at,
            });
            all[number].clone()
        };
        let gone = || {
            let mut gone = shared.gone.lock().expect("unpoisoned");
            gone.push((asked.number, Instant::now()));
        };
        match (shared.script)(&asked) {
            Reply::Status(status, headers, body) => whole(stream, status, &headers, &body).ok()?,
            Reply::Embed => {
                whole(stream, 200, "", &embeddings(&asked.body)).ok()?;
            }
            Reply::Say(pieces, pause) => {
                if say(stream, &pieces, pause, &asked).is_none() {
                    gone();
                    return None;
                }
            }
            Reply::Break(pieces) => {
                begin(stream).ok()?;
                for piece in &pieces {
                    chunk(stream, &delta(piece, None)).ok()?;
                }
                stream.shutdown(Shutdown::Both).ok()?;
                return None;
            }
            Reply::Hang => {
                // Returns when the other side closes.
                let _ = stream.read(&mut [0]);
                gone();
                return None;
            }
        }
    }
}

/// Streams an answer; nothing where the client goes before its end.
fn say(stream: &TcpStream, pieces: &[String], pause: Duration, asked: &Asked) -> Option<()> {
    begin(stream).ok()?;
    chunk(stream, &delta("", None)).ok()?;
    for (at, piece) in pieces.iter().enumerate() {
        if at > 0 && !pause.is_zero() && is_gone_within(stream, pause) {
            return None;
        }
        chunk(stream, &delta(piece, None)).ok()?;
    }
    chunk(stream, &delta("", Some("stop"))).ok()?;
    let words = |text: &str| text.split_whitespace().count();
    let (input, output) = (words(&asked.text()), words(&pieces.concat()));
    let usage = json!({
        "id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [],
        "usage": { "prompt_tokens": input, "completion_tokens": output, "total_tokens": input + output },
    });
    chunk(stream, &format!("data: {usage}\n\n")).ok()?;
    chunk(stream, "data: [DONE]\n\n").ok()?;
    let mut stream = stream;
    stream.write_all(b"0\r\n\r\n").ok()
}

/// Waits, unless the client closes the connection before.
fn is_gone_within(mut stream: &TcpStream, pause: Duration) -> bool {
    let _ = stream.set_read_timeout(Some(pause));
    let read = stream.read(&mut [0]);
    let _ = stream.set_read_timeout(None);
    match read {
        Ok(count) => count == 0,
        Err(error) => !matches!(
            error.kind(),
            std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut
        ),
    }
}

fn begin(mut stream: &TcpStream) -> std::io::Result<()> {
    stream.write_all(
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n",
    )
}

fn chunk(mut stream: &TcpStream, text: &str) -> std::io::Result<()> {
    stream.write_all(format!("{:x}\r\n{text}\r\n", text.len()).as_bytes())
}

fn delta(text: &str, stop: Option<&str>) -> String {
    let event = json!({
        "id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m",
        "choices": [{ "index": 0, "delta": { "content": text }, "finish_reason": stop }],
    });
    format!("data: {event}\n\n")
}

fn embeddings(body: &Value) -> String {
    let is_packed = body["encoding_format"] == "base64";
    let data = body["input"].as_array().into_iter().flatten().enumerate();
    let data = data.map(|(index, text)| {
        let row = row(text.as_str().unwrap_or_default());
        let embedding = match is_packed {
            true => {
                use base64::Engine;
                let bytes: Vec<u8> = row.iter().flat_map(|x| x.to_le_bytes()).collect();
                base64::prelude::BASE64_STANDARD.encode(bytes).into()
            }
            false => Value::from(row),
        };
        json!({ "object": "embedding", "index": index, "embedding": embedding })
    });
    let data: Vec<_> = data.collect();
    json!({ "object": "list", "data": data, "model": "m", "usage": { "prompt_tokens": 1, "total_tokens": 1 } })
        .to_string()
}

fn whole(mut stream: &TcpStream, status: u16, headers: &str, body: &str) -> std::io::Result<()> {
    let length = body.len();
    let head = format!("HTTP/1.1 {status} x\r\ncontent-type: application/json\r\n");
    let head = format!("{head}content-length: {length}\r\nx-request-id: r-7\r\n{headers}\r\n");
    stream.write_all((head + body).as_bytes())
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let lines = head.lines().filter_map(|line| line.split_once(':'));
    let mut found = lines.filter(|(known, _)| known.eq_ignore_ascii_case(name));
    found.next().map(|(_, value)| value.trim())
}

/// Path and body, or the status and the words of a refusal.
fn checked(head: &str, body: &[u8], key: Option<&str>) -> Result<(String, Value), (u16, String)> {
    let bad = |why: &str| (400, why.to_owned());
    if header(head, "content-type") != Some("application/json") {
        return Err(bad("content-type is not application/json"));
    }
    let authorization = key.map(|key| format!("Bearer {key}"));
    if header(head, "authorization") != authorization.as_deref() {
        return Err((401, "wrong key".into()));
    }
    let body: Value = serde_json::from_slice(body).map_err(|error| bad(&error.to_string()))?;
    let path = head
        .strip_prefix("POST /v1")
        .and_then(|rest| rest.split_once(' '));
    let (path, _) = path.ok_or_else(|| bad("wrong request line"))?;
    let known: &[&str] = match path {
        "/chat/completions" => {
            chat(&body).map_err(bad)?;
            &[
                "model",
                "messages",
                "stream",
                "stream_options",
                "max_tokens",
                "max_completion_tokens",
                "temperature",
            ]
        }
        "/embeddings" => {
            input(&body).map_err(bad)?;
            &["model", "input", "encoding_format", "dimensions"]
        }
        _ => return Err((404, "no such path".into())),
    };
    let fields = body.as_object().ok_or_else(|| bad("not an object"))?;
    for name in fields.keys() {
        if !known.contains(&&**name) {
            return Err(bad(&format!("unknown field {name}")));
        }
    }
    if body["model"].as_str().is_none_or(str::is_empty) {
        return Err(bad("model"));
    }
    Ok((path.into(), body))
}

/// What is wrong with the body of a chat.
fn chat(body: &Value) -> Result<(), &'static str> {
    let messages = body["messages"].as_array().ok_or("messages")?;
    if messages.is_empty() {
        return Err("messages are empty");
    }
    for message in messages {
        let fields = message.as_object().ok_or("a message is no object")?;
        let role = message["role"].as_str().unwrap_or_default();
        if fields.len() != 2 || !["system", "user", "assistant"].contains(&role) {
            return Err("a message is not of role and content");
        }
        if message["content"].as_str().is_none_or(str::is_empty) {
            return Err("a message says nothing");
        }
    }
    if body["stream"] != true || body["stream_options"] != json!({ "include_usage": true }) {
        return Err("not a stream with its usage");
    }
    let limits = ["max_tokens", "max_completion_tokens"];
    let limits = limits.iter().filter_map(|name| body.get(*name));
    let limits: Vec<Option<u64>> = limits.map(Value::as_u64).collect();
    if !matches!(limits[..], [Some(1..)]) {
        return Err("not one limit of tokens");
    }
    let is_warm = |degrees: f64| (0.0..=2.0).contains(&degrees);
    match body.get("temperature").map(Value::as_f64) {
        None => Ok(()),
        Some(Some(degrees)) if is_warm(degrees) => Ok(()),
        Some(_) => Err("temperature"),
    }
}

/// What is wrong with the body of a request for embeddings.
fn input(body: &Value) -> Result<(), &'static str> {
    let texts = body["input"].as_array().ok_or("input")?;
    let is_text = |text: &Value| text.as_str().is_some_and(|text| !text.is_empty());
    if !(1..=2048).contains(&texts.len()) || !texts.iter().all(is_text) {
        return Err("input is not of texts");
    }
    match body.get("encoding_format").map(Value::as_str) {
        None | Some(Some("float" | "base64")) => Ok(()),
        Some(_) => Err("encoding_format"),
    }
}
