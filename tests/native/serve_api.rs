//! `coracle serve --api` from outside: streams, clients that go, signals, new builds, other servers'
//! failures.

// A test that cannot make its world says so.
#![allow(clippy::print_stderr)]

#[path = "../support/model_server.rs"]
#[allow(dead_code)]
mod model_server;
#[path = "../support/process.rs"]
#[allow(dead_code)]
mod process;

use std::io::BufRead;
use std::io::BufReader;
use std::io::Read;
use std::io::Write;
use std::net::SocketAddr;
use std::net::TcpListener;
use std::net::TcpStream;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;
use std::time::Instant;

use coracle_cli::command::serve::Serving;
use model_server::KEY;
use model_server::ModelServer;
use model_server::Reply;
use process::World;
use serde_json::Value;
use serde_json::json;

const QUESTION: &str = r#"{"question": "What is a coracle?", "stream": true}"#;
const ANSWER: &str = "A coracle is a small round boat [1].";

/// A folder with `index`, built from the documents of the tests of ingestion.
fn world() -> World {
    let world = World::new();
    let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/corpus/boats");
    world.json(&["build", corpus, "--out", "index", "--embedder", "none"]);
    world
}

/// A running server, and what it wrote to standard error so far. It is killed with its test.
struct Server {
    child: Child,
    address: SocketAddr,
    log: Arc<Mutex<String>>,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    fn start(world: &World, place: &str, args: &[&str], variables: &[(&str, &str)]) -> Self {
        let serve = ["serve", place, "--api", "--listen", "127.0.0.1:0"];
        let mut command = world.command(&[&serve[..], args].concat());
        command.envs(variables.iter().copied());
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("started");
        let log = Arc::new(Mutex::new(String::new()));
        let (copy, errors) = (log.clone(), child.stderr.take().expect("piped"));
        thread::spawn(move || {
            for line in BufReader::new(errors).lines().map_while(Result::ok) {
                copy.lock().expect("unpoisoned").push_str(&(line + "\n"));
            }
        });
        let mut line = String::new();
        let out = child.stdout.take().expect("piped");
        BufReader::new(out).read_line(&mut line).expect("a line");
        let address = line
            .split("http://")
            .nth(1)
            .and_then(|rest| rest.split('/').next());
        let address = address.unwrap_or_else(|| panic!("no address in {line:?}: {log:?}"));
        Self {
            address: address.parse().expect("an address"),
            child,
            log,
        }
    }

    /// One that may ask the models of `server`.
    fn with_models(world: &World, server: &ModelServer, args: &[&str]) -> Self {
        let variables = [
            ("CHAT_URL", &*server.url),
            ("CHAT_MODEL", "m"),
            ("CHAT_KEY", KEY),
        ];
        Self::start(world, "index", args, &variables)
    }

    /// Sends a request and returns the connection.
    fn send(&self, method: &str, path: &str, headers: &str, body: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).expect("connected");
        let length = body.len();
        let head = format!("{method} {path} HTTP/1.1\r\nhost: h\r\nconnection: close\r\n");
        let kind = "content-type: application/json\r\n";
        let head = format!("{head}{kind}content-length: {length}\r\n{headers}\r\n");
        stream.write_all((head + body).as_bytes()).expect("sent");
        stream
    }

    /// Status, and the rest of the response.
    fn request(&self, method: &str, path: &str, headers: &str, body: &str) -> (u16, String) {
        let mut stream = self.send(method, path, headers, body);
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("a response");
        (status(&text), text)
    }

    fn get(&self, path: &str) -> (u16, String) {
        self.request("GET", path, "", "")
    }

    fn ask(&self) -> (u16, String) {
        self.request("POST", "/query", "", QUESTION)
    }

    fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let status = Command::new("kill").args([name, &id]).status();
        assert!(status.expect("kill").success());
    }

    fn log(&self) -> String {
        self.log.lock().expect("unpoisoned").clone()
    }
}

fn status(response: &str) -> u16 {
    let status = response
        .split(' ')
        .nth(1)
        .and_then(|text| text.parse().ok());
    status.unwrap_or_else(|| panic!("no status in {response:?}"))
}

/// The JSON of a response that is not sent in chunks.
#[track_caller]
fn body(response: &str) -> Value {
    let (_, body) = response.split_once("\r\n\r\n").expect("a head");
    let json = body
        .find(['{', '['])
        .unwrap_or_else(|| panic!("no JSON in {response}"));
    let mut values = serde_json::Deserializer::from_str(&body[json..]).into_iter();
    values.next().expect("a value").expect("JSON")
}

/// Requires something to become true soon.
#[track_caller]
fn soon(what: &str, is_true: impl Fn() -> bool) {
    let begin = Instant::now();
    while !is_true() {
        assert!(
            begin.elapsed() < Duration::from_secs(10),
            "not soon: {what}"
        );
        thread::sleep(Duration::from_millis(10));
    }
}

fn words(count: usize, pause: u64) -> Reply {
    let mut words = vec![String::from("A coracle is a small round boat [1]. ")];
    words.resize(count, "It is a small round boat [1]. ".into());
    Reply::Say(words, Duration::from_millis(pause))
}

#[test]
fn routes_answer_and_refuse() {
    let world = world();
    let server = Server::start(&world, "index", &[], &[]);
    let (status, found) = server.get("/search?q=coracle");
    assert_eq!(status, 200, "{found}");
    assert_eq!(
        body(&found)["hits"][0]["title"],
        "Building a coracle",
        "{found}"
    );
    for path in ["/health", "/ready", "/version", "/metrics", "/openapi.json"] {
        assert_eq!(server.get(path).0, 200, "{path}");
    }
    assert_eq!(server.get("/nothing").0, 404);
    assert_eq!(server.request("DELETE", "/search", "", "").0, 405);
    let large = format!(r#"{{"question": "{}"}}"#, "x".repeat(70_000));
    assert_eq!(server.request("POST", "/query", "", &large).0, 413);
    let (status, answer) = server.ask();
    assert_eq!(status, 200);
    assert!(answer.contains(r#""outcome":"extractive""#), "{answer}");
    // One line of JSON for each request; it comes by another way than the response.
    soon("all of them are in the log", || {
        server.log().lines().count() >= 9
    });
    let log = server.log();
    let lines: Vec<Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}")))
        .collect();
    assert!(lines.iter().all(|line| line["route"].is_string()), "{log}");
}

#[test]
fn failures_to_start_have_their_codes() {
    let world = world();
    world
        .run(&["serve", "nowhere", "--api"])
        .fails(5, &["nowhere"]);
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("an address").to_string();
    let serve = |args: &[&str]| world.run(&[&["serve", "index", "--api"], args].concat());
    serve(&["--listen", &address]).fails(5, &[&address, "--listen"]);
    serve(&["--redis", "nonsense:secret"]).fails(2, &["--redis"]);
    world
        .run(&["serve", "index", "--redis", "redis://h"])
        .fails(2, &["--api"]);
    let mut wrong = world.command(&["serve", "index", "--api"]);
    wrong.env("RATE_LIMIT", "many");
    process::Ended::of(wrong.output().expect("started")).fails(2, &["RATE_LIMIT"]);
}

#[test]
fn text_arrives_before_the_end() {
    let (world, model) = (world(), ModelServer::with_key(|_| words(4, 400)));
    let server = Server::with_models(&world, &model, &[]);
    let mut stream = server.send("POST", "/query", "", QUESTION);
    let mut seen = Vec::new();
    while !String::from_utf8_lossy(&seen).contains("event: delta") {
        let mut piece = [0; 1024];
        let count = stream.read(&mut piece).expect("more");
        assert!(count > 0, "{}", String::from_utf8_lossy(&seen));
        seen.extend(&piece[..count]);
    }
    let begun = Instant::now();
    let mut rest = String::new();
    stream.read_to_string(&mut rest).expect("the rest");
    assert!(
        begun.elapsed() > Duration::from_millis(700),
        "{:?}",
        begun.elapsed()
    );
    assert!(rest.contains("event: done"), "{rest}");
    model.was_asked_rightly();
}

#[test]
fn client_that_goes_ends_the_request_at_the_model() {
    let world = world();
    let model = ModelServer::with_key(|asked| match asked.number {
        0 => words(1000, 30),
        _ => Reply::Hang,
    });
    let server = Server::with_models(&world, &model, &[]);
    // In the middle of an answer, and before its first word.
    for number in 1..=2 {
        let mut stream = server.send("POST", "/query", "", QUESTION);
        soon("the model is asked", || model.asked().len() == number);
        if number == 1 {
            stream.read_exact(&mut [0; 64]).expect("a head");
        }
        assert_eq!(model.gone().len(), number - 1);
        drop(stream);
        soon("the model is left", || model.gone().len() == number);
    }
    assert_eq!(server.get("/search?q=coracle").0, 200);
}

#[test]
fn told_to_stop_it_finishes_what_is_under_way() {
    let (world, model) = (world(), ModelServer::with_key(|_| words(6, 250)));
    let mut server = Server::with_models(&world, &model, &[]);
    let mut stream = server.send("POST", "/query", "", QUESTION);
    soon("the model is asked", || model.asked().len() == 1);
    server.signal("-TERM");
    soon("nobody is let in", || {
        TcpStream::connect(server.address).is_err()
    });
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("the answer");
    assert!(answer.contains("event: done"), "{answer}");
    assert!(answer.contains(r#""outcome":"answered""#), "{answer}");
    assert_eq!(server.child.wait().expect("ended").code(), Some(0));
    assert!(model.gone().is_empty());
}

#[test]
fn new_build_takes_over_under_load_without_an_error() {
    let world = world();
    let server = Server::start(
        &world,
        "index",
        &[],
        &[("REFRESH_SECONDS", "0"), ("RATE_LIMIT", "0")],
    );
    let is_over = AtomicBool::new(false);
    let builds = 4;
    thread::scope(|scope| {
        let clients: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let mut count = 0;
                    while !is_over.load(Ordering::Relaxed) {
                        let (status, text) = server.get("/search?q=coracle");
                        assert_eq!(status, 200, "{text}");
                        assert!(!body(&text)["hits"].as_array().expect("hits").is_empty());
                        count += 1;
                    }
                    count
                })
            })
            .collect();
        for build in 0..builds {
            let page = format!("# Coracle {build}\n\nThe coracle of build number {build}.\n");
            world.write("docs/new.md", page);
            world.json(&["build", "docs", "--out", "index", "--embedder", "none"]);
            let title = format!("Coracle {build}");
            soon("the new build answers", || {
                server.get("/search?q=coracle").1.contains(&title)
            });
        }
        is_over.store(true, Ordering::Relaxed);
        let counts: Vec<usize> = clients
            .into_iter()
            .map(|client| client.join().expect("fine"))
            .collect();
        assert!(counts.iter().all(|&count| count > 10), "{counts:?}");
    });
}

#[test]
fn limits_hold_over_all_threads_and_by_client() {
    let world = world();
    let variables = [("RATE_LIMIT", "10")];
    let server = Server::start(&world, "index", &["--threads", "4"], &variables);
    let statuses: Vec<u16> = (0..16).map(|_| server.get("/search?q=coracle").0).collect();
    let passed = statuses.iter().filter(|&&status| status == 200).count();
    assert!((10..=12).contains(&passed), "{statuses:?}");
    assert!(
        statuses.iter().all(|status| [200, 429].contains(status)),
        "{statuses:?}"
    );
    let forwarded = |server: &Server, list: &str| {
        let header = format!("x-forwarded-for: {list}\r\n");
        server.request("GET", "/search?q=coracle", &header, "").0
    };
    assert_eq!(
        forwarded(&server, "192.0.2.7"),
        429,
        "anybody may write this header"
    );
    let server = Server::start(
        &world,
        "index",
        &["--threads", "4", "--trust-forwarded"],
        &variables,
    );
    // What the client itself wrote stands in front.
    let statuses: Vec<u16> = (0..14)
        .map(|at| forwarded(&server, &format!("10.0.0.{at}, 192.0.2.7")))
        .collect();
    assert_eq!((statuses[0], statuses[13]), (200, 429), "{statuses:?}");
    assert_eq!(forwarded(&server, "192.0.2.8"), 200);
}

#[test]
fn counters_are_those_of_all_threads() {
    let world = world();
    let server = Server::start(&world, "index", &["--threads", "3"], &[]);
    for _ in 0..9 {
        assert_eq!(server.get("/search?q=coracle").0, 200);
    }
    let (_, text) = server.get("/metrics");
    let line = r#"coracle_requests_total{route="/search",status="200"} 9"#;
    assert!(text.contains(line), "{text}");
    assert_eq!(
        text.matches("# TYPE coracle_requests_total counter")
            .count(),
        1
    );
    assert_eq!(text.matches("coracle_index_info{").count(), 1, "{text}");
}

#[test]
fn keys_are_in_nothing_that_is_said() {
    let world = world();
    for refusal in [400, 401, 429, 500] {
        let model = ModelServer::with_key(move |_| Reply::refuse(refusal, "retry-after: 100\r\n"));
        let server = Server::with_models(&world, &model, &[]);
        let (status, answer) = server.ask();
        assert_eq!(status, 200, "{answer}");
        assert!(answer.contains(r#""outcome":"extractive""#), "{answer}");
        assert!(answer.contains("degraded"), "{answer}");
        let said = answer + &server.get("/version").1 + &server.get("/health").1;
        soon("the last one is in the log", || {
            server.log().contains("/health")
        });
        let said = said + &server.log();
        assert!(!said.contains(KEY), "{said}");
        assert!(!model.asked().is_empty());
    }
}

#[test]
fn slow_model_is_left_at_the_deadline() {
    let (world, model) = (world(), ModelServer::new(|_| Reply::Hang));
    let variables = [
        ("CHAT_URL", &*model.url),
        ("CHAT_MODEL", "m"),
        ("ANSWER_DEADLINE_MS", "1500"),
    ];
    let server = Server::start(&world, "index", &[], &variables);
    let begin = Instant::now();
    let (_, answer) = server.ask();
    let took = begin.elapsed();
    assert!(
        took > Duration::from_millis(1400) && took < Duration::from_secs(8),
        "{took:?}"
    );
    assert!(answer.contains(r#""outcome":"extractive""#), "{answer}");
    soon("the model is left", || {
        model.gone().len() == model.asked().len()
    });
}

/// A Redis of this test's own, if there is one on this machine.
struct Redis {
    child: Child,
    url: String,
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Redis {
    fn start(world: &World) -> Option<Self> {
        let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = free.local_addr().expect("an address").port();
        drop(free);
        let mut command = world.prepared("redis-server");
        command.args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]);
        command.args(["--port", &port.to_string()]);
        let child = command.stdout(Stdio::null()).spawn().ok()?;
        let redis = Self {
            child,
            url: format!("redis://127.0.0.1:{port}/"),
        };
        soon("Redis listens", || {
            TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
        Some(redis)
    }
}

#[test]
fn redis_shares_answers_between_servers() {
    let world = world();
    let Some(mut redis) = Redis::start(&world) else {
        eprintln!("skipped: there is no redis-server on this machine");
        return;
    };
    let model = ModelServer::with_key(|_| Reply::say(ANSWER));
    let args = ["--redis", &redis.url];
    let first = Server::with_models(&world, &model, &args);
    let second = Server::with_models(&world, &model, &args);
    let answer = first.ask().1;
    assert!(answer.contains("small round boat"), "{answer}");
    assert_eq!(model.asked().len(), 1);
    soon("the other server knows the answer", || {
        let again = second.ask().1;
        assert!(again.contains("small round boat"), "{again}");
        model.asked().len() < 3 && again.contains(r#""outcome":"answered""#)
    });
    assert_eq!(model.asked().len(), 1, "the model was asked again");
    // Without Redis all goes on, from what each server remembers and from the model.
    let _ = redis.child.kill();
    let _ = redis.child.wait();
    let other = QUESTION.replace("What is", "Who carries");
    let (status, answer) = second.request("POST", "/query", "", &other);
    assert_eq!(status, 200);
    assert!(answer.contains("small round boat"), "{answer}");
    assert_eq!(model.asked().len(), 2);
    soon("it says so", || second.log().contains("redis"));
}

#[test]
fn redis_that_is_not_there_costs_no_answer() {
    let (world, model) = (world(), ModelServer::with_key(|_| Reply::say(ANSWER)));
    // Nobody listens at port 9 of this machine.
    let server = Server::with_models(
        &world,
        &model,
        &["--redis", "redis://:hunter2@127.0.0.1:9/"],
    );
    for _ in 0..3 {
        let begin = Instant::now();
        assert!(server.ask().1.contains("small round boat"));
        assert!(
            begin.elapsed() < Duration::from_secs(3),
            "{:?}",
            begin.elapsed()
        );
    }
    assert_eq!(model.asked().len(), 1, "it is remembered here");
    soon("all requests are in the log", || {
        server.log().matches(r#""route":"/query""#).count() == 3
    });
    let log = server.log();
    assert_eq!(log.matches("\"redis\"").count(), 1, "{log}");
    assert!(!log.contains("hunter2"), "{log}");
}

#[test]
fn index_may_be_a_bundle_or_at_an_address() {
    let world = world();
    let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/corpus/boats");
    let bundle = ["build", corpus, "--out", "bundle", "--layout", "bundle"];
    world.json(&[&bundle[..], &["--embedder", "none"]].concat());
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let files = Serving::bind(&world.path("index"), any).expect("served");
    let url = format!("http://{}", files.address());
    thread::spawn(move || files.run());
    let folder = Server::start(&world, "index", &[], &[]);
    let expected = body(&folder.get("/search?q=coracle").1)["hits"].take();
    for place in ["bundle", &url] {
        let server = Server::start(&world, place, &[], &[]);
        let found = body(&server.get("/search?q=coracle").1);
        assert_eq!(found["hits"], expected, "{place}");
        assert_eq!(server.get("/ready").0, 200, "{place}");
    }
}

#[test]
fn connections_are_kept_and_heads_are_bounded() {
    let world = world();
    let server = Server::start(&world, "index", &[], &[]);
    let mut stream = TcpStream::connect(server.address).expect("connected");
    let mut reader = BufReader::new(stream.try_clone().expect("cloned"));
    for _ in 0..3 {
        let head = "HEAD /search?q=coracle HTTP/1.1\r\nhost: h\r\n\r\n";
        stream.write_all(head.as_bytes()).expect("sent");
        let mut text = String::new();
        while !text.ends_with("\r\n\r\n") {
            assert!(reader.read_line(&mut text).expect("a head") > 0, "{text}");
        }
        assert_eq!(status(&text), 200);
    }
    // A head without an end: the connection is closed, which may cut our own sending short.
    let mut stream = TcpStream::connect(server.address).expect("connected");
    let _ = stream.write_all(b"GET /health HTTP/1.1\r\nhost: h\r\nx-long: ");
    let _ = stream.write_all(&[b'x'; 1 << 20]);
    let mut answer = Vec::new();
    let begin = Instant::now();
    let _ = stream.read_to_end(&mut answer);
    assert!(
        begin.elapsed() < Duration::from_secs(20),
        "it was left open"
    );
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.is_empty() || status(&answer) == 431, "{answer}");
    assert_eq!(server.get("/health").0, 200);
}

#[test]
fn same_answers_by_every_thread() {
    let world = world();
    let server = Server::start(&world, "index", &["--threads", "2"], &[("RATE_LIMIT", "0")]);
    let answers: Vec<Value> = (0..8)
        .map(|_| {
            let found = body(&server.get("/search?q=coracle").1);
            json!([found["hits"], found["total"]])
        })
        .collect();
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]));
}

#[test]
fn same_question_of_several_readers_is_asked_once_of_the_model() {
    let (world, model) = (world(), ModelServer::with_key(|_| words(4, 300)));
    let server = Server::with_models(&world, &model, &["--threads", "1"]);
    let mut first = server.send("POST", "/query", "", QUESTION);
    soon("the model is asked", || model.asked().len() == 1);
    let mut others: Vec<TcpStream> = (0..3)
        .map(|_| server.send("POST", "/query", "", QUESTION))
        .collect();
    // One of those who wait has no patience; the others do not notice.
    thread::sleep(Duration::from_millis(200));
    drop(others.pop());
    let mut text = String::new();
    first.read_to_string(&mut text).expect("an answer");
    assert!(text.contains(r#""outcome":"answered""#), "{text}");
    for mut other in others {
        let mut text = String::new();
        other.read_to_string(&mut text).expect("an answer");
        assert!(text.contains(r#""outcome":"answered""#), "{text}");
    }
    assert_eq!(model.asked().len(), 1);
    soon("the log says so", || {
        server.log().matches(r#""cache":"shared""#).count() == 2
    });
    model.was_asked_rightly();
}

#[test]
fn reader_takes_over_from_one_who_leaves() {
    let (world, model) = (world(), ModelServer::with_key(|_| words(4, 300)));
    let server = Server::with_models(&world, &model, &["--threads", "1"]);
    let first = server.send("POST", "/query", "", QUESTION);
    soon("the model is asked", || model.asked().len() == 1);
    let mut second = server.send("POST", "/query", "", QUESTION);
    thread::sleep(Duration::from_millis(200));
    drop(first);
    let mut text = String::new();
    second.read_to_string(&mut text).expect("an answer");
    assert!(text.contains(r#""outcome":"answered""#), "{text}");
    assert_eq!((model.asked().len(), model.gone().len()), (2, 1));
}

#[test]
fn session_holds_for_every_thread_and_one_page() {
    let world = world();
    let variables = [
        ("SESSION_SECRET", "secret-of-sessions-0123456789abcdef"),
        ("ALLOW_ORIGIN", "https://docs.example.com"),
    ];
    let server = Server::start(&world, "index", &["--threads", "2"], &variables);
    let origin = "origin: https://docs.example.com\r\n";
    let (status, text) = server.request("POST", "/query", origin, QUESTION);
    assert_eq!(
        (status, &body(&text)["error"]["code"]),
        (401, &json!("session-missing"))
    );
    let (status, text) = server.request("POST", "/session", origin, "");
    assert_eq!(status, 200, "{text}");
    let token = body(&text)["token"].as_str().expect("a token").to_owned();
    let bearer = format!("authorization: Bearer {token}\r\n");
    for _ in 0..6 {
        let headers = format!("{origin}{bearer}");
        let (status, text) = server.request("POST", "/query", &headers, QUESTION);
        assert_eq!(status, 200, "{text}");
    }
    let (status, text) = server.request("POST", "/query", &bearer, QUESTION);
    assert_eq!(
        (status, &body(&text)["error"]["code"]),
        (401, &json!("session-invalid"))
    );
    assert!(!server.log().contains(&token));
}
