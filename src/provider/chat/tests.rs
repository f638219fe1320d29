//! Every API against what its documentation shows: success, refusals in the middle of a stream, cuts.

use super::Api;
use super::Message;
use super::Model;
use super::Piece;
use super::Role;
use super::Stop;
use super::StreamError;
use super::TokenField;
use super::Usage;
use crate::json::Json;
use crate::provider::KeyHeader;
use crate::provider::Refusal;
use crate::provider::Secret;
use alloc::string::String;
use alloc::vec::Vec;

const COMPLETIONS: &str = r#"data: {"choices":[],"created":0,"id":"","object":"","prompt_filter_results":[{"prompt_index":0}]}

data: {"id":"c1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":"","refusal":null},"finish_reason":null}],"usage":null,"obfuscation":"x"}

: keep-alive

data: {"id":"c1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":"Grüße, "},"finish_reason":null}],"usage":null}

data: {"id":"c1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":"🚣 [1]"},"finish_reason":null}],"usage":null}

data: {"id":"c1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":null}

data: {"id":"c1","object":"chat.completion.chunk","created":1,"model":"m","choices":[],"usage":{"prompt_tokens":12,"completion_tokens":5,"total_tokens":17}}

data: [DONE]

"#;

const RESPONSES: &str = r#"event: response.created
data: {"type":"response.created","sequence_number":0,"response":{"id":"r","status":"in_progress","output":[]}}

event: response.output_item.added
data: {"type":"response.output_item.added","sequence_number":1,"output_index":0,"item":{"type":"message"}}

event: response.output_text.delta
data: {"type":"response.output_text.delta","sequence_number":2,"item_id":"i","output_index":0,"content_index":0,"delta":"Grüße, "}

event: response.output_text.delta
data: {"type":"response.output_text.delta","sequence_number":3,"item_id":"i","output_index":0,"content_index":0,"delta":"🚣 [1]"}

event: response.completed
data: {"type":"response.completed","sequence_number":4,"response":{"id":"r","status":"completed","usage":{"input_tokens":12,"output_tokens":5,"total_tokens":17}}}

"#;

const ANTHROPIC: &str = r#"event: message_start
data: {"type":"message_start","message":{"id":"m","type":"message","role":"assistant","content":[],"stop_reason":null,"usage":{"input_tokens":12,"output_tokens":1}}}

event: content_block_start
data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}

event: ping
data: {"type":"ping"}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"hm"}}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Grüße, "}}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"🚣 [1]"}}

event: content_block_stop
data: {"type":"content_block_stop","index":0}

event: message_delta
data: {"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":5}}

event: message_stop
data: {"type":"message_stop"}

"#;

const OLLAMA: &str = r#"{"model":"m","created_at":"2026-11-01T00:00:00Z","message":{"role":"assistant","content":"Grüße, "},"done":false}
{"model":"m","created_at":"2026-11-01T00:00:00Z","message":{"role":"assistant","content":"🚣 [1]"},"done":false}
{"model":"m","created_at":"2026-11-01T00:00:00Z","message":{"role":"assistant","content":""},"done":true,"done_reason":"stop","total_duration":5,"prompt_eval_count":12,"eval_count":5}
"#;

const WORKERS_AI: &str = r#"data: {"response":"Grüße, ","p":"abc"}

data: {"response":"🚣 ["}

data: {"response":1}

data: {"response":"]","usage":{"prompt_tokens":12,"completion_tokens":5,"total_tokens":17}}

data: {"response":"","usage":{"prompt_tokens":12,"completion_tokens":5,"total_tokens":17}}

data: [DONE]

"#;

const ALL: [(Api, &str); 6] = [
    (Api::Completions, COMPLETIONS),
    (Api::Responses, RESPONSES),
    (Api::Anthropic, ANTHROPIC),
    (Api::Ollama, OLLAMA),
    (Api::WorkersAi, WORKERS_AI),
    (Api::WorkersAi, COMPLETIONS),
];

type Read = (String, Option<Usage>, Vec<Stop>, Result<(), StreamError>);

/// Reads a stream that arrives in two parts.
fn read(api: Api, stream: &[u8], cut: usize) -> Read {
    let mut pieces = Vec::new();
    let mut decoder = Model::new(api, "https://h/v1", "m").decoder();
    let (before, after) = stream.split_at(cut);
    let mut ended = decoder.push(before, &mut pieces);
    ended = ended.and_then(|()| decoder.push(after, &mut pieces));
    ended = ended.and_then(|()| decoder.end(&mut pieces));
    let (mut text, mut usage, mut stops) = (String::new(), None, Vec::new());
    for piece in pieces {
        match piece {
            Piece::Text(more) => text.push_str(&more),
            Piece::Usage(so_far) => usage = Some(so_far),
            Piece::Stop(stop) => stops.push(stop),
        }
    }
    (text, usage, stops, ended)
}

#[test]
fn answers_are_the_same_wherever_the_stream_is_cut() {
    let usage = Usage {
        input: 12,
        output: 5,
    };
    for (api, stream) in ALL {
        for cut in 0..=stream.len() {
            let (text, used, stops, ended) = read(api, stream.as_bytes(), cut);
            assert_eq!(text, "Grüße, 🚣 [1]", "{api:?} {cut}");
            assert_eq!(
                (used, &*stops),
                (Some(usage), &[Stop::Complete][..]),
                "{api:?} {cut}"
            );
            assert_eq!(ended, Ok(()), "{api:?} {cut}");
        }
    }
}

#[test]
fn stream_that_breaks_off_is_no_answer() {
    for (api, stream) in ALL {
        let whole = read(api, stream.as_bytes(), 0).0;
        for end in 0..stream.len() {
            let (text, _, stops, ended) = read(api, &stream.as_bytes()[..end], 0);
            assert!(
                whole.starts_with(text.trim_end_matches('\u{fffd}')),
                "{api:?} {end}"
            );
            assert_eq!(ended.is_ok(), !stops.is_empty(), "{api:?} {end}");
            // What was cut off can be the end of an event, but never much more.
            assert!(ended.is_err() || end * 2 > stream.len(), "{api:?} {end}");
        }
    }
}

#[test]
fn failures_in_the_middle_of_a_stream_are_failures() {
    let failed = |message: &str, code: &str| {
        let (message, code) = (message.into(), code.into());
        Err(StreamError::Failed(Refusal { message, code }))
    };
    for (api, event, wanted) in [
        (
            Api::Completions,
            "data: {\"error\":{\"message\":\"down\",\"type\":\"server_error\",\"param\":null,\"code\":null}}\n\n",
            failed("down", "server_error"),
        ),
        (
            Api::Completions,
            "event: error\ndata: {\"message\":\"down\",\"code\":500}\n\n",
            failed("down", "500"),
        ),
        (
            Api::Responses,
            "data: {\"type\":\"response.failed\",\"response\":{\"error\":{\"code\":\"server_error\",\"message\":\"down\"}}}\n\n",
            failed("down", "server_error"),
        ),
        (
            Api::Responses,
            "event: error\ndata: {\"type\":\"error\",\"code\":\"rate_limit\",\"message\":\"slow\",\"param\":null}\n\n",
            failed("slow", "rate_limit"),
        ),
        (
            Api::Anthropic,
            "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n",
            failed("Overloaded", "overloaded_error"),
        ),
        (
            Api::Ollama,
            "{\"error\":\"out of memory\"}\n",
            failed("out of memory", ""),
        ),
        (
            Api::WorkersAi,
            "data: {\"errors\":[{\"code\":3040,\"message\":\"busy\"}],\"error\":\"busy\"}\n\n",
            failed("busy", ""),
        ),
        (
            Api::Completions,
            "data: <html>\n\n",
            Err(StreamError::Form {
                event: "<html>".into(),
            }),
        ),
        (
            Api::Ollama,
            "{\"hello\":1}\n",
            Err(StreamError::Form {
                event: "{\"hello\":1}".into(),
            }),
        ),
    ] {
        assert_eq!(read(api, event.as_bytes(), 0).3, wanted, "{api:?} {event}");
    }
}

#[test]
fn every_reason_to_stop_is_told_apart() {
    for (api, event, wanted) in [
        (
            Api::Completions,
            r#"{"choices":[{"delta":{},"finish_reason":"length"}]}"#,
            Stop::Length,
        ),
        (
            Api::Completions,
            r#"{"choices":[{"delta":{},"finish_reason":"content_filter"}]}"#,
            Stop::Refused,
        ),
        (
            Api::Completions,
            r#"{"choices":[{"delta":{"refusal":"No."},"finish_reason":null}]}"#,
            Stop::Refused,
        ),
        (
            Api::Responses,
            r#"{"type":"response.incomplete","response":{"incomplete_details":{"reason":"max_output_tokens"}}}"#,
            Stop::Length,
        ),
        (
            Api::Responses,
            r#"{"type":"response.incomplete","response":{"incomplete_details":{"reason":"content_filter"}}}"#,
            Stop::Refused,
        ),
        (
            Api::Responses,
            r#"{"type":"response.refusal.done","refusal":"No."}"#,
            Stop::Refused,
        ),
        (
            Api::Anthropic,
            r#"{"type":"message_delta","delta":{"stop_reason":"max_tokens"},"usage":{"output_tokens":5}}"#,
            Stop::Length,
        ),
        (
            Api::Anthropic,
            r#"{"type":"message_delta","delta":{"stop_reason":"refusal"},"usage":{"output_tokens":5}}"#,
            Stop::Refused,
        ),
    ] {
        let stream = alloc::format!("data: {event}\n\n");
        let (_, _, stops, ended) = read(api, stream.as_bytes(), 0);
        assert_eq!((stops, ended), (Vec::from([wanted]), Ok(())), "{event}");
    }
    let line = r#"{"message":{"content":""},"done":true,"done_reason":"length"}"#;
    assert_eq!(read(Api::Ollama, line.as_bytes(), 0).2, [Stop::Length]);
}

fn messages() -> Vec<Message> {
    let message = |role, text: &str| Message {
        role,
        text: text.into(),
    };
    Vec::from([
        message(Role::System, "Be \"brief\"."),
        message(Role::User, "Who?"),
        message(Role::Assistant, "I."),
        message(Role::User, "Why?"),
    ])
}

#[test]
fn requests_are_those_of_the_documentation() {
    let turns = r#"{"role":"user","content":"Who?"},{"role":"assistant","content":"I."},{"role":"user","content":"Why?"}"#;
    let all = alloc::format!(r#"{{"role":"system","content":"Be \"brief\"."}},{turns}"#);
    for (api, url, wanted_url, wanted) in [
        (
            Api::Completions,
            "https://r.openai.azure.com/openai/deployments/d?api-version=2024-10-21",
            "https://r.openai.azure.com/openai/deployments/d/chat/completions?api-version=2024-10-21",
            alloc::format!(
                r#"{{"model":"m","messages":[{all}],"stream":true,"stream_options":{{"include_usage":true}},"max_tokens":1024,"temperature":0.5}}"#
            ),
        ),
        (
            Api::Responses,
            "https://h/v1/",
            "https://h/v1/responses",
            alloc::format!(
                r#"{{"model":"m","input":[{turns}],"stream":true,"store":false,"max_output_tokens":1024,"instructions":"Be \"brief\".","temperature":0.5}}"#
            ),
        ),
        (
            Api::Anthropic,
            "https://h/v1",
            "https://h/v1/messages",
            alloc::format!(
                r#"{{"model":"m","max_tokens":1024,"messages":[{turns}],"stream":true,"system":"Be \"brief\".","temperature":0.5}}"#
            ),
        ),
        (
            Api::Ollama,
            "http://localhost:11434",
            "http://localhost:11434/api/chat",
            alloc::format!(
                r#"{{"model":"m","messages":[{all}],"stream":true,"options":{{"num_predict":1024,"temperature":0.5}}}}"#
            ),
        ),
        (
            Api::WorkersAi,
            "https://api.cloudflare.com/client/v4/accounts/a",
            "https://api.cloudflare.com/client/v4/accounts/a/ai/run/m",
            alloc::format!(
                r#"{{"messages":[{all}],"stream":true,"max_tokens":1024,"temperature":0.5}}"#
            ),
        ),
    ] {
        let mut model = Model::new(api, url, "m");
        model.temperature = Some(0.5);
        model.server.key = Secret::new("k");
        let request = model.request(&messages()).expect("a good address");
        assert_eq!(
            (&*request.url, &request.body),
            (wanted_url, &wanted),
            "{api:?}"
        );
        let header = request.key.map(|(header, _)| header);
        let is_anthropic = api == Api::Anthropic;
        assert_eq!(header == Some(KeyHeader::XApiKey), is_anthropic);
        assert_eq!(request.headers.len(), usize::from(is_anthropic));
    }
    let mut model = Model::new(Api::Completions, "https://h/v1", "o");
    model.token_field = TokenField::MaxCompletionTokens;
    let body = model.request(&messages()).expect("a good address").body;
    let body = Json::parse(&body).expect("JSON");
    assert!(body.get("max_completion_tokens").is_some() && body.get("temperature").is_none());
}
