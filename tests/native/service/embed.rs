//! Queries embedded by a model.

use super::*;

#[test]
fn queries_are_embedded_by_the_model_once() {
    let service = service(memory(), embedding_config(&[]));
    let row = support::unprojected(&[0.5; support::DIM]);
    let asked = with(
        request("POST", "/embed", r#"{"q":"harbour"}"#),
        "origin",
        ORIGIN,
    );
    service
        .host()
        .script
        .borrow_mut()
        .push_back(embedding(&row));
    for _ in 0..2 {
        let got = ask(&service, &asked);
        assert_eq!(got.status, 200, "{}", got.body());
        let numbers = got.json()["embedding"].as_array().expect("numbers").len();
        assert_eq!(numbers, row.len());
    }
    let search = with(
        request("GET", "/search?q=harbour&mode=vector", ""),
        "origin",
        ORIGIN,
    );
    let got = ask(&service, &search);
    assert_eq!((got.status, got.header("coracle-degraded")), (200, ""));
    assert_eq!(service.host().sent.borrow().len(), 1, "kept");
    let lines = log(&service);
    assert_eq!(lines[0]["gen_ai.operation.name"], "embeddings");
    assert_eq!(lines[0]["gen_ai.request.model"], "embedder");
    assert!(
        lines[1]["gen_ai.operation.name"].is_null(),
        "it was at hand"
    );
    let stranger = with(
        request("GET", "/search?q=river", ""),
        "origin",
        "https://evil.example",
    );
    assert_eq!(ask(&service, &stranger).status, 200);
    assert_eq!(
        service.host().sent.borrow().len(),
        1,
        "strangers do not spend"
    );
    let stranger = with(asked, "origin", "https://evil.example");
    let mut foreign = stranger;
    foreign.headers.remove(0);
    assert_eq!(ask(&service, &foreign).refusal().0, 403);
}

#[test]
fn embedder_that_is_down_degrades_visibly() {
    let service = service(memory(), embedding_config(&[]));
    let search = with(request("GET", "/search?q=harbour", ""), "origin", ORIGIN);
    let got = ask(&service, &search);
    assert_eq!(
        (got.status, got.header("coracle-degraded")),
        (200, "embedding")
    );
    assert_eq!(got.header("cache-control"), "no-store");
    assert_eq!(got.json()["degraded"], "embedding");
    // An embedder of other dimensions is the operator's mistake.
    service.host().clock.set(1_000_000);
    service
        .host()
        .script
        .borrow_mut()
        .push_back(embedding(&[1.0, 2.0]));
    let got = ask(
        &service,
        &with(request("GET", "/search?q=pilot", ""), "origin", ORIGIN),
    );
    assert_eq!(
        (got.status, got.header("coracle-degraded")),
        (200, "embedding")
    );
    let asked = with(
        request("POST", "/embed", r#"{"q":"anchor"}"#),
        "origin",
        ORIGIN,
    );
    let got = ask(&service, &asked);
    assert_eq!(got.refusal(), (503, "embedding-unavailable".into()));
    assert!(
        log(&service)
            .iter()
            .any(|line| line["degraded"] == json!(["embedding: unreachable"]))
    );
}
