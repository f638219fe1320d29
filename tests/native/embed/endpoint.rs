//! Endpoints against a server that misbehaves in every documented way.

use std::time::Duration;
use std::time::Instant;

use coracle::provider::CallError;
use coracle::provider::Failure;
use coracle::provider::KeyHeader;
use coracle::provider::UrlProblem;
use coracle::provider::embeddings::Api;
use coracle::provider::embeddings::Encoding;
use coracle::provider::embeddings::Model;
use coracle::provider::embeddings::ResponseProblem;
use coracle_cli::embed::EmbedError;
use coracle_cli::embed::Embedder;
use coracle_cli::embed::Endpoint;
use coracle_cli::embed::EndpointError;
use coracle_cli::embed::EndpointOptions;
use coracle_cli::embed::key_from_env;
use serde_json::Value;
use serde_json::json;

use crate::double::DIM;
use crate::double::Double;
use crate::double::Reply;
use crate::double::base64;
use crate::double::response;
use crate::double::row;

/// A variable that is set in every test run; its value stands for the secret.
const KEY_VARIABLE: &str = "CARGO_PKG_NAME";
const KEY_VALUE: &str = "coracle-cli";

/// A model of the double's, with as many components as it serves.
pub fn model(url: &str) -> Model {
    let mut model = Model::new(Api::OpenAi, url, "test-model");
    model.dimensions = Some(DIM);
    model
}

/// The options for a model that differs from [`model`].
fn with(double: &Double, change: impl FnOnce(&mut Model)) -> EndpointOptions {
    let mut options = options(double);
    change(&mut options.model);
    options
}

pub fn options(double: &Double) -> EndpointOptions {
    EndpointOptions {
        backoff: Duration::from_millis(5),
        batch_texts: 4,
        ..EndpointOptions::new(model(&double.url))
    }
}

fn texts(n: usize) -> Vec<String> {
    (0..n).map(|i| format!("text number {i}")).collect()
}

fn embed(options: EndpointOptions, texts: &[String]) -> Result<Vec<f32>, EmbedError> {
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    Endpoint::new(options)?.embed(&texts, &|_| {})
}

fn expected(texts: &[String]) -> Vec<f32> {
    texts.iter().flat_map(|text| row(text)).collect()
}

fn failure(options: EndpointOptions, texts: &[String]) -> EndpointError {
    match embed(options, texts) {
        Err(EmbedError::Endpoint(error)) => error,
        other => panic!("{other:?}"),
    }
}

fn status(status: u16, headers: &str, body: &str) -> Reply {
    Reply::Status(status, headers.into(), body.into())
}

#[test]
fn embed_every_encoding_gives_the_servers_numbers() {
    let double = Double::new(|_, _| Reply::Embed);
    for encoding in [Encoding::Base64, Encoding::Float, Encoding::Unsaid] {
        let options = with(&double, |model| model.encoding = encoding);
        assert_eq!(embed(options, &texts(10)).unwrap(), expected(&texts(10)));
    }
    let sizes: Vec<usize> = double.seen().iter().map(|seen| seen.texts.len()).collect();
    assert_eq!(sizes, [4, 4, 2].repeat(3));
}

#[test]
fn embed_rows_out_of_order_are_sorted_by_index() {
    let double = Double::new(|_, texts| {
        let data = texts.iter().enumerate().rev();
        let data = data.map(|(i, text)| json!({"index": i, "embedding": row(text)}));
        status(
            200,
            "",
            &json!({"data": data.collect::<Vec<_>>()}).to_string(),
        )
    });
    assert_eq!(
        embed(options(&double), &texts(4)).unwrap(),
        expected(&texts(4))
    );
}

#[test]
fn new_without_dimensions_asks_the_server_once() {
    let double = Double::new(|_, _| Reply::Embed);
    let endpoint = Endpoint::new(with(&double, |model| model.dimensions = None)).unwrap();
    assert_eq!((endpoint.dim(), double.charged()), (DIM, 1));
    assert!(
        endpoint
            .fingerprint()
            .to_string()
            .starts_with("test-model@127.0.0.1:8")
    );
}

#[test]
fn embed_many_tokens_are_split_over_requests() {
    let double = Double::new(|_, _| Reply::Embed);
    let texts: Vec<String> = [100, 100, 900, 10].iter().map(|n| "x".repeat(*n)).collect();
    let options = EndpointOptions {
        batch_tokens: 100,
        ..options(&double)
    };
    assert_eq!(embed(options, &texts).unwrap(), expected(&texts));
    let sizes: Vec<usize> = double.seen().iter().map(|seen| seen.texts.len()).collect();
    assert_eq!(sizes, [2, 1, 1]);
}

#[test]
fn embed_prefix_is_sent_with_every_text() {
    let double = Double::new(|_, _| Reply::Embed);
    let options = with(&double, |model| model.document_prefix = "passage: ".into());
    assert_eq!(embed(options, &["x".into()]).unwrap(), row("passage: x"));
}

#[test]
fn embed_passing_failures_are_tried_again() {
    let double = Double::new(|number, _| match number {
        0 => status(
            429,
            "retry-after: 0.3\r\n",
            r#"{"error":{"message":"slow down"}}"#,
        ),
        1 => status(500, "", "oops"),
        2 => Reply::Drop,
        4 => Reply::Cut,
        5 => status(429, "retry-after-ms: 20\r\nretry-after: 100\r\n", ""),
        _ => Reply::Embed,
    });
    let begin = Instant::now();
    assert_eq!(
        embed(options(&double), &texts(8)).unwrap(),
        expected(&texts(8))
    );
    assert_eq!(double.seen().len(), 7);
    assert!(
        begin.elapsed() >= Duration::from_millis(320),
        "{:?}",
        begin.elapsed()
    );
}

#[test]
fn embed_lasting_failure_ends_after_the_retries() {
    let double =
        Double::new(|_, _| status(503, "x-request-id: r7\r\n", r#"{"error":"warming up"}"#));
    let error = failure(
        EndpointOptions {
            retries: 2,
            ..options(&double)
        },
        &texts(1),
    );
    let message = error.to_string();
    assert!(
        matches!(
            error,
            EndpointError::Call(CallError::Refused {
                status: 503,
                attempts: 3,
                ..
            })
        ),
        "{error:?}"
    );
    assert!(
        message.contains("warming up") && message.contains("r7"),
        "{message}"
    );
    assert_eq!(double.seen().len(), 3);
}

#[test]
fn embed_server_that_never_answers_times_out() {
    let double = Double::new(|_, _| {
        std::thread::sleep(Duration::from_secs(2));
        Reply::Embed
    });
    let timeout = Duration::from_millis(100);
    let error = failure(
        EndpointOptions {
            timeout,
            retries: 1,
            ..options(&double)
        },
        &texts(1),
    );
    assert!(
        matches!(
            error,
            EndpointError::Call(CallError::Failed {
                attempts: 2,
                failure: Failure::Timeout
            })
        ),
        "{error:?}"
    );
}

#[test]
fn embed_permanent_refusals_fail_at_once_and_say_what_to_do() {
    for (code, hint) in [
        (400, "model"),
        (401, "key"),
        (403, "key"),
        (404, "URL"),
        (413, "smaller"),
    ] {
        let body = format!(r#"{{"error":{{"message":"no: {KEY_VALUE}"}}}}"#);
        let double = Double::new(move |_, _| status(code, "", &body));
        let key = Some(key_from_env(KEY_VARIABLE).unwrap());
        let error = failure(with(&double, |model| model.server.key = key), &texts(1));
        let message = error.to_string();
        assert!(
            message.contains(&code.to_string()) && message.contains(hint),
            "{message}"
        );
        assert!(
            message.contains("no: …") && !message.contains(KEY_VALUE),
            "{message}"
        );
        assert!(
            matches!(
                error,
                EndpointError::Call(CallError::Refused { attempts: 1, .. })
            ),
            "{error:?}"
        );
        assert_eq!(double.seen().len(), 1);
    }
}

#[test]
fn embed_used_up_quota_fails_at_once() {
    let body = r#"{"error":{"message":"no credit","code":"insufficient_quota"}}"#;
    let double = Double::new(|_, _| status(429, "", body));
    let error = failure(options(&double), &texts(1));
    assert!(
        matches!(
            error,
            EndpointError::Call(CallError::Refused {
                status: 429,
                attempts: 1,
                ..
            })
        ),
        "{error:?}"
    );
}

#[test]
fn embed_long_pause_asked_for_fails_at_once() {
    let double = Double::new(|_, _| status(429, "retry-after: 3600\r\n", ""));
    let error = failure(options(&double), &texts(1));
    assert!(
        matches!(
            error,
            EndpointError::Call(CallError::Pause { millis: 3_600_000 })
        ),
        "{error:?}"
    );
}

#[test]
fn embed_batch_too_large_is_halved() {
    let double = Double::new(|_, texts| match texts.len() {
        0..=2 => Reply::Embed,
        _ => status(413, "", ""),
    });
    let options = EndpointOptions {
        batch_texts: 8,
        ..options(&double)
    };
    assert_eq!(embed(options, &texts(8)).unwrap(), expected(&texts(8)));
}

#[test]
fn embed_bad_responses_name_the_field() {
    let good: Value = row("a").into();
    let mut not_a_number = row("a");
    not_a_number[3] = f32::NAN;
    let mut null = good.clone();
    null[5] = Value::Null;
    let twice = json!({"data": [{"index": 0, "embedding": good}, {"index": 0, "embedding": good}]});
    type Check = fn(&ResponseProblem) -> bool;
    let cases: [(String, &str, Check); 11] = [
        (response(std::slice::from_ref(&good)), "1 embeddings", |p| {
            matches!(
                p,
                ResponseProblem::Count {
                    expected: 2,
                    got: 1
                }
            )
        }),
        (
            response(&[good.clone(), row("b")[..5].into()]),
            "embedding 1 has 5",
            |p| {
                matches!(
                    p,
                    ResponseProblem::Dim {
                        at: 1,
                        expected: 8,
                        got: 5
                    }
                )
            },
        ),
        (
            response(&[good.clone(), base64(&not_a_number)]),
            "component 3 of embedding 1",
            |p| {
                matches!(
                    p,
                    ResponseProblem::NotFinite {
                        at: 1,
                        component: 3
                    }
                )
            },
        ),
        (
            response(&[null, good.clone()]),
            "component 5 of embedding 0",
            |p| {
                matches!(
                    p,
                    ResponseProblem::NotFinite {
                        at: 0,
                        component: 5
                    }
                )
            },
        ),
        (
            response(&[good.clone(), vec![0.0; DIM].into()]),
            "embedding 1",
            |p| matches!(p, ResponseProblem::Zero { at: 1 }),
        ),
        (
            response(&[good.clone(), "AAAA%".into()]),
            "embedding 1",
            |p| matches!(p, ResponseProblem::Base64 { at: 1 }),
        ),
        (
            response(&[good.clone(), "AAAAAAA=".into()]),
            "embedding 1",
            |p| matches!(p, ResponseProblem::Base64 { at: 1 }),
        ),
        (twice.to_string(), "embedding 1 has the index", |p| {
            matches!(p, ResponseProblem::Index { at: 1, index: 0 })
        }),
        (
            response(&[good.clone(), 7.into()]),
            "as lists or base64",
            |p| matches!(p, ResponseProblem::Form { .. }),
        ),
        (r#"{"data": [NaN]}"#.into(), "byte 10", |p| {
            matches!(p, ResponseProblem::Json(_))
        }),
        ("<html>hello</html>".into(), "byte 0", |p| {
            matches!(p, ResponseProblem::Json(_))
        }),
    ];
    for (body, field, is_expected) in cases {
        let shown = body.clone();
        let double = Double::new(move |_, _| status(200, "", &body));
        let error = failure(options(&double), &texts(2));
        let EndpointError::Response { first: 0, problem } = &error else {
            panic!("{error:?}")
        };
        assert!(is_expected(problem), "{problem:?} for {shown}");
        assert!(error.to_string().contains(field), "{error} for {shown}");
        assert_eq!(double.seen().len(), 1);
    }
}

#[test]
fn embed_redirect_is_not_followed_with_the_key() {
    let target = Double::new(|_, _| Reply::Embed);
    let location = format!("location: {}/embeddings\r\n", target.url);
    let double = Double::new(move |_, _| status(307, &location, ""));
    let key = Some(key_from_env(KEY_VARIABLE).unwrap());
    let error = failure(with(&double, |model| model.server.key = key), &texts(1));
    assert!(
        matches!(
            error,
            EndpointError::Call(CallError::Refused { status: 307, .. })
        ),
        "{error:?}"
    );
    assert!(target.seen().is_empty());
}

#[test]
fn embed_key_travels_in_one_header_only() {
    let double = Double::new(|_, _| Reply::Embed);
    let key = key_from_env(KEY_VARIABLE).unwrap();
    assert!(!format!("{key:?}").contains(KEY_VALUE));
    for (key_header, line) in [
        (
            KeyHeader::Bearer,
            "\r\nauthorization: Bearer coracle-cli\r\n",
        ),
        (KeyHeader::ApiKey, "\r\napi-key: coracle-cli\r\n"),
        (KeyHeader::XApiKey, "\r\nx-api-key: coracle-cli\r\n"),
    ] {
        let options = with(&double, |model| {
            model.server.key = Some(key.clone());
            model.server.key_header = key_header;
        });
        embed(options, &texts(1)).unwrap();
        let head = &double.seen().last().unwrap().head.clone();
        assert!(
            head.contains(line) && head.matches(KEY_VALUE).count() == 1,
            "{head}"
        );
    }
}

#[test]
fn new_unusable_options_are_refused_before_any_request() {
    let key = Some(key_from_env(KEY_VARIABLE).unwrap());
    let open = |url: &str| EndpointOptions::new(model(url));
    for url in [
        "",
        "host/v1",
        "ftp://host/v1",
        "http://",
        "https:///v1",
        "http://a b/",
    ] {
        assert!(
            matches!(Endpoint::new(open(url)), Err(EndpointError::Url(_))),
            "{url}"
        );
    }
    let mut unencrypted = open("http://example.org/v1");
    unencrypted.model.server.key = key;
    assert!(matches!(
        Endpoint::new(unencrypted),
        Err(EndpointError::Url(UrlProblem::Unencrypted { .. }))
    ));
    let unset = key_from_env("CORACLE_TEST_NO_SUCH_KEY").unwrap_err();
    assert!(unset.to_string().contains("CORACLE_TEST_NO_SUCH_KEY"));
    let error = failure(open("http://127.0.0.1:9/v1"), &["a".into(), String::new()]);
    assert!(
        matches!(error, EndpointError::EmptyText { text: 1 }),
        "{error:?}"
    );
}

#[test]
fn embed_azure_style_url_keeps_its_query() {
    let double = Double::new(|_, _| Reply::Embed);
    let url = format!("{}/embeddings?api-version=2024-10-21", double.url);
    // The double's schema has no query: it shows the request line in its refusal.
    let error = failure(with(&double, |model| model.server.url = url), &texts(1));
    let line = "post /v1/embeddings?api-version=2024-10-21 http/1.1";
    assert!(error.to_string().contains(line), "{error}");
}
