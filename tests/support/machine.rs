//! A machine for a service: files in memory, models that answer from a script, a clock that tests move.

use std::cell::Cell;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::ops::Range;
use std::rc::Rc;
use std::task::Poll;

use coracle::answer::Gone;
use coracle::provider::Body;
use coracle::provider::Failure;
use coracle::provider::Request as Sent;
use coracle::provider::Response;
use coracle::provider::Transport;
use coracle::service::Config;
use coracle::service::Host;
use coracle::service::Reply;
use coracle::service::Request;
use coracle::service::Service;
use coracle::store::Memory;
use coracle::store::Source;
use coracle::store::SourceError;
use coracle::store::SourceProblem;
use serde_json::Value as Json;

/// Files that may change, vanish or never come.
#[derive(Debug, Clone, Default)]
pub struct Files {
    pub memory: Rc<RefCell<Memory>>,
    pub is_stuck: Rc<Cell<bool>>,
    pub reads: Rc<Cell<usize>>,
}

impl Source for Files {
    async fn read(&self, file: &str, range: Option<Range<u64>>) -> Result<Vec<u8>, SourceError> {
        self.reads.set(self.reads.get() + 1);
        if self.is_stuck.get() {
            std::future::pending::<()>().await;
        }
        let memory = self.memory.borrow().clone();
        let read = memory.read(file, range.clone()).await;
        // What a place says of itself is not for clients.
        read.map_err(|error| match error.problem {
            SourceProblem::NotFound => {
                let place = SourceProblem::Failed("secret-place of the files".into());
                SourceError::new(file, range, place)
            }
            _ => error,
        })
    }
}

/// What a model's server does with a request; without a script there is no connection.
#[derive(Debug, Clone)]
pub enum Scripted {
    /// A status and a body in pieces.
    Answers(u16, Vec<String>),
    /// Pieces, and then the connection breaks.
    Breaks(Vec<String>),
}

#[derive(Debug, Default)]
pub struct Machine {
    pub files: Files,
    /// Milliseconds.
    pub clock: Cell<u64>,
    pub script: RefCell<VecDeque<Scripted>>,
    pub sent: RefCell<Vec<Sent>>,
    pub store: RefCell<BTreeMap<String, (Vec<u8>, u64)>>,
    pub lines: RefCell<Vec<String>>,
    pub admits: Cell<Option<bool>>,
    pub opened: Cell<usize>,
    /// Waiting never ends.
    pub is_frozen: Cell<bool>,
    /// Models do not answer yet.
    pub is_held: Cell<bool>,
    /// Bodies of models that were dropped before their end.
    pub cut: Rc<Cell<usize>>,
}

pub struct Pieces {
    pieces: VecDeque<String>,
    breaks: bool,
    is_over: bool,
    cut: Rc<Cell<usize>>,
}

impl Body for Pieces {
    async fn next(&mut self, _: u32) -> Result<Option<Vec<u8>>, Failure> {
        match self.pieces.pop_front() {
            Some(piece) => Ok(Some(piece.into_bytes())),
            None if self.breaks => Err(Failure::Cut {
                message: "reset".into(),
            }),
            None => {
                self.is_over = true;
                Ok(None)
            }
        }
    }
}

impl Drop for Pieces {
    fn drop(&mut self) {
        if !self.is_over && !self.pieces.is_empty() {
            self.cut.set(self.cut.get() + 1);
        }
    }
}

impl Transport for Machine {
    type Body = Pieces;

    async fn send(&self, request: &Sent, _: u32) -> Result<Response<Pieces>, Failure> {
        self.sent.borrow_mut().push(request.clone());
        std::future::poll_fn(|_| match self.is_held.get() {
            true => Poll::Pending,
            false => Poll::Ready(()),
        })
        .await;
        let (status, pieces, breaks) = match self.script.borrow_mut().pop_front() {
            Some(Scripted::Answers(status, pieces)) => (status, pieces, false),
            Some(Scripted::Breaks(pieces)) => (200, pieces, true),
            None => {
                let message = "refused".into();
                return Err(Failure::Cut { message });
            }
        };
        let body = Pieces {
            pieces: pieces.into(),
            breaks,
            is_over: false,
            cut: self.cut.clone(),
        };
        Ok(Response {
            status,
            pause: None,
            request_id: "upstream-1".into(),
            body,
        })
    }

    async fn sleep(&self, millis: u32) {
        if self.is_frozen.get() {
            std::future::pending::<()>().await;
        }
        self.clock.set(self.clock.get() + u64::from(millis));
    }

    fn now(&self) -> u64 {
        self.clock.get()
    }

    fn random(&self) -> f64 {
        0.5
    }
}

impl Host for Machine {
    type Source = Files;

    fn source(&self) -> Files {
        self.opened.set(self.opened.get() + 1);
        self.files.clone()
    }

    fn time(&self) -> u64 {
        1_763_750_000 + self.clock.get() / 1000
    }

    async fn admits(&self, _: &str, _: u32) -> Option<bool> {
        self.admits.get()
    }

    async fn recall(&self, key: &str) -> Option<Vec<u8>> {
        let store = self.store.borrow();
        let (value, until) = store.get(key)?;
        (*until > self.time()).then(|| value.clone())
    }

    async fn keep(&self, key: &str, value: &[u8], seconds: u32) {
        let until = self.time() + u64::from(seconds);
        let mut store = self.store.borrow_mut();
        store.insert(key.into(), (value.into(), until));
    }

    fn log(&self, line: &str) {
        self.lines.borrow_mut().push(line.into());
    }
}

/// A response as it came, from a client that may hang up.
#[derive(Debug, Default)]
pub struct Got {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub pieces: Vec<String>,
    /// Pieces of the body that the client takes.
    pub patience: Option<usize>,
}

impl Reply for Got {
    async fn head(&mut self, status: u16, headers: &[(&str, &str)]) -> Result<(), Gone> {
        assert_eq!(self.status, 0, "one head");
        self.status = status;
        let owned = |(name, value): &(&str, &str)| (name.to_string(), value.to_string());
        self.headers = headers.iter().map(owned).collect();
        Ok(())
    }

    async fn body(&mut self, bytes: &[u8]) -> Result<(), Gone> {
        if self.patience == Some(self.pieces.len()) {
            return Err(Gone);
        }
        self.pieces
            .push(String::from_utf8(bytes.to_vec()).expect("UTF-8"));
        Ok(())
    }
}

impl Got {
    pub fn header(&self, name: &str) -> &str {
        let all: Vec<&str> = self
            .headers
            .iter()
            .filter(|(known, _)| known == name)
            .map(|(_, value)| &**value)
            .collect();
        assert!(all.len() < 2, "{name} is sent once");
        all.first().copied().unwrap_or_default()
    }

    pub fn body(&self) -> String {
        self.pieces.concat()
    }

    pub fn json(&self) -> Json {
        let body = self.body();
        serde_json::from_str(&body).unwrap_or_else(|bad| panic!("{bad}: {body}"))
    }

    /// Status and code of a refusal.
    pub fn refusal(&self) -> (u16, String) {
        let body = self.json();
        let error = &body["error"];
        let message = error["message"].as_str().expect("a message");
        assert!(message.len() > 10, "{message}");
        assert_eq!(self.header("cache-control"), "no-store");
        (self.status, error["code"].as_str().expect("a code").into())
    }

    /// What stands behind `data:` in a stream, as JSON where it is.
    pub fn data(&self) -> Vec<Json> {
        let body = self.body();
        let lines = body.lines().filter_map(|line| line.strip_prefix("data: "));
        lines
            .map(|data| serde_json::from_str(data).unwrap_or_else(|_| Json::from(data)))
            .collect()
    }
}

/// A service on a machine whose index has these files.
pub fn service(memory: Memory, config: Config) -> Service<Machine> {
    let machine = Machine::default();
    *machine.files.memory.borrow_mut() = memory;
    Service::new(machine, config)
}

/// A request of a program on this machine.
pub fn request(method: &str, target: &str, body: &str) -> Request {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    Request {
        method: method.into(),
        path: path.into(),
        query: query.into(),
        headers: Vec::new(),
        body: body.as_bytes().to_vec(),
        client: "192.0.2.1".into(),
    }
}

pub fn with(mut request: Request, name: &str, value: &str) -> Request {
    request.headers.push((name.into(), value.into()));
    request
}

pub fn ask(service: &Service<Machine>, request: &Request) -> Got {
    let mut got = Got::default();
    pollster::block_on(service.handle(request, &mut got)).expect("the client stays");
    got
}

pub fn get(service: &Service<Machine>, target: &str) -> Got {
    ask(service, &request("GET", target, ""))
}

pub fn post(service: &Service<Machine>, target: &str, body: &str) -> Got {
    ask(service, &request("POST", target, body))
}

/// The lines of the log, which are JSON.
pub fn log(service: &Service<Machine>) -> Vec<Json> {
    let lines = service.host().lines.borrow();
    let lines = lines.iter();
    lines
        .map(|line| serde_json::from_str(line).expect("a line of JSON"))
        .collect()
}

/// A chat model's answer, streamed word by word.
pub fn says(text: &str) -> Scripted {
    let mut pieces: Vec<String> = text
        .split_inclusive(' ')
        .map(|word| {
            let delta = serde_json::json!({ "content": word });
            let choice = serde_json::json!({ "index": 0, "delta": delta, "finish_reason": null });
            let chunk = serde_json::json!({ "choices": [choice] });
            format!("data: {chunk}\n\n")
        })
        .collect();
    pieces.push(
        "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n".into(),
    );
    pieces.push(
        "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":100,\"completion_tokens\":20}}\n\n"
            .into(),
    );
    pieces.push("data: [DONE]\n\n".into());
    Scripted::Answers(200, pieces)
}
