//! The service, route by route: what it answers, what it refuses, what it never tells.

#[path = "../support/machine.rs"]
mod machine;
#[path = "../support/mod.rs"]
mod support;

#[path = "service/answers.rs"]
mod answers;
#[path = "service/embed.rs"]
mod embed;
#[path = "service/guard.rs"]
mod guard;
#[path = "service/operation.rs"]
mod operation;
#[path = "service/search.rs"]
mod search;
#[path = "service/secrets.rs"]
mod secrets;
#[path = "service/session.rs"]
mod session;
#[path = "service/together.rs"]
mod together;
#[path = "service/tools.rs"]
mod tools;

use std::future::Future;
use std::task::Context;
use std::task::Poll;
use std::task::Waker;

use coracle::document::Value;
use coracle::index::ROOT_FILE;
use coracle::service::Config;
use coracle::service::Request;
use coracle::service::Service;
use coracle::store::Memory;
use machine::Got;
use machine::Machine;
use machine::Scripted;
use machine::ask;
use machine::get;
use machine::log;
use machine::post;
use machine::request;
use machine::service;
use machine::with;
use proptest::prelude::*;
use serde_json::Value as Json;
use serde_json::json;

const KEY: &str = "sk-secret-of-the-models";

const TOKEN: &str = "secret-token-of-programs";

const ORIGIN: &str = "https://docs.example.com";

fn memory() -> Memory {
    support::memory(&support::documents(20, 1), support::RANGE)
}

fn config(variables: &[(&str, &str)]) -> Config {
    let config = Config::from_variables(|name| {
        let found = variables.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| String::from(*value))
    });
    config.expect("settings")
}

/// Settings with a chat model, and others.
fn with_chat(others: &[(&str, &str)]) -> Config {
    let mut all = vec![
        ("CHAT_URL", "https://models.test/v1"),
        ("CHAT_MODEL", "the-model"),
        ("CHAT_KEY", KEY),
    ];
    all.extend_from_slice(others);
    config(&all)
}

fn searching() -> Service<Machine> {
    service(memory(), Config::default())
}

fn embedding_config(others: &[(&str, &str)]) -> Config {
    let mut all = vec![
        ("EMBED_URL", "https://embed.test/v1"),
        ("EMBED_MODEL", "embedder"),
        ("EMBED_KEY", KEY),
        ("ALLOW_ORIGIN", ORIGIN),
    ];
    all.extend_from_slice(others);
    config(&all)
}

fn embedding(row: &[f32]) -> Scripted {
    let body = json!({ "data": [{ "index": 0, "embedding": row }] });
    Scripted::Answers(200, vec![body.to_string()])
}

fn call(service: &Service<Machine>, method: &str, params: Json) -> Got {
    let body = json!({ "jsonrpc": "2.0", "id": 7, "method": method, "params": params });
    post(service, "/mcp", &body.to_string())
}

fn tool(service: &Service<Machine>, name: &str, arguments: Json) -> Json {
    let got = call(
        service,
        "tools/call",
        json!({ "name": name, "arguments": arguments }),
    );
    assert_eq!(got.status, 200, "{}", got.body());
    got.json()["result"].clone()
}

/// A question that the documents of these tests hold words of.
const QUESTION: &str = "Where does the harbour pilot anchor?";

fn asked(members: Json) -> String {
    let mut body = json!({ "question": QUESTION });
    let all = body.as_object_mut().expect("an object");
    all.extend(members.as_object().expect("an object").clone());
    body.to_string()
}

/// A chat model that says this next.
fn say(service: &Service<Machine>, text: &str) {
    let said = machine::says(text);
    service.host().script.borrow_mut().push_back(said);
}

const SAID: &str = "The harbour pilot waits near the anchor [1]. Nobody knows why.";

/// Bodies that are right, to be made wrong.
fn bodies() -> Vec<(&'static str, String)> {
    let messages = json!([
        { "role": "user", "content": "harbour" },
        { "role": "assistant", "content": [{ "type": "text", "text": "pilot" }] },
        { "role": "user", "parts": [{ "type": "text", "text": "anchor" }] },
    ]);
    let filter = json!({ "lang": ["en"], "year": { "gte": 2016 } });
    let history = json!([{ "role": "user", "content": "harbour" }]);
    let page = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call",
        "params": { "name": "get_page", "arguments": { "chunk": 3, "offset": 1 } } });
    let found = json!({ "jsonrpc": "2.0", "id": "x", "method": "tools/call",
        "params": { "name": "search_docs", "arguments": { "query": "ferry", "filter": filter } } });
    let search = json!({ "q": "harbour pilot", "limit": 3, "offset": 2, "filter": filter,
        "facets": ["tags"], "alpha": 0.5, "explain": true, "text": true, "mode": "hybrid" });
    let query =
        json!({ "question": "harbour", "history": history, "filter": filter, "stream": true });
    let chat = json!({ "messages": messages, "stream": true, "model": "m", "filter": filter });
    [
        ("/search", search),
        ("/query", query),
        ("/v1/chat/completions", chat),
        ("/ui", json!({ "messages": messages })),
        ("/mcp", page),
        ("/mcp", found),
        ("/feedback", json!({ "rating": "up", "comment": "x" })),
        ("/embed", json!({ "q": "harbour" })),
    ]
    .map(|(target, body)| (target, body.to_string()))
    .into()
}
