//! `coracle ask`, `chat` and `eval --answers` from outside, with a server of models that does what can
//! go wrong.

#[path = "../support/model_server.rs"]
#[allow(dead_code)]
mod model_server;
#[path = "../support/process.rs"]
#[allow(dead_code)]
mod process;

use std::io::Read;
use std::io::Write;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::thread;
use std::time::Duration;
use std::time::Instant;

use model_server::Asked;
use model_server::KEY;
use model_server::ModelServer;
use model_server::Reply;
use process::Ended;
use process::World;
use serde_json::Value;
use serde_json::json;

const QUESTION: &str = "What is a coracle?";

/// What the model says of the page on coracles.
const ANSWER: &str = "A coracle is a small round boat [1].";

/// A folder with `index`, built from the documents of the tests of ingestion.
fn world() -> World {
    let world = World::new();
    let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/corpus/boats");
    world.json(&["build", corpus, "--out", "index", "--embedder", "none"]);
    world
}

/// A command that may ask the models of `server`.
fn with_models(world: &World, server: &ModelServer, args: &[&str]) -> Command {
    let mut command = world.command(args);
    command.env("CHAT_URL", &server.url).env("CHAT_MODEL", "m");
    command.env("CHAT_KEY", KEY);
    command
}

fn run(mut command: Command) -> Ended {
    Ended::of(command.output().expect("started"))
}

fn ask(world: &World, server: &ModelServer, args: &[&str]) -> Ended {
    run(with_models(
        world,
        server,
        &[&["ask", "index", QUESTION], args].concat(),
    ))
}

/// Lines of JSON.
fn lines(text: &str) -> Vec<Value> {
    let lines = text.lines();
    lines
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect()
}

fn interrupt(child: &Child) {
    let status = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    assert!(status.expect("kill").success());
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

#[test]
fn answer_cites_its_sources_and_the_model_saw_them() {
    let (world, server) = (world(), ModelServer::with_key(|_| Reply::say(ANSWER)));
    let ended = ask(&world, &server, &[]);
    assert_eq!((ended.code, &*ended.err), (Some(0), ""));
    let (answer, sources) = ended.out.split_once("\n\n").expect("answer and sources");
    assert_eq!(answer, ANSWER);
    assert!(
        sources.starts_with("[1] Building a coracle — /guide"),
        "{sources}"
    );
    server.was_asked_rightly();
    let asked = server.asked();
    assert_eq!(asked.len(), 1);
    assert!(
        asked[0]
            .text()
            .contains("One person can carry it on the back.")
    );
}

#[test]
fn events_are_lines_of_json_in_their_order() {
    let (world, server) = (world(), ModelServer::with_key(|_| Reply::say(ANSWER)));
    let events = lines(&ask(&world, &server, &["--json"]).out);
    let names: Vec<&str> = events
        .iter()
        .filter_map(|event| event["type"].as_str())
        .collect();
    assert_eq!(names.len(), events.len());
    assert_eq!(
        (names.first(), names.last()),
        (Some(&"search"), Some(&"done"))
    );
    let at = |name| names.iter().position(|known| *known == name).expect(name);
    assert!(
        at("sources") < at("delta") && at("delta") < at("citation"),
        "{names:?}"
    );
    assert!(at("citation") < at("usage"), "{names:?}");
    let text: String = events
        .iter()
        .filter_map(|event| event["text"].as_str())
        .collect();
    assert_eq!(text, ANSWER);
    assert_eq!(events[at("citation")]["supported"], true, "{events:?}");
}

#[test]
fn text_arrives_before_the_end() {
    let world = world();
    let pause = Duration::from_millis(400);
    let sentences = [
        "A coracle is a small boat [1]. ",
        "It is round [1]. ",
        "One carries it [1].",
    ];
    let server =
        ModelServer::with_key(move |_| Reply::Say(sentences.map(String::from).into(), pause));
    let mut command = with_models(&world, &server, &["ask", "index", QUESTION]);
    let mut child = command.stdout(Stdio::piped()).spawn().expect("started");
    let mut out = child.stdout.take().expect("piped");
    let mut first = [0; 8];
    out.read_exact(&mut first).expect("text");
    let begun = Instant::now();
    assert_eq!(&first, b"A coracl");
    let mut rest = String::new();
    out.read_to_string(&mut rest).expect("text");
    assert!(
        begun.elapsed() > pause,
        "all came at once, {:?}",
        begun.elapsed()
    );
    assert!(rest.contains("One carries it [1]."), "{rest}");
    assert!(child.wait().expect("ended").success());
}

#[test]
fn without_a_model_the_documents_speak_and_it_is_said() {
    let world = world();
    let ended = world.run(&["ask", "index", QUESTION]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(
        ended.out.contains("A coracle is a small round boat"),
        "{}",
        ended.out
    );
    assert!(
        ended.out.contains("[1] Building a coracle"),
        "{}",
        ended.out
    );
    assert!(ended.err.contains("no model wrote this"), "{}", ended.err);
    let quiet = world.run(&["ask", "index", QUESTION, "--quiet"]);
    assert_eq!((&*quiet.err, &*quiet.out), ("", &*ended.out));
    let nothing = world.run(&["ask", "index", "Who won the chess championship of 1972?"]);
    assert_eq!(nothing.code, Some(1), "{nothing:?}");
}

#[test]
fn model_that_is_down_leaves_the_documents() {
    let world = world();
    let mut command = world.command(&["ask", "index", QUESTION, "--json"]);
    // Nobody listens at port 9 of this machine.
    command
        .env("CHAT_URL", "http://127.0.0.1:9/v1")
        .env("CHAT_MODEL", "m");
    let ended = run(command);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let events = lines(&ended.out);
    let degraded = json!({ "type": "degraded", "part": "chat", "code": "unreachable" });
    assert!(events.contains(&degraded), "{events:?}");
    assert_eq!(
        events.last(),
        Some(&json!({ "type": "done", "outcome": "extractive" }))
    );
}

#[test]
fn storm_of_refusals_is_waited_out_as_the_server_asks() {
    let world = world();
    let server = ModelServer::with_key(|asked| match asked.number {
        0 => Reply::refuse(429, "retry-after: 1\r\n"),
        1 => Reply::refuse(503, "retry-after-ms: 1200\r\n"),
        _ => Reply::say(ANSWER),
    });
    assert_eq!(ask(&world, &server, &[]).code, Some(0));
    let asked: Vec<Instant> = server.asked().iter().map(|asked| asked.at).collect();
    assert_eq!(asked.len(), 3);
    assert!(
        asked[1] - asked[0] >= Duration::from_millis(1000),
        "{:?}",
        asked[1] - asked[0]
    );
    assert!(
        asked[2] - asked[1] >= Duration::from_millis(1200),
        "{:?}",
        asked[2] - asked[1]
    );
    // Nobody who waits for an answer waits for an hour.
    let server = ModelServer::with_key(|_| Reply::refuse(429, "retry-after: 3600\r\n"));
    let begin = Instant::now();
    let ended = ask(&world, &server, &["--json"]);
    assert!(begin.elapsed() < Duration::from_secs(5));
    assert!(
        ended.out.contains(r#""outcome":"extractive""#),
        "{}",
        ended.out
    );
    assert!(
        ended.out.contains(r#""code":"rate-limited""#),
        "{}",
        ended.out
    );
    assert_eq!(server.asked().len(), 1);
}

#[test]
fn slow_server_is_left_at_the_deadline() {
    let (world, server) = (world(), ModelServer::with_key(|_| Reply::Hang));
    let mut command = with_models(&world, &server, &["ask", "index", QUESTION, "--json"]);
    command.env("ANSWER_DEADLINE_MS", "1500");
    let begin = Instant::now();
    let ended = run(command);
    let took = begin.elapsed();
    assert!(
        took > Duration::from_millis(1400) && took < Duration::from_secs(6),
        "{took:?}"
    );
    assert!(ended.out.contains(r#""code":"timeout""#), "{}", ended.out);
    assert!(
        ended.out.contains(r#""outcome":"extractive""#),
        "{}",
        ended.out
    );
    soon("the server is left", || {
        server.gone().len() == server.asked().len()
    });
}

#[test]
fn stream_that_breaks_is_told_of() {
    let world = world();
    let server =
        ModelServer::with_key(|_| Reply::Break(vec!["A coracle is a ".into(), "small ".into()]));
    let ended = ask(&world, &server, &[]);
    assert_eq!(ended.code, Some(6), "{ended:?}");
    assert!(
        ended.out.starts_with("A coracle is a small"),
        "{}",
        ended.out
    );
    assert!(ended.err.contains("broke off"), "{}", ended.err);
    assert_eq!(
        server.asked().len(),
        1,
        "what was shown cannot be taken back"
    );
}

#[test]
fn interrupt_ends_the_request_at_the_model() {
    let world = world();
    let words = vec![String::from("word "); 1000];
    let server =
        ModelServer::with_key(move |_| Reply::Say(words.clone(), Duration::from_millis(50)));
    let mut command = with_models(&world, &server, &["ask", "index", QUESTION]);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().expect("started");
    soon("the model is asked", || server.asked().len() == 1);
    assert!(server.gone().is_empty());
    interrupt(&child);
    assert_eq!(child.wait().expect("ended").code(), Some(130));
    soon("the request is given up", || server.gone().len() == 1);
}

#[test]
fn keys_are_in_nothing_that_is_said() {
    let world = world();
    for reply in [401, 400, 500] {
        let server = ModelServer::with_key(move |_| Reply::refuse(reply, ""));
        for args in [&[][..], &["--json"]] {
            let ended = ask(&world, &server, args);
            assert!(!server.asked().is_empty());
            assert!(!(ended.out + &ended.err).contains(KEY), "{reply}");
        }
    }
    let mut unencrypted = world.command(&["ask", "index", QUESTION]);
    unencrypted.env("CHAT_URL", "http://models.example/v1");
    unencrypted.env("CHAT_MODEL", "m").env("CHAT_KEY", KEY);
    let ended = run(unencrypted);
    ended.fails(2, &["CHAT_URL"]);
    assert!(!ended.err.contains(KEY));
}

#[test]
fn flags_go_over_variables() {
    let (world, server) = (world(), ModelServer::new(|_| Reply::say(ANSWER)));
    let mut command = world.command(&[
        "ask",
        "index",
        QUESTION,
        "--chat-url",
        &server.url,
        "--chat-model",
        "flag",
    ]);
    command
        .env("CHAT_URL", "http://127.0.0.1:9/v1")
        .env("CHAT_MODEL", "variable");
    assert_eq!(run(command).code, Some(0));
    assert_eq!(server.asked()[0].body["model"], "flag");
    let mut wrong = world.command(&["ask", "index", QUESTION]);
    wrong
        .env("CHAT_URL", &server.url)
        .env("CHAT_API", "telepathy")
        .env("CHAT_MODEL", "m");
    run(wrong).fails(2, &["CHAT_API"]);
    let binding = ["--chat-url", "binding:AI", "--chat-model", "m"];
    world
        .run(&[&["ask", "index", QUESTION], &binding[..]].concat())
        .fails(2, &["CHAT_URL"]);
    world
        .run(&["ask", "index", QUESTION, "--filter", "{"])
        .fails(2, &["--filter"]);
    world
        .run(&["ask", "nowhere", QUESTION])
        .fails(5, &["nowhere"]);
}

/// An answer that tells which question it is to.
fn echo(asked: &Asked) -> Reply {
    let text = asked.text();
    let question = text.rsplit("Question: ").next().unwrap_or_default();
    Reply::say(&format!(
        "A coracle is a small round boat [1], for {}.",
        question.trim()
    ))
}

#[test]
fn batch_is_whole_in_order_and_goes_on_where_it_stopped() {
    let (world, server) = (world(), ModelServer::with_key(echo));
    let questions: String = (0..6)
        .map(|at| {
            format!(
                "{}\n",
                json!({ "id": format!("q{at}"), "question": format!("coracle {at}") })
            )
        })
        .collect();
    world.write("questions.jsonl", questions);
    let args = ["ask", "index", "--batch", "questions.jsonl"];
    let ended = run(with_models(&world, &server, &args));
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let all = lines(&ended.out);
    for (at, line) in all.iter().enumerate() {
        assert_eq!(line["id"], format!("q{at}"));
        let answer = line["answer"].as_str().expect("an answer");
        assert!(answer.ends_with(&format!("coracle {at}.")), "{answer}");
        assert_eq!(
            (&line["outcome"], &line["citations"][0]["sources"]),
            (&"answered".into(), &json!([1]))
        );
        assert_eq!(line["sources"][0]["number"], 1);
    }
    assert_eq!(all.len(), 6);
    // Two whole lines, and one that a kill cut in two.
    let begun: Vec<&str> = ended.out.lines().take(2).collect();
    world.write(
        "answers.jsonl.unfinished",
        begun.join("\n") + "\n{\"id\": \"q2\", \"ans",
    );
    let before = server.asked().len();
    let out = [&args[..], &["--write", "answers.jsonl"]].concat();
    assert_eq!(run(with_models(&world, &server, &out)).code, Some(0));
    assert_eq!(
        server.asked().len() - before,
        4,
        "what was there was asked again"
    );
    let written = std::fs::read_to_string(world.path("answers.jsonl")).expect("written");
    let ids: Vec<Value> = lines(&written)
        .into_iter()
        .map(|mut line| line["id"].take())
        .collect();
    assert_eq!(ids, ["q0", "q1", "q2", "q3", "q4", "q5"]);
    assert!(!world.path("answers.jsonl.unfinished").exists());
    server.was_asked_rightly();
    world.write(
        "twice.jsonl",
        "{\"id\":1,\"question\":\"a\"}\n{\"id\":1,\"question\":\"b\"}\n",
    );
    world
        .run(&["ask", "index", "--batch", "twice.jsonl"])
        .fails(2, &["twice.jsonl:2", "twice"]);
    world.write("bad.jsonl", "{\"id\":1}\n");
    world
        .run(&["ask", "index", "--batch", "bad.jsonl"])
        .fails(2, &["bad.jsonl:1", "question"]);
    world
        .run(&["ask", "index", "--batch", "none.jsonl"])
        .fails(5, &["none.jsonl"]);
}

#[test]
fn chat_remembers_what_was_said() {
    let world = world();
    let server = ModelServer::with_key(|asked| match asked.text().contains("Last question: ") {
        true => Reply::say("frame of a coracle"),
        false => echo(asked),
    });
    let mut command = with_models(&world, &server, &["chat", "index"]);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().expect("started");
    let mut input = child.stdin.take().expect("piped");
    input
        .write_all(b"What is a coracle?\n\nAnd its frame?\n/quit\nnever asked\n")
        .expect("written");
    let ended = Ended::of(child.wait_with_output().expect("ended"));
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(
        ended.out.matches("small round boat [1], for").count(),
        2,
        "{}",
        ended.out
    );
    server.was_asked_rightly();
    let asked = server.asked();
    assert_eq!(
        asked.len(),
        3,
        "an answer, a question made to stand alone, an answer"
    );
    let last = asked[2].text();
    assert!(
        last.contains("What is a coracle?") && last.contains("for What is a coracle?."),
        "{last}"
    );
    assert!(
        !asked
            .iter()
            .any(|asked| asked.text().contains("never asked"))
    );
}

#[test]
fn queries_are_embedded_by_the_model_of_the_documents_while_it_is_there() {
    let world = World::new();
    let models = ModelServer::new(|asked| match &*asked.path {
        "/embeddings" => Reply::Embed,
        _ => Reply::say(ANSWER),
    });
    let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/corpus/boats");
    let build = [
        "build",
        corpus,
        "--out",
        "index",
        "--no-cache",
        "--embedder",
        "endpoint",
    ];
    let endpoint = ["--endpoint-url", &models.url, "--endpoint-model", "m"];
    world.json(&[&build[..], &endpoint].concat());
    let before = models.asked().len();
    let ask = |embed_url: &str| {
        let mut command = world.command(&["ask", "index", QUESTION, "--json"]);
        command.env("CHAT_URL", &models.url).env("CHAT_MODEL", "m");
        command.env("EMBED_URL", embed_url).env("EMBED_MODEL", "m");
        lines(&run(command).out)
    };
    let events = ask(&models.url);
    assert!(
        events.iter().all(|event| event["type"] != "degraded"),
        "{events:?}"
    );
    let asked = models.asked().split_off(before);
    let paths: Vec<&str> = asked.iter().map(|asked| &*asked.path).collect();
    assert_eq!(paths, ["/embeddings", "/chat/completions"]);
    assert_eq!(asked[0].body["input"], json!([QUESTION]));
    // Nobody listens at port 9 of this machine.
    let events = ask("http://127.0.0.1:9/v1");
    let degraded = json!({ "type": "degraded", "part": "embedding", "code": "unreachable" });
    assert!(events.contains(&degraded), "{events:?}");
    assert_eq!(
        events.last(),
        Some(&json!({ "type": "done", "outcome": "answered" }))
    );
    models.was_asked_rightly();
}

#[test]
fn answers_are_judged_by_what_they_cite() {
    let world = world();
    let server = ModelServer::with_key(|asked| match asked.number {
        0 => Reply::say(ANSWER),
        1 => Reply::say(
            "Elephants paint quarterly spreadsheets [1]. A coracle is a small round boat [1].",
        ),
        _ => Reply::say("NOT COVERED"),
    });
    world.write(
        "queries.tsv",
        "1\tcoracle\n2\tround coracle\n3\tcoracle price\n",
    );
    let args = [
        "eval",
        "index",
        "--answers",
        "--queries",
        "queries.tsv",
        "--json",
    ];
    let ended = run(with_models(&world, &server, &args));
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let judged: Value = serde_json::from_str(&ended.out).expect("JSON");
    let expected = json!({
        "questions": 3, "cited": 2, "sentences": 3, "supported": 2, "not_covered": 1,
        "extractive": 0, "incomplete": 0, "degraded": 0,
    });
    assert_eq!(judged, expected);
    world
        .run(&["eval", "index", "--answers"])
        .fails(2, &["--queries"]);
    world
        .run(&["eval", "index", "--queries", "queries.tsv"])
        .fails(2, &["--qrels", "--answers"]);
}
